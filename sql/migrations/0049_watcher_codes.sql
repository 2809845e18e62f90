grant select (claimed_until, outcome, created_at) on auth_private.wechat_codes to auth_watcher;
create policy wechat_codes_watcher_select on auth_private.wechat_codes for select to auth_watcher using (outcome is null);
