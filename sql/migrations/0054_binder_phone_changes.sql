alter policy phone_changes_binder_insert on auth.phone_changes
  with check (user_id = (select auth.uid()) and actor = 'user');
