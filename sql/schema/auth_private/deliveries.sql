-- What is still to be told to whom, and what was given up. The body is made of the event when it is sent, so that a phone
-- that has to be forgotten is forgotten in one place. A delivery that succeeded is deleted.
create table auth_private.deliveries (
  id bigint generated always as identity,
  webhook_id uuid not null,
  event_id bigint not null,
  user_id uuid not null,
  state text not null default 'waiting',
  due_at timestamptz not null default now(),
  attempts integer not null default 0,
  last_attempt_at timestamptz,
  last_status integer,
  last_error text,
  constraint deliveries_pkey primary key (id),
  constraint deliveries_event_id_webhook_id_key unique (event_id, webhook_id),
  constraint deliveries_webhook_id_fkey foreign key (webhook_id) references auth_private.webhooks (id) on delete cascade,
  constraint deliveries_event_id_fkey foreign key (event_id) references auth_private.events (id) on delete cascade,
  constraint deliveries_state_is_known check (state in ('waiting', 'failed'))
);

-- What is due, and when the next one will be.
create index deliveries_due_idx on auth_private.deliveries (webhook_id, due_at, event_id) where state = 'waiting';
-- What else waits of a user: one is told of him in the order of the events.
create index deliveries_order_idx on auth_private.deliveries (webhook_id, user_id, event_id) where state = 'waiting';
create index deliveries_failed_idx on auth_private.deliveries (webhook_id, id) where state = 'failed';

-- As auth.users.
alter table auth_private.deliveries set (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);

alter table auth_private.deliveries enable row level security;

grant select, update (state, due_at, attempts) on auth_private.deliveries to auth_herald;
create policy deliveries_herald_select on auth_private.deliveries for select to auth_herald using (true);
create policy deliveries_herald_update on auth_private.deliveries for update to auth_herald
  using (state = 'failed') with check (state = 'waiting');

-- For the numbers of /metrics.
grant select (webhook_id, state, due_at, attempts) on auth_private.deliveries to auth_watcher;
create policy deliveries_watcher_select on auth_private.deliveries for select to auth_watcher using (true);

comment on table auth_private.deliveries is 'Of which event which subscriber has yet to be told, or could not be.';
comment on column auth_private.deliveries.id is 'By which an administrator names it.';
comment on column auth_private.deliveries.webhook_id is 'Who is to be told.';
comment on column auth_private.deliveries.event_id is 'Of what.';
comment on column auth_private.deliveries.user_id is 'Whom the event is about.';
comment on column auth_private.deliveries.state is
  'waiting; or failed: given up, until auth.admin_replay_deliveries.';
comment on column auth_private.deliveries.due_at is
  'Not before. A delivery also waits for earlier ones of the same subscriber about the same user.';
comment on column auth_private.deliveries.attempts is 'How often it has failed.';
comment on column auth_private.deliveries.last_attempt_at is 'When it last failed; null: never.';
comment on column auth_private.deliveries.last_status is 'The HTTP status of that time, if there was an answer.';
comment on column auth_private.deliveries.last_error is 'What was wrong then, without secrets, phones and the URL.';
