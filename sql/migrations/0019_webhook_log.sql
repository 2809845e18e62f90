create policy audit_log_entries_herald_insert on auth.audit_log_entries for insert to auth_herald
  with check (actor like 'admin:%' and user_id is null);
grant insert (action, actor, details) on auth.audit_log_entries to auth_herald;

comment on column auth.audit_log_entries.action is
  'user_signed_up, user_signed_in, user_signed_out, session_expired, refresh_token_reused, sessions_ended; user_created, user_imported, user_updated, user_banned, user_unbanned, user_merged, user_deleted; identity_linked, identity_unlinked; phone_bound, phone_refused, phone_unbound; webhook_added, webhook_removed, deliveries_replayed.';
