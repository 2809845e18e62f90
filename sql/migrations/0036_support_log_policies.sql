create policy audit_log_entries_revealer_insert on auth.audit_log_entries for insert to auth_revealer
  with check (action = 'phone_revealed' and (actor like 'admin:%' or actor like 'support:%'));
