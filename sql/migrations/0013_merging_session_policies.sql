create policy sessions_merger_all on auth.sessions to auth_merger
  using (user_id = any (auth_private.merging_users()));

create policy sessions_merger_select_own on auth.sessions for select to auth_merger
  using (id = (auth.jwt() ->> 'session_id')::uuid);
