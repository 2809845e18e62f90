create function auth_private.signing_identity() returns jsonb
language sql stable
return nullif(current_setting('request.wechat', true), '')::jsonb;

revoke all on function auth_private.signing_identity() from public;
grant execute on function auth_private.signing_identity() to auth_signer, auth_holder, auth_merger;

comment on function auth_private.signing_identity() is
  'Who is signing in, by WeChat''s word: {appid, openid, unionid}. What the policies of auth_signer, auth_holder and auth_merger compare with.';
