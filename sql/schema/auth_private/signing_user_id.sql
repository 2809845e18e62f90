create function auth_private.signing_user_id() returns uuid
language sql stable
return (
  select i.user_id from auth.identities i
  where i.provider = 'wechat_mini'
    and i.appid = (auth_private.signing_identity() ->> 'appid')
    and i.provider_id = (auth_private.signing_identity() ->> 'openid')
);

revoke all on function auth_private.signing_user_id() from public;
grant execute on function auth_private.signing_user_id() to auth_signer, auth_merger;

comment on function auth_private.signing_user_id() is
  'To whom the openid that signs in belongs; null: to nobody yet.';
