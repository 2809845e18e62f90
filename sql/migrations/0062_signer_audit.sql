-- As 0060_signer_users.sql.
alter policy audit_log_entries_signer_insert on auth.audit_log_entries
  with check (user_id = (select auth.uid()) and actor = 'user');
