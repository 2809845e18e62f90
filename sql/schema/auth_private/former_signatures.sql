-- What nodes of the version before call while an upgrade is under way. A default for the new parameters would not do: the former
-- functions would have to be dropped, which fails everybody who is in one at that moment.
create function auth_private.wechat_sign_in(
  p_appid text, p_openid text, p_unionid text,
  out session_id uuid, out refresh_counter bigint, out signed_in_at timestamptz, out user_json jsonb
)
language sql volatile
begin atomic
  select * from auth_private.wechat_sign_in(p_appid, p_openid, p_unionid, false);
end;

revoke all on function auth_private.wechat_sign_in(text, text, text) from public;
grant execute on function auth_private.wechat_sign_in(text, text, text) to authenticator;
comment on function auth_private.wechat_sign_in(text, text, text) is
  'The former signature, for nodes of the version before.';

create function auth_private.refresh_session(
  p_session_id uuid, p_counter bigint,
  out state text, out refresh_counter bigint, out signed_in_at timestamptz, out user_json jsonb
)
language sql volatile
begin atomic
  select * from auth_private.refresh_session(p_session_id, p_counter, null, null);
end;

revoke all on function auth_private.refresh_session(uuid, bigint) from public;
grant execute on function auth_private.refresh_session(uuid, bigint) to authenticator;
comment on function auth_private.refresh_session(uuid, bigint) is
  'The former signature, for nodes of the version before. It knows no limits.';
