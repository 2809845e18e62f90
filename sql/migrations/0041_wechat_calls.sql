-- Counts of WeChat's calls, and budgets. The files up to 0044_wechat_usage.sql are one change.

grant usage on schema auth to auth_courier;

-- Why: WeChat limits how often an app may call each interface, and charges for each tap on the phone button. Counted in the
-- nodes' memory and added here every few seconds: src/wechat/usage.ts.
create table auth.wechat_calls (
  id bigint generated always as identity,
  appid text not null,
  day date not null,
  endpoint text not null,
  errcode bigint,
  calls bigint not null,
  constraint wechat_calls_pkey primary key (id),
  -- The day first: what the worker deletes, and the month of a budget, are found by it.
  constraint wechat_calls_is_one_counter unique nulls not distinct (day, appid, endpoint, errcode),
  constraint wechat_calls_calls_is_positive check (calls > 0)
);

alter table auth.wechat_calls enable row level security;

grant select, insert, update on auth.wechat_calls to auth_courier;
create policy wechat_calls_courier_all on auth.wechat_calls to auth_courier using (true) with check (true);

grant select on auth.wechat_calls to service_role;
create policy wechat_calls_service_role_select on auth.wechat_calls for select to service_role using (true);

comment on table auth.wechat_calls is
  'How often WeChat was called, by app, day, interface and errcode. A node that is killed loses what it has counted in its last seconds.';
comment on column auth.wechat_calls.id is 'Names the row; says nothing.';
comment on column auth.wechat_calls.appid is 'The mini program.';
comment on column auth.wechat_calls.day is
  'The day in Beijing on which the call ended, by the node''s clock: WeChat''s quotas and bills go by Beijing time.';
comment on column auth.wechat_calls.endpoint is
  'The interface: the last part of its path, such as getuserphonenumber.';
comment on column auth.wechat_calls.errcode is
  'WeChat''s errcode; 0: it succeeded; null: no proper answer (a time-out, a broken connection, another status, nonsense).';
comment on column auth.wechat_calls.calls is 'How many ended so.';

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

-- Why: of a month's budget that is nearly used up subscribers hear once, however many nodes count. Whoever counts taps holds
-- the month's row until he commits, so that the last of them sees all the others' taps.
create table auth_private.wechat_budgets (
  appid text not null,
  month date not null,
  warned_budget numeric,
  warned_at timestamptz,
  constraint wechat_budgets_pkey primary key (appid, month),
  constraint wechat_budgets_warning_has_its_time check ((warned_budget is null) = (warned_at is null))
);

alter table auth_private.wechat_budgets enable row level security;

grant select, insert, update on auth_private.wechat_budgets to auth_courier;
create policy wechat_budgets_courier_all on auth_private.wechat_budgets to auth_courier using (true) with check (true);

comment on table auth_private.wechat_budgets is 'The months in which an app had taps and a budget, and whether its warning was given.';
comment on column auth_private.wechat_budgets.appid is 'The mini program.';
comment on column auth_private.wechat_budgets.month is 'The first day of the month, in Beijing.';
comment on column auth_private.wechat_budgets.warned_budget is
  'The budget in CNY of which the warning spoke; a larger one warns again. Null: no warning yet.';
comment on column auth_private.wechat_budgets.warned_at is 'When the warning was given.';
