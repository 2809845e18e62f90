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
