-- The duty auth_signer: what its functions may reach, whatever is written in them.

-- auth_signer: the identity that signs in, the user to whom it belongs, or, by the same unionid, will belong.
grant select, insert (user_id, provider, appid, provider_id, unionid),
  update (unionid, last_sign_in_at, updated_at) on auth.identities to auth_signer;
create policy identities_signer_insert on auth.identities for insert to auth_signer
  with check (
    provider = 'wechat_mini'
    and appid = (select auth_private.signing_identity() ->> 'appid')
    and provider_id = (select auth_private.signing_identity() ->> 'openid')
    and unionid is not distinct from (select auth_private.signing_identity() ->> 'unionid')
    -- Only users whom auth_signer may see: the one just made, or the one of the same unionid.
    and exists (select from auth.users u where u.id = user_id));
create policy identities_signer_update on auth.identities for update to auth_signer
  using (
    provider = 'wechat_mini'
    and appid = (select auth_private.signing_identity() ->> 'appid')
    and provider_id = (select auth_private.signing_identity() ->> 'openid'));
-- An identity names nobody to whom it does not lead: seeing the others of the same user is harmless, and cannot be
-- told here without asking this table about itself.
create policy identities_signer_select on auth.identities for select to auth_signer using (true);

grant select, insert (wechat_id, wechat_unionid, app_metadata),
  update (wechat_unionid, last_sign_in_at, updated_at) on auth.users to auth_signer;
create policy users_signer_select on auth.users for select to auth_signer
  using (
    -- What is looked up comes last: mostly it is not needed.
    wechat_id = (select auth_private.signing_identity() ->> 'openid')
    or wechat_unionid = (select auth_private.signing_identity() ->> 'unionid')
    or id = (select auth_private.signing_user_id()));
create policy users_signer_insert on auth.users for insert to auth_signer
  with check (
    wechat_id = (select auth_private.signing_identity() ->> 'openid')
    and (wechat_unionid is null or wechat_unionid = (select auth_private.signing_identity() ->> 'unionid')));
create policy users_signer_update on auth.users for update to auth_signer
  using (id = (select auth_private.signing_user_id())) with check (id = (select auth.uid()));
-- It may lock him whom the unionid leads to before he has this identity, and not update him.
create policy users_signer_lock on auth.users for update to auth_signer
  using (wechat_unionid = (select auth_private.signing_identity() ->> 'unionid')) with check (false);

grant select, insert (user_id), delete on auth.sessions to auth_signer;
create policy sessions_signer_insert on auth.sessions for insert to auth_signer
  with check (user_id = (select auth_private.signing_user_id()));
create policy sessions_signer_delete on auth.sessions for delete to auth_signer
  using (user_id = (select auth_private.signing_user_id()));
create policy sessions_signer_select on auth.sessions for select to auth_signer
  using (user_id = (select auth.uid()));

create policy audit_log_entries_signer_insert on auth.audit_log_entries for insert to auth_signer
  with check (user_id = (select auth.uid()) and actor = 'user');
create policy events_signer_insert on auth_private.events for insert to auth_signer
  with check (user_id = (select auth.uid()));
