create policy users_holder_select_merged on auth.users for select to auth_holder
  using (merged_into = (select auth_private.session_user_id()));
