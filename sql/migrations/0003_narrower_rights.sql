-- Rights that no function uses are taken back, and signing in reaches identities of mini programs only.

revoke usage on schema auth from authenticator, auth_courier;
revoke execute on function auth_private.mask_phone(text) from auth_signer, auth_keeper;
revoke execute on function auth.uid() from auth_signer, auth_binder, auth_steward;
revoke execute on function auth.role() from auth_signer, auth_keeper, auth_binder, auth_steward;
revoke execute on function auth.jwt() from auth_signer, auth_steward;
revoke insert (id) on auth.users from auth_signer;

alter policy identities_signer_update on auth.identities
  using (
    provider = 'wechat_mini'
    and appid = (select auth_private.signing_identity() ->> 'appid')
    and provider_id = (select auth_private.signing_identity() ->> 'openid'));
