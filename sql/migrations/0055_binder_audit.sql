alter policy audit_log_entries_binder_insert on auth.audit_log_entries
  with check (user_id = (select auth.uid()) and actor = 'user');
