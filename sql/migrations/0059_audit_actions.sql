create index audit_log_entries_action_idx on auth.audit_log_entries (action, id)
  where action not in ('user_signed_in', 'user_signed_up', 'user_signed_out', 'phone_bound');
