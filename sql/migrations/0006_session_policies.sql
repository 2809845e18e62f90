create policy sessions_steward_all on auth.sessions to auth_steward using (true);
create policy sessions_signer_delete on auth.sessions for delete to auth_signer
  using (user_id = (select auth_private.signing_user_id()));
create policy sessions_holder_lock on auth.sessions for update to auth_holder
  using (id = (auth.jwt() ->> 'session_id')::uuid) with check (false);
create policy sessions_holder_select on auth.sessions for select to auth_holder
  using (id = (auth.jwt() ->> 'session_id')::uuid or user_id = (select auth.uid()));
create policy sessions_holder_delete on auth.sessions for delete to auth_holder
  using (user_id = (select auth.uid()));
