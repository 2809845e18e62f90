-- Why: an access token is only good while its session's row is here. A refresh token is session id + counter + HMAC by
-- a key that the database does not know: there is nothing in this table that could be stolen and used.
create table auth.sessions (
  id uuid not null default gen_random_uuid(),
  user_id uuid not null,
  refresh_counter bigint not null default 0,
  created_at timestamptz not null default now(),
  refreshed_at timestamptz not null default now(),
  constraint sessions_pkey primary key (id),
  constraint sessions_user_id_fkey foreign key (user_id) references auth.users (id) on delete cascade
);

create index sessions_user_id_idx on auth.sessions (user_id);

-- As auth.users.
alter table auth.sessions set (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);

alter table auth.sessions enable row level security;

comment on table auth.sessions is 'A sign-in that has not ended. Ending a session deletes its row.';
comment on column auth.sessions.id is 'The session''s id; `session_id` of the access token.';
comment on column auth.sessions.user_id is 'Whose session it is now. A merge changes it; the access token''s `sub` follows at the next refresh.';
comment on column auth.sessions.refresh_counter is 'The counter in the refresh token that is good now.';
comment on column auth.sessions.created_at is 'When the user signed in.';
comment on column auth.sessions.refreshed_at is 'When the refresh token was last rotated.';

grant select on auth.sessions to service_role;
grant select, delete on auth.sessions to auth_steward;
create policy sessions_steward_all on auth.sessions to auth_steward using (true);
create policy sessions_service_role_select on auth.sessions for select to service_role using (true);
