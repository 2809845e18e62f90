-- The duty auth_merger: what its functions may reach, whatever is written in them.

-- auth_merger: two accounts at a time, or one that is exported with those that were merged into it, and what belongs to them. Which two, an administrator says, or WeChat: the session's user
-- and the owner of the phone that WeChat vouches for; the owners of one unionid.
grant select on auth.users to auth_merger;
-- It changes an id only to ask the foreign keys who refers to it, and takes that back (auth_private.merge_users).
grant update (id, phone, phone_confirmed_at, phone_raw, wechat_id, wechat_unionid, app_metadata, user_metadata,
              last_sign_in_at, banned_until, merged_into, updated_at) on auth.users to auth_merger;
create policy users_merger_select on auth.users for select to auth_merger
  using (id = any (auth_private.merging_users()) or merged_into = any (auth_private.merging_users()));
create policy users_merger_select_phone on auth.users for select to auth_merger
  using (phone = nullif(current_setting('request.phone', true), ''));
create policy users_merger_select_signing on auth.users for select to auth_merger
  using (
    id = (select auth_private.signing_user_id())
    or wechat_unionid = (select auth_private.signing_identity() ->> 'unionid'));
create policy users_merger_update on auth.users for update to auth_merger
  using (id = any (auth_private.merging_users()) or merged_into = any (auth_private.merging_users()));

grant select on auth.identities to auth_merger;
grant update (user_id, updated_at) on auth.identities to auth_merger;
create policy identities_merger_all on auth.identities to auth_merger
  using (user_id = any (auth_private.merging_users()));
create policy identities_merger_select_signing on auth.identities for select to auth_merger
  using (provider_id = (select auth_private.signing_identity() ->> 'openid'));

grant select on auth.sessions to auth_merger;
grant update (user_id) on auth.sessions to auth_merger;
create policy sessions_merger_all on auth.sessions to auth_merger
  using (user_id = any (auth_private.merging_users()));
create policy sessions_merger_select_own on auth.sessions for select to auth_merger
  using (id = (auth.jwt() ->> 'session_id')::uuid);

grant select on auth_private.wechat_codes to auth_merger;
grant update (user_id, phone_revision) on auth_private.wechat_codes to auth_merger;
create policy wechat_codes_merger_all on auth_private.wechat_codes to auth_merger
  using (user_id = any (auth_private.merging_users()));

grant select, insert (user_id, former, phone, how, actor), update (user_id) on auth.phone_changes to auth_merger;
create policy phone_changes_merger_all on auth.phone_changes to auth_merger
  using (user_id = any (auth_private.merging_users()));

-- Everything that is held about a person (auth.admin_export_user).
grant select on auth.audit_log_entries, auth_private.events, auth_private.deliveries, auth_private.wechat_pushes to auth_merger;
create policy audit_log_entries_merger_select on auth.audit_log_entries for select to auth_merger
  using (user_id = any (auth_private.merging_users()));
create policy events_merger_select on auth_private.events for select to auth_merger
  using (user_id = any (auth_private.merging_users()));
create policy deliveries_merger_select on auth_private.deliveries for select to auth_merger
  using (user_id = any (auth_private.merging_users()));
create policy wechat_pushes_merger_select on auth_private.wechat_pushes for select to auth_merger
  using (exists (select from auth.identities i where i.appid = wechat_pushes.appid and i.provider_id = wechat_pushes.openid));

create policy audit_log_entries_merger_insert on auth.audit_log_entries for insert to auth_merger
  with check (user_id = any (auth_private.merging_users()));
create policy events_merger_insert on auth_private.events for insert to auth_merger
  with check (user_id = any (auth_private.merging_users()) and type in ('user.merged', 'phone.bound'));
