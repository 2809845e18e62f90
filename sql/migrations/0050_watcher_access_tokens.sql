grant select (appid, kind, expires_at, fetched_at, failures) on auth_private.wechat_access_tokens to auth_watcher;
create policy wechat_access_tokens_watcher_select on auth_private.wechat_access_tokens for select to auth_watcher using (true);
