-- Why: a node whose connection breaks while it adds what it has counted cannot know whether that was committed. It sends the
-- same again under the same number, and this row says whether it is there.
create table auth_private.wechat_counters (
  id uuid not null,
  flush bigint not null,
  flushed_at timestamptz not null default now(),
  constraint wechat_counters_pkey primary key (id)
);

alter table auth_private.wechat_counters enable row level security;

grant select, insert, update on auth_private.wechat_counters to auth_courier;
create policy wechat_counters_courier_all on auth_private.wechat_counters to auth_courier using (true) with check (true);

comment on table auth_private.wechat_counters is 'The processes that count calls of WeChat, and how far each has been added up.';
comment on column auth_private.wechat_counters.id is 'The process: a UUID of its own making.';
comment on column auth_private.wechat_counters.flush is 'The number of its last addition: this one and those before it are in auth.wechat_calls.';
comment on column auth_private.wechat_counters.flushed_at is 'When that was.';
