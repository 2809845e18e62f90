-- A sign-in looked up whose the openid is once for each row that it touches.
alter policy users_signer_select on auth.users
  using (
    wechat_id = (select auth_private.signing_identity() ->> 'openid')
    or wechat_unionid = (select auth_private.signing_identity() ->> 'unionid')
    or id = (select auth_private.signing_user_id()));
alter policy users_signer_update on auth.users
  using (id = (select auth_private.signing_user_id())) with check (id = (select auth.uid()));
