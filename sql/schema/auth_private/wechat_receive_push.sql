-- The one statement of a push. Before: src/push/routes.ts. After: relay_pushes.sql, by the worker.
create function auth_private.wechat_receive_push(
  p_appid text, p_event text, p_openid text, p_revoke_info text[], p_create_time timestamptz
) returns void
language sql security definer volatile
set search_path = pg_catalog, pg_temp
begin atomic
  insert into auth_private.wechat_pushes (appid, event, openid, revoke_info, create_time)
  values (p_appid, p_event, p_openid, p_revoke_info, p_create_time)
  on conflict do nothing;
end;

revoke all on function auth_private.wechat_receive_push(text, text, text, text[], timestamptz) from public;
grant execute on function auth_private.wechat_receive_push(text, text, text, text[], timestamptz) to authenticator;
alter function auth_private.wechat_receive_push(text, text, text, text[], timestamptz) owner to auth_receiver;

comment on function auth_private.wechat_receive_push(text, text, text, text[], timestamptz) is
  'Puts a push of WeChat''s into the inbox, once however often WeChat repeats it. p_revoke_info is sorted and holds nothing twice.';
