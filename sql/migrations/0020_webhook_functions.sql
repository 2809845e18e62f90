-- The functions of administrators for webhooks, and the relay that makes deliveries instead of jobs.

grant create on schema auth to auth_herald;
grant execute on function auth_private.mask_phones_in(text) to auth_herald;

create or replace function auth_private.relay_events(p_limit integer) returns integer
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_moved integer;
  v_specs graphile_worker.job_spec[];
begin
  -- One at a time, or the later events of a user could be seen before the earlier ones.
  if not pg_try_advisory_xact_lock(913049, 1) then
    return 0;
  end if;

  -- "for update skip locked", never "id > last": ids are given before the commit, so a smaller one may appear later. Of one
  -- user it may not: whoever writes an event about him holds his row until the commit. An event that somebody else has
  -- locked is passed over, and with it all others about that user.
  with batch as materialized (
    select e.id, e.type, e.user_id from auth_private.events e where e.relayed_at is null
    order by e.id limit p_limit for update skip locked
  ), passed_over as (
    select e.user_id from auth_private.events e
    where e.relayed_at is null and e.id < (select max(b.id) from batch b) and e.id not in (select b.id from batch b)
  ), relayed as (
    update auth_private.events e set relayed_at = now() from batch b
    where e.id = b.id and b.user_id not in (select p.user_id from passed_over p)
    returning e.id, e.type, e.user_id
  ), delivered as (
    insert into auth_private.deliveries (webhook_id, event_id, user_id, due_at)
    select w.id, r.id, r.user_id, greatest(now(), (
      -- Not before those that wait already: they would only be looked at in vain.
      select d.due_at from auth_private.deliveries d
      where d.webhook_id = w.id and d.user_id = r.user_id and d.state = 'waiting' order by d.event_id desc limit 1))
    from relayed r join auth_private.webhooks w on w.events is null or r.type = any (w.events)
    order by r.id
  )
  select count(*) into v_moved from relayed;

  -- A job for every subscriber that has deliveries waiting, unless one works already or begins in time: whatever becomes
  -- of jobs, the next call mends it. A job that is late begins now: "when it was due" would put it before everybody else's.
  select array_agg(row(
    case when w.url is null then 'auth_event' else 'deliver' end, json_build_object('subscriber_id', w.id),
    'subscriber:' || w.id, next.run_at, null, 'subscriber:' || w.id, null, null)::graphile_worker.job_spec)
  into v_specs
  from auth_private.webhooks w
  cross join lateral (
    select greatest(d.due_at, now()) as run_at from auth_private.deliveries d
    where d.webhook_id = w.id and d.state = 'waiting' order by d.due_at limit 1
  ) next
  left join graphile_worker.jobs j on j.key = 'subscriber:' || w.id
  where j.id is null or j.locked_at is null and (j.attempts >= j.max_attempts or j.run_at > next.run_at);
  perform graphile_worker.add_jobs(v_specs) where v_specs is not null;

  return v_moved;
end
$$;

revoke all on function auth_private.relay_events(integer) from public;

comment on function auth_private.relay_events(integer) is
  'Makes deliveries of up to p_limit events of the outbox, one for each subscriber that wants the type, and answers of how many; and sees to it that every subscriber with deliveries waiting has a job, deliver or (without a URL) auth_event, whose payload is {subscriber_id}. Called by the worker, as the owner, again and again.';

create function auth_private.admin_require_webhook(p_id uuid) returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (select from auth_private.webhooks w where w.id = p_id) then
    raise exception 'There is no such webhook' using errcode = 'WX001',
      hint = 'auth.admin_list_webhooks tells which there are.';
  end if;
end
$$;

revoke all on function auth_private.admin_require_webhook(uuid) from public;
grant execute on function auth_private.admin_require_webhook(uuid) to auth_herald;

comment on function auth_private.admin_require_webhook(uuid) is
  'Raises validation_failed (WX001) where there is no such subscriber.';

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

create function auth.admin_list_webhooks()
returns table (id uuid, url text, events text[], created_at timestamptz, waiting bigint, next_due_at timestamptz, failed bigint)
language sql security definer stable
set search_path = pg_catalog, pg_temp
begin atomic
  select w.id, w.url, w.events, w.created_at, d.waiting, d.next_due_at, d.failed
  from auth_private.webhooks w
  cross join lateral (
    select count(*) filter (where d.state = 'waiting') as waiting,
           min(d.due_at) filter (where d.state = 'waiting') as next_due_at,
           count(*) filter (where d.state = 'failed') as failed
    from auth_private.deliveries d where d.webhook_id = w.id
  ) d
  order by w.created_at, w.id;
