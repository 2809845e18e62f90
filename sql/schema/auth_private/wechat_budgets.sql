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
