-- The duty auth_keeper: what its functions may reach, whatever is written in them.

-- auth_keeper: the session, the other sessions of the same user (auth.uid() is read off the session's row by then),
-- and the user to look at.
grant select, delete on auth.sessions to auth_keeper;
grant update (refresh_counter, refreshed_at) on auth.sessions to auth_keeper;
create policy sessions_keeper_all on auth.sessions to auth_keeper
  using (id = (auth.jwt() ->> 'session_id')::uuid or user_id = (select auth.uid()));

grant select on auth.users to auth_keeper;
create policy users_keeper_select on auth.users for select to auth_keeper
  using (id = (select auth_private.session_user_id()));
-- It may lock the user, for which PostgreSQL wants a right to update, and never update him.
grant update (updated_at) on auth.users to auth_keeper;
create policy users_keeper_lock on auth.users for update to auth_keeper
  using (id = (select auth_private.session_user_id())) with check (false);

grant select on auth.identities to auth_keeper;
create policy identities_keeper_select on auth.identities for select to auth_keeper
  using (user_id = (select auth.uid()));

create policy audit_log_entries_keeper_insert on auth.audit_log_entries for insert to auth_keeper
  with check (user_id = (select auth.uid()) and actor = 'user');
