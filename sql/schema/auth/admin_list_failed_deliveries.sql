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
