grant select (id) on auth_private.webhooks to auth_watcher;
create policy webhooks_watcher_select on auth_private.webhooks for select to auth_watcher using (true);
