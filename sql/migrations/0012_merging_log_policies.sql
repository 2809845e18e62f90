create policy audit_log_entries_merger_insert on auth.audit_log_entries for insert to auth_merger
  with check (user_id = any (auth_private.merging_users()));

create policy events_merger_insert on auth_private.events for insert to auth_merger
  with check (user_id = any (auth_private.merging_users()) and type in ('user.merged', 'phone.bound'));

create policy wechat_codes_merger_all on auth_private.wechat_codes to auth_merger
  using (user_id = any (auth_private.merging_users()));

comment on column auth.audit_log_entries.action is
  'user_signed_up, user_signed_in, user_signed_out, session_expired, refresh_token_reused, sessions_ended; user_created, user_imported, user_updated, user_banned, user_unbanned, user_merged, user_deleted; identity_linked, identity_unlinked; phone_bound, phone_refused, phone_unbound; webhook_added, webhook_removed, deliveries_replayed.';
