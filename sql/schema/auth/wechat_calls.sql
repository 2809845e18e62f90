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
