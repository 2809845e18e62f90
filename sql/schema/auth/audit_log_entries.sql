-- Why: who did what to whose account, and why, after the account itself is gone. No foreign key, no full phone.
create table auth.audit_log_entries (
  id bigint generated always as identity,
  created_at timestamptz not null default now(),
  action text not null,
  user_id uuid,
  actor text not null,
  session_id uuid,
  details jsonb not null default '{}',
  constraint audit_log_entries_pkey primary key (id),
  constraint audit_log_entries_no_full_phone check (details::text !~ '\+[0-9]{7,}')
);

create index audit_log_entries_user_id_idx on auth.audit_log_entries (user_id, id);

alter table auth.audit_log_entries enable row level security;

comment on table auth.audit_log_entries is 'What happened to accounts: appended to, and changed only where a person takes his phone back, whose digits go.';
comment on column auth.audit_log_entries.id is 'In the order of writing.';
comment on column auth.audit_log_entries.created_at is 'The time of the transaction.';
comment on column auth.audit_log_entries.action is
  'user_signed_up, user_signed_in, user_signed_out, session_expired, refresh_token_reused, sessions_ended; user_created, user_imported, user_updated, user_banned, user_unbanned, user_merged, user_exported, user_deleted; identity_linked, identity_unlinked; phone_bound, phone_refused, phone_unbound, phone_revealed; authorization_revoked; webhook_added, webhook_removed, deliveries_replayed.';
comment on column auth.audit_log_entries.user_id is 'Whose account it is.';
comment on column auth.audit_log_entries.actor is 'user; admin:<database login> for the functions of administrators; support:<database login> for support staff; wechat for its message push.';
comment on column auth.audit_log_entries.session_id is 'The session in which it happened; null for administrators.';
comment on column auth.audit_log_entries.details is 'More about it. Phones are masked: +86138****8000.';

grant insert (action, user_id, actor, session_id, details) on auth.audit_log_entries
  to auth_signer, auth_keeper, auth_holder, auth_binder, auth_merger, auth_steward, auth_eraser, auth_revealer;
create policy audit_log_entries_steward_insert on auth.audit_log_entries for insert to auth_steward
  with check (actor like 'admin:%');

grant insert (action, actor, details) on auth.audit_log_entries to auth_herald;
create policy audit_log_entries_herald_insert on auth.audit_log_entries for insert to auth_herald
  with check (actor like 'admin:%' and user_id is null);

grant select on auth.audit_log_entries to service_role, auth_steward;
create policy audit_log_entries_steward_select on auth.audit_log_entries for select to auth_steward using (true);
create policy audit_log_entries_service_role_select on auth.audit_log_entries for select to service_role using (true);
