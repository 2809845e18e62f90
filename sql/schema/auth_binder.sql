-- The duty auth_binder: what its functions may reach, whatever is written in them.

-- auth_binder: the session's own row, and of that only the phone.
grant select (id, user_id) on auth.sessions to auth_binder;
-- It may lock the session, for which PostgreSQL wants a right to update, and never update it.
grant update (id) on auth.sessions to auth_binder;
create policy sessions_binder_lock on auth.sessions for update to auth_binder
  using (id = (auth.jwt() ->> 'session_id')::uuid) with check (false);
create policy sessions_binder_select on auth.sessions for select to auth_binder
  using (id = (auth.jwt() ->> 'session_id')::uuid);

grant select on auth.users to auth_binder;
grant update (phone, phone_confirmed_at, phone_raw, updated_at) on auth.users to auth_binder;
create policy users_binder_select on auth.users for select to auth_binder
  using (id = (select auth_private.session_user_id()));
create policy users_binder_update on auth.users for update to auth_binder
  using (id = (select auth_private.session_user_id()));

grant select on auth.identities to auth_binder;
create policy identities_binder_select on auth.identities for select to auth_binder
  using (user_id = (select auth.uid()));

grant select, insert, update on auth_private.wechat_codes to auth_binder;
create policy wechat_codes_binder_select on auth_private.wechat_codes for select to auth_binder using (true);
create policy wechat_codes_binder_insert on auth_private.wechat_codes for insert to auth_binder
  with check (user_id = (select auth.uid()));
create policy wechat_codes_binder_update on auth_private.wechat_codes for update to auth_binder
  using (user_id = (select auth.uid()) or outcome is null or outcome = 'wechat_code_invalid')
  -- His own code; or a claim that is given back, by whoever knows its id, without a session.
  with check (
    user_id = (select auth.uid())
    or claim_id = (select nullif(current_setting('request.claim_id', true), '')::uuid));

grant insert (user_id, former, phone, how, actor) on auth.phone_changes to auth_binder;
create policy phone_changes_binder_insert on auth.phone_changes for insert to auth_binder
  with check (user_id = (select auth.uid()) and actor = 'user');

create policy audit_log_entries_binder_insert on auth.audit_log_entries for insert to auth_binder
  with check (user_id = (select auth.uid()) and actor = 'user');
create policy events_binder_insert on auth_private.events for insert to auth_binder
  with check (user_id = (select auth.uid()));
