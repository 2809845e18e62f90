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

-- For the numbers of /metrics.
grant select (id) on auth_private.webhooks to auth_watcher;
create policy webhooks_watcher_select on auth_private.webhooks for select to auth_watcher using (true);

comment on table auth_private.webhooks is 'Who is told of events: URLs, and the application''s own task.';
comment on column auth_private.webhooks.id is 'Stands in the header webhook-id of all its deliveries.';
comment on column auth_private.webhooks.url is 'Where to; null: the task auth_event of the application''s own workers.';
comment on column auth_private.webhooks.events is 'Of which types; null: of all.';
comment on column auth_private.webhooks.secret is 'What deliveries are signed with, by Standard Webhooks: whsec_ and base64. Shown when it is made, and never again.';
comment on column auth_private.webhooks.created_at is 'When it was added.';
