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
