-- The duty auth_herald, its subscribers and their deliveries. The files up to 0020_webhook_functions.sql are one change.

do $$
begin
  if not exists (select from pg_catalog.pg_roles where rolname = 'auth_herald') then
    begin
      create role auth_herald nologin noinherit;
    exception when duplicate_object or unique_violation then
      null; -- another database of this cluster is being migrated at this moment
    end;
  end if;
  begin
    if current_setting('server_version_num')::integer >= 160000 then
      if not (pg_has_role(current_user, 'auth_herald', 'usage') and pg_has_role(current_user, 'auth_herald', 'set')) then
        execute format('grant auth_herald to %I with inherit true, set true', current_user);
      end if;
    elsif not pg_has_role(current_user, 'auth_herald', 'usage') then
      execute format('grant auth_herald to %I', current_user);
    end if;
  exception when insufficient_privilege then
    raise exception 'The login % may not grant the role auth_herald', current_user
      using errcode = 'insufficient_privilege',
        hint = format('The role belongs to another login. Let that one, or a superuser, run: grant auth_herald to %I with admin option',
          current_user);
  end;
end
$$;

grant usage on schema auth, auth_private to auth_herald;

-- For the list of deliveries that were given up: never what the event says.
create policy events_herald_select on auth_private.events for select to auth_herald using (true);
grant select (id, type, created_at) on auth_private.events to auth_herald;
comment on column auth_private.events.relayed_at is 'When it became deliveries; null: not yet.';

create function auth_private.event_types() returns text[]
language sql immutable
return array['user.created', 'user.signed_in', 'phone.bound', 'phone.unbound', 'user.merged', 'user.deleted', 'authorization.revoked'];

revoke all on function auth_private.event_types() from public;
grant execute on function auth_private.event_types() to auth_herald;

comment on function auth_private.event_types() is
  'The types of events, as events_type_is_known has them: what a subscriber can want.';

-- The subscribers. One without a URL is the application itself: its task auth_event, which a worker registers that has it.
create table auth_private.webhooks (
  id uuid not null default gen_random_uuid(),
  url text,
  events text[],
  secret text,
  created_at timestamptz not null default now(),
  constraint webhooks_pkey primary key (id),
  constraint webhooks_url_has_its_secret check ((url is null) = (secret is null)),
  constraint webhooks_events_are_known check (events <@ auth_private.event_types() and cardinality(events) > 0)
);

create unique index webhooks_task_key on auth_private.webhooks ((true)) where url is null;

alter table auth_private.webhooks enable row level security;

-- It writes secrets and cannot read one.
grant select (id, url, events, created_at), insert (url, events, secret), delete on auth_private.webhooks to auth_herald;
create policy webhooks_herald_all on auth_private.webhooks to auth_herald using (true) with check (true);

comment on table auth_private.webhooks is 'Who is told of events: URLs, and the application''s own task.';
comment on column auth_private.webhooks.id is 'Stands in the header webhook-id of all its deliveries.';
comment on column auth_private.webhooks.url is 'Where to; null: the task auth_event of the application''s own workers.';
comment on column auth_private.webhooks.events is 'Of which types; null: of all.';
comment on column auth_private.webhooks.secret is 'What deliveries are signed with, by Standard Webhooks: whsec_ and base64. Shown when it is made, and never again.';
comment on column auth_private.webhooks.created_at is 'When it was added.';

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

alter table auth_private.deliveries enable row level security;

grant select, update (state, due_at, attempts) on auth_private.deliveries to auth_herald;
create policy deliveries_herald_select on auth_private.deliveries for select to auth_herald using (true);
create policy deliveries_herald_update on auth_private.deliveries for update to auth_herald
  using (state = 'failed') with check (state = 'waiting');

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
