create policy identities_steward_update on auth.identities for update to auth_steward
  using (true) with check (provider_id = 'deleted-' || id and unionid is null);
create policy identities_holder_select on auth.identities for select to auth_holder
  using (user_id = (select auth_private.session_user_id()));
create policy identities_holder_update on auth.identities for update to auth_holder
  using (user_id = (select auth_private.session_user_id()))
  with check (user_id = (select auth_private.session_user_id()) and provider_id = 'deleted-' || id and unionid is null);
create policy identities_holder_delete on auth.identities for delete to auth_holder
  using (user_id = (select auth_private.session_user_id()));
create policy identities_holder_insert on auth.identities for insert to auth_holder
  with check (
    user_id = (select auth_private.session_user_id())
    and provider = 'wechat_mini'
    and appid = (select auth_private.signing_identity() ->> 'appid')
    and provider_id = (select auth_private.signing_identity() ->> 'openid'));
