-- The duty auth_holder: what its functions may reach, whatever is written in them.

-- auth_holder: the session's own user, of him never the phone, and his identities and sessions.
grant select (id, user_id), delete on auth.sessions to auth_holder;
-- It may lock the session, for which PostgreSQL wants a right to update, and never update it.
grant update (id) on auth.sessions to auth_holder;
create policy sessions_holder_lock on auth.sessions for update to auth_holder
  using (id = (auth.jwt() ->> 'session_id')::uuid) with check (false);
create policy sessions_holder_select on auth.sessions for select to auth_holder
  using (id = (auth.jwt() ->> 'session_id')::uuid or user_id = (select auth.uid()));
create policy sessions_holder_delete on auth.sessions for delete to auth_holder
  using (user_id = (select auth.uid()));

grant select on auth.users to auth_holder;
grant update (wechat_id, wechat_unionid, user_metadata, updated_at, deleted_at) on auth.users to auth_holder;
create policy users_holder_select on auth.users for select to auth_holder
  using (id = (select auth_private.session_user_id()));
create policy users_holder_select_merged on auth.users for select to auth_holder
  using (merged_into = (select auth_private.session_user_id()));
create policy users_holder_update on auth.users for update to auth_holder
  using (id = (select auth_private.session_user_id()));

-- A new identity is the one that WeChat has just vouched for; an old one is only made useless.
grant select, insert (user_id, provider, appid, provider_id, unionid), delete,
  update (provider_id, unionid, updated_at) on auth.identities to auth_holder;
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

grant select (user_id), delete on auth.phone_changes to auth_holder;
create policy phone_changes_holder_all on auth.phone_changes to auth_holder
  using (user_id = (select auth_private.session_user_id()));

create policy audit_log_entries_holder_insert on auth.audit_log_entries for insert to auth_holder
  with check (user_id = (select auth.uid()) and actor = 'user');
-- It takes phones out of events about him, and about accounts that were merged into his: the users whom it sees.
grant select (user_id, data), update (data) on auth_private.events to auth_holder;
create policy events_holder_select on auth_private.events for select to auth_holder
  using (user_id in (select u.id from auth.users u));
create policy events_holder_update on auth_private.events for update to auth_holder
  using (user_id in (select u.id from auth.users u)) with check (not data ? 'phone');
create policy events_holder_insert on auth_private.events for insert to auth_holder
  with check (user_id = (select auth.uid()) and type = 'user.deleted');
