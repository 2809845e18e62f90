-- What deletions take out of events, and what an export reads. The files up to 0034_forgetting.sql are one change.

create policy audit_log_entries_merger_select on auth.audit_log_entries for select to auth_merger
  using (user_id = any (auth_private.merging_users()));
create policy events_holder_select on auth_private.events for select to auth_holder
  using (user_id in (select u.id from auth.users u));
create policy events_holder_update on auth_private.events for update to auth_holder
  using (user_id in (select u.id from auth.users u)) with check (not data ? 'phone');
create policy events_steward_select on auth_private.events for select to auth_steward using (true);
create policy events_steward_update on auth_private.events for update to auth_steward
  using (true) with check (not data ? 'phone');
create policy events_merger_select on auth_private.events for select to auth_merger
  using (user_id = any (auth_private.merging_users()));
create policy deliveries_merger_select on auth_private.deliveries for select to auth_merger
  using (user_id = any (auth_private.merging_users()));
create policy wechat_pushes_merger_select on auth_private.wechat_pushes for select to auth_merger
  using (exists (select from auth.identities i where i.appid = wechat_pushes.appid and i.provider_id = wechat_pushes.openid));

grant select (user_id, data), update (data) on auth_private.events to auth_holder, auth_steward;
grant select on auth.audit_log_entries, auth_private.events, auth_private.deliveries, auth_private.wechat_pushes to auth_merger;

comment on column auth.audit_log_entries.action is
  'user_signed_up, user_signed_in, user_signed_out, session_expired, refresh_token_reused, sessions_ended; user_created, user_imported, user_updated, user_banned, user_unbanned, user_merged, user_exported, user_deleted; identity_linked, identity_unlinked; phone_bound, phone_refused, phone_unbound; authorization_revoked; webhook_added, webhook_removed, deliveries_replayed.';
