-- The outbox. Why a table and not graphile_worker.add_job: add_job notifies, and NOTIFY serialises all commits of the
-- database. An event is a row of the transaction it tells of; the worker's relay makes deliveries of rows, in batches.
create table auth_private.events (
  id bigint generated always as identity,
  type text not null,
  user_id uuid not null,
  data jsonb not null default '{}',
  created_at timestamptz not null default now(),
  relayed_at timestamptz,
  constraint events_pkey primary key (id),
  constraint events_type_is_known check (
    type in ('user.created', 'user.signed_in', 'phone.bound', 'phone.unbound',
             'user.merged', 'user.deleted', 'authorization.revoked', 'wechat.budget_warning'))
);

create index events_not_relayed_idx on auth_private.events (id) where relayed_at is null;
-- What the worker deletes. Of the time of relaying, so that no request has to keep it.
create index events_relayed_at_idx on auth_private.events (relayed_at) where relayed_at is not null;
-- Whoever takes his phone back must not wait for a search of all events.
create index events_with_phone_idx on auth_private.events (user_id) where data ? 'phone';

-- As auth.users.
alter table auth_private.events set (autovacuum_vacuum_scale_factor = 0.01, autovacuum_analyze_scale_factor = 0.02);

alter table auth_private.events enable row level security;

grant insert (type, user_id, data) on auth_private.events to
  auth_signer, auth_holder, auth_binder, auth_merger, auth_steward, auth_eraser;
create policy events_steward_insert on auth_private.events for insert to auth_steward with check (true);
-- Whoever deletes an account takes the phone out of what was told of it, or will be.
grant select (user_id, data), update (data) on auth_private.events to auth_steward;
create policy events_steward_select on auth_private.events for select to auth_steward using (true);
create policy events_steward_update on auth_private.events for update to auth_steward
  using (true) with check (not data ? 'phone');

-- Of no user, and of nothing else.
grant insert (type, user_id, data) on auth_private.events to auth_courier;
create policy events_courier_insert on auth_private.events for insert to auth_courier
  with check (type = 'wechat.budget_warning' and user_id = '00000000-0000-0000-0000-000000000000');

-- For the list of deliveries that were given up: never what the event says.
grant select (id, type, created_at) on auth_private.events to auth_herald;
create policy events_herald_select on auth_private.events for select to auth_herald using (true);

-- For the numbers of /metrics.
grant select (id, created_at, relayed_at) on auth_private.events to auth_watcher;
create policy events_watcher_select on auth_private.events for select to auth_watcher using (relayed_at is null);

comment on table auth_private.events is 'The outbox: what subscribers are told, written in the transaction it tells of.';
comment on column auth_private.events.id is 'In the order of writing; not of committing.';
comment on column auth_private.events.type is
  'user.created, user.signed_in, phone.bound, phone.unbound, user.merged, user.deleted, authorization.revoked or wechat.budget_warning.';
comment on column auth_private.events.user_id is 'Whom it is about; data.user_id of the body. The nil UUID: nobody, and the body has none.';
comment on column auth_private.events.data is 'The rest of the body''s data; phones are E.164 with plus.';
comment on column auth_private.events.created_at is 'When it happened; timestamp of the body.';
comment on column auth_private.events.relayed_at is 'When it became deliveries; null: not yet.';
