-- Compared with the claims that hold_session has read off the session's row, rather than with that row once more.
grant execute on function auth.uid() to auth_binder;
alter policy identities_binder_select on auth.identities
  using (user_id = (select auth.uid()));
