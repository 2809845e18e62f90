grant select (webhook_id, state, due_at, attempts) on auth_private.deliveries to auth_watcher;
create policy deliveries_watcher_select on auth_private.deliveries for select to auth_watcher using (true);
