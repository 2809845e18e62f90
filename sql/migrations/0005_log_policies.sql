create policy audit_log_entries_steward_select on auth.audit_log_entries for select to auth_steward using (true);

create policy audit_log_entries_holder_insert on auth.audit_log_entries for insert to auth_holder
  with check (user_id = (select auth.uid()) and actor = 'user');
create policy events_holder_insert on auth_private.events for insert to auth_holder
  with check (user_id = (select auth.uid()) and type = 'user.deleted');

comment on column auth.audit_log_entries.action is
  'user_signed_up, user_signed_in, user_signed_out, session_expired, refresh_token_reused, sessions_ended; user_created, user_imported, user_updated, user_banned, user_unbanned, user_deleted; identity_linked, identity_unlinked; phone_bound, phone_refused, phone_unbound.';
