-- Why: the limits hold for all nodes together, so the counters are rows. Unlogged: they live for minutes, and after a
-- crash everybody may begin anew.
create unlogged table auth_private.rate_limits (
  key text not null,
  points integer not null,
  ends_at timestamptz not null,
  constraint rate_limits_pkey primary key (key)
) with (fillfactor = 50);

-- What the worker deletes.
create index rate_limits_ends_at_idx on auth_private.rate_limits (ends_at);

-- As auth.users.
alter table auth_private.rate_limits set (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);

alter table auth_private.rate_limits enable row level security;

grant select, insert, update on auth_private.rate_limits to auth_limiter;
create policy rate_limits_limiter_all on auth_private.rate_limits to auth_limiter using (true) with check (true);

comment on table auth_private.rate_limits is
  'How often something was done in the window that runs, by limit and by whom. Emptied by a crash, cleaned by the worker.';
comment on column auth_private.rate_limits.key is
  'The limit''s name and a keyed hash of the user, session or client address.';
comment on column auth_private.rate_limits.points is 'Operations in the window.';
comment on column auth_private.rate_limits.ends_at is 'When the window ends; then the counter begins anew.';
