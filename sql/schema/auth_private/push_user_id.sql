create function auth_private.push_user_id() returns uuid
language sql stable
return (
  select i.user_id from auth_private.wechat_pushes p
  join auth.identities i on i.provider = 'wechat_mini' and i.appid = p.appid and i.provider_id = p.openid
  where p.id = nullif(current_setting('request.push_id', true), '')::bigint and p.done_at is null
);

revoke all on function auth_private.push_user_id() from public;
grant execute on function auth_private.push_user_id() to auth_eraser;

comment on function auth_private.push_user_id() is
  'Whom the push in hand (setting request.push_id) is about, by the inbox and the identities. Null: nobody, or it is done.';