end;

revoke all on function auth.admin_list_webhooks() from public;
grant execute on function auth.admin_list_webhooks() to service_role;
alter function auth.admin_list_webhooks() owner to auth_herald;

comment on function auth.admin_list_webhooks() is
  'The subscribers, and how many deliveries wait or have failed of each; without their secrets. The one without a URL is the application''s own task.';

create function auth.admin_remove_webhook(webhook_id uuid) returns void
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_url text;
begin
  perform auth_private.admin_require_webhook(admin_remove_webhook.webhook_id);
  delete from auth_private.webhooks w where w.id = admin_remove_webhook.webhook_id returning w.url into v_url;
  insert into auth.audit_log_entries (action, actor, details)
  values ('webhook_removed', 'admin:' || session_user, jsonb_strip_nulls(jsonb_build_object(
    'webhook_id', admin_remove_webhook.webhook_id, 'origin', substring(v_url from '^[a-zA-Z]+://[^/?]+'))));
end
$$;

revoke all on function auth.admin_remove_webhook(uuid) from public;
grant execute on function auth.admin_remove_webhook(uuid) to service_role;
alter function auth.admin_remove_webhook(uuid) owner to auth_herald;

comment on function auth.admin_remove_webhook(uuid) is
  'Takes a subscriber away, with all its deliveries. Requests that are on their way are not called back. Raises validation_failed (WX001: no such webhook).';

create function auth.admin_list_failed_deliveries(webhook_id uuid, max_rows integer default 100)
returns table (
  id bigint, type text, user_id uuid, happened_at timestamptz,
  attempts integer, last_attempt_at timestamptz, last_status integer, last_error text
)
language plpgsql security definer stable
set search_path = pg_catalog, pg_temp
as $$
begin
  perform auth_private.admin_require_webhook(admin_list_failed_deliveries.webhook_id);
  return query
    select d.id, e.type, d.user_id, e.created_at, d.attempts, d.last_attempt_at, d.last_status, d.last_error
    from auth_private.deliveries d join auth_private.events e on e.id = d.event_id
    where d.webhook_id = admin_list_failed_deliveries.webhook_id and d.state = 'failed'
    order by d.id limit case when admin_list_failed_deliveries.max_rows < 0 then 0 else admin_list_failed_deliveries.max_rows end;
end
$$;

revoke all on function auth.admin_list_failed_deliveries(uuid, integer) from public;
grant execute on function auth.admin_list_failed_deliveries(uuid, integer) to service_role;
alter function auth.admin_list_failed_deliveries(uuid, integer) owner to auth_herald;

comment on function auth.admin_list_failed_deliveries(uuid, integer) is
  'The deliveries of a subscriber that were given up, the oldest first, at most max_rows of them (null: all): what, about whom, how often it was tried, and what was wrong the last time. Raises validation_failed (WX001: no such webhook).';

create function auth.admin_replay_deliveries(webhook_id uuid, delivery_ids bigint[] default null) returns integer
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_replayed integer;
begin
  perform auth_private.admin_require_webhook(admin_replay_deliveries.webhook_id);
  update auth_private.deliveries d set state = 'waiting', due_at = now(), attempts = 0
  where d.webhook_id = admin_replay_deliveries.webhook_id and d.state = 'failed'
    and (admin_replay_deliveries.delivery_ids is null or d.id = any (admin_replay_deliveries.delivery_ids));
  get diagnostics v_replayed = row_count;
  if v_replayed > 0 then
    insert into auth.audit_log_entries (action, actor, details)
    values ('deliveries_replayed', 'admin:' || session_user, jsonb_build_object(
      'webhook_id', admin_replay_deliveries.webhook_id, 'deliveries', v_replayed));
  end if;
  return v_replayed;
end
$$;

revoke all on function auth.admin_replay_deliveries(uuid, bigint[]) from public;
grant execute on function auth.admin_replay_deliveries(uuid, bigint[]) to service_role;
alter function auth.admin_replay_deliveries(uuid, bigint[]) owner to auth_herald;

comment on function auth.admin_replay_deliveries(uuid, bigint[]) is
  'Lets deliveries of a subscriber that were given up wait again, all of them or those with these ids, and answers how many: they are tried anew, those about one user in the order of the events, before those about him that wait already. Raises validation_failed (WX001: no such webhook).';

revoke create on schema auth from auth_herald;
