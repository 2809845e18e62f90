create function auth.admin_add_webhook(
  out id uuid, inout url text, inout events text[] default null, inout secret text default null
)
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_base64 text;
  v_bytes bytea;
  v_unknown text;
begin
  -- What the server can understand in one way only: no credentials, no spaces, no fragment; visible ASCII.
  if admin_add_webhook.url is null or length(admin_add_webhook.url) > 2048
    or admin_add_webhook.url !~* '^https?://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?([/?][!"$-~]*)?$'
    or substring(admin_add_webhook.url from '^[a-zA-Z]+://[^/?]*[^/?:]:([0-9]{1,5})(?:[/?]|$)')::integer not between 1 and 65535 then
    raise exception 'Not a URL for webhooks' using errcode = 'WX001',
      hint = 'Write http(s)://host[:port]/path in visible ASCII, at most 2048 characters, without user, password and fragment.';
  end if;

  admin_add_webhook.events := nullif(admin_add_webhook.events, '{}');
  select coalesce(e.type, 'null') into v_unknown from unnest(admin_add_webhook.events) as e (type)
  where (e.type = any (auth_private.event_types())) is not true limit 1;
  if v_unknown is not null then
    raise exception 'There are no events of the type %', left(auth_private.mask_phones_in(v_unknown), 100) using errcode = 'WX001',
      hint = format('Choose from %s; null: all.', array_to_string(auth_private.event_types(), ', '));
  end if;

  v_base64 := regexp_replace(coalesce(admin_add_webhook.secret,
    encode(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 'base64')),
    '^whsec_', '');
  -- Canonical, as every library decodes it alike.
  if v_base64 ~ '^[A-Za-z0-9+/]{32,88}={0,2}$' and length(v_base64) % 4 = 0 then
    v_bytes := decode(v_base64, 'base64');
  end if;
  if coalesce(octet_length(v_bytes) not between 24 and 64, true)
    or translate(encode(v_bytes, 'base64'), E'\n', '') <> v_base64 then
    raise exception 'Not a secret of Standard Webhooks' using errcode = 'WX001',
      hint = 'whsec_ and the base64 of 24 to 64 random bytes; null: one is made.';
  end if;
  admin_add_webhook.secret := 'whsec_' || v_base64;

  insert into auth_private.webhooks as w (url, events, secret)
  values (admin_add_webhook.url, admin_add_webhook.events, admin_add_webhook.secret)
  returning w.id into admin_add_webhook.id;
  -- Without path and query, which may be as secret as a password.
  insert into auth.audit_log_entries (action, actor, details)
  values ('webhook_added', 'admin:' || session_user, jsonb_strip_nulls(jsonb_build_object(
    'webhook_id', admin_add_webhook.id, 'events', admin_add_webhook.events,
    'origin', substring(admin_add_webhook.url from '^[a-zA-Z]+://[^/?]+'))));
end
$$;

revoke all on function auth.admin_add_webhook(text, text[], text) from public;
grant execute on function auth.admin_add_webhook(text, text[], text) to service_role;
alter function auth.admin_add_webhook(text, text[], text) owner to auth_herald;

comment on function auth.admin_add_webhook(text, text[], text) is
  'Adds a subscriber: from now on events of these types (null or empty: all) are posted to the URL, signed with the secret by Standard Webhooks. Without a secret one is made. Answers what has been added; the secret is not shown again. Raises validation_failed (WX001).';
