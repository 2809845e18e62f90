grant select (id, created_at, relayed_at) on auth_private.events to auth_watcher;
create policy events_watcher_select on auth_private.events for select to auth_watcher using (relayed_at is null);
