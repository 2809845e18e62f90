-- How calls of WeChat are counted, and what administrators see of it.

grant create on schema auth_private to auth_courier;

create or replace function auth_private.event_types() returns text[]
language sql immutable
return array['user.created', 'user.signed_in', 'phone.bound', 'phone.unbound', 'user.merged', 'user.deleted', 'authorization.revoked',
  'wechat.budget_warning'];

create function auth_private.wechat_cost(p_taps bigint) returns numeric
language sql immutable
return 0.03 * p_taps;

revoke all on function auth_private.wechat_cost(bigint) from public;
grant execute on function auth_private.wechat_cost(bigint) to service_role, auth_courier;

comment on function auth_private.wechat_cost(bigint) is
  'What WeChat charges for so many taps on the phone button, in CNY: 0.03 each, its price since 2023-08-28.';

-- With the rights of whoever asks: the policies of auth.wechat_calls hold.
create view auth.wechat_usage with (security_barrier, security_invoker) as
select u.appid, u.day, u.calls, u.failures, u.unanswered, u.taps, auth_private.wechat_cost(u.taps) as cost
from (
  select c.appid, c.day,
    sum(c.calls)::bigint as calls,
    coalesce(sum(c.calls) filter (where c.errcode is distinct from 0), 0)::bigint as failures,
    coalesce(sum(c.calls) filter (where c.errcode is null), 0)::bigint as unanswered,
    coalesce(sum(c.calls) filter (where c.endpoint = 'getuserphonenumber' and c.errcode = 0), 0)::bigint as taps
  from auth.wechat_calls c group by c.appid, c.day
) u;

grant select on auth.wechat_usage to service_role;

comment on view auth.wechat_usage is
  'Calls of WeChat, taps and what they cost, by app and day. WeChat charges when the client''s callback succeeds, whether or not the server exchanges the code, and CNY 0.04 instead of 0.03 for the real-time button, whose codes the server cannot tell apart; 1,000 taps for trial are free. So the bill is WeChat''s; this says what was seen here.';
comment on column auth.wechat_usage.appid is 'The mini program.';
comment on column auth.wechat_usage.day is 'The day in Beijing, as WeChat''s bills have it.';
comment on column auth.wechat_usage.calls is 'All calls, of any interface.';
comment on column auth.wechat_usage.failures is 'Of these, answered with an errcode other than 0, or not properly.';
comment on column auth.wechat_usage.unanswered is 'Of these, not properly answered: time-outs, broken connections, other statuses, nonsense.';
comment on column auth.wechat_usage.taps is 'Calls of getuserphonenumber that succeeded: WeChat gave a phone for a tap.';
comment on column auth.wechat_usage.cost is 'What these taps cost, in CNY, at 0.03 each.';

-- Before: src/wechat/usage.ts. After: nothing, or an event in the outbox.
create function auth_private.wechat_count_calls(
  p_counter_id uuid, p_flush bigint,
  p_appids text[], p_days date[], p_endpoints text[], p_errcodes bigint[], p_calls bigint[], p_budget numeric
) returns table (appid text, month text, taps bigint, cost numeric)
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_month date;
begin
  -- Comes second while the first, whose answer was lost, still runs: it waits here for that one.
  insert into auth_private.wechat_counters as c (id, flush) values (p_counter_id, p_flush)
  on conflict on constraint wechat_counters_pkey do update set flush = excluded.flush, flushed_at = excluded.flushed_at
  where c.flush < excluded.flush;
  if not found then
    return;
  end if;

  insert into auth.wechat_calls as c (appid, day, endpoint, errcode, calls)
  select b.appid, b.day, b.endpoint, b.errcode, sum(b.calls)
  from unnest(p_appids, p_days, p_endpoints, p_errcodes, p_calls) as b (appid, day, endpoint, errcode, calls)
  group by b.appid, b.day, b.endpoint, b.errcode
  -- In one order everywhere: two nodes that count the same wait for each other and never deadlock.
  order by b.appid, b.day, b.endpoint, b.errcode
  on conflict on constraint wechat_calls_is_one_counter do update set calls = c.calls + excluded.calls;

  if p_budget is null then
    return;
  end if;
  -- Of each month that had taps one at a time, until it has been warned of; the sum sees what those before have committed.
  for appid, v_month in
    insert into auth_private.wechat_budgets as m (appid, month)
    select b.appid, date_trunc('month', b.day::timestamp)::date
    from unnest(p_appids, p_days, p_endpoints, p_errcodes) as b (appid, day, endpoint, errcode)
    where b.endpoint = 'getuserphonenumber' and b.errcode = 0
    group by 1, 2 order by 1, 2
    on conflict on constraint wechat_budgets_pkey do update set month = excluded.month
    where m.warned_budget is null or m.warned_budget < p_budget
    returning m.appid, m.month
  loop
    select sum(c.calls) into taps from auth.wechat_calls c
    where c.day >= v_month and c.day < v_month + interval '1 month'
      and c.appid = wechat_count_calls.appid and c.endpoint = 'getuserphonenumber' and c.errcode = 0;
    cost := auth_private.wechat_cost(taps);
    continue when cost < 0.8 * p_budget;

    month := to_char(v_month, 'YYYY-MM');
    update auth_private.wechat_budgets m set warned_budget = p_budget, warned_at = now()
    where m.appid = wechat_count_calls.appid and m.month = v_month;
    -- Of no user: the nil UUID.
    insert into auth_private.events (type, user_id, data)
    values ('wechat.budget_warning', '00000000-0000-0000-0000-000000000000',
      jsonb_build_object('appid', appid, 'month', month, 'taps', taps, 'cost', cost, 'budget', p_budget));
    return next;
  end loop;
end
$$;

revoke all on function auth_private.wechat_count_calls(uuid, bigint, text[], date[], text[], bigint[], bigint[], numeric) from public;
grant execute on function auth_private.wechat_count_calls(uuid, bigint, text[], date[], text[], bigint[], bigint[], numeric) to authenticator;
alter function auth_private.wechat_count_calls(uuid, bigint, text[], date[], text[], bigint[], bigint[], numeric) owner to auth_courier;

comment on function auth_private.wechat_count_calls(uuid, bigint, text[], date[], text[], bigint[], bigint[], numeric) is
  'Adds what a process has counted to auth.wechat_calls: p_calls calls by app, day in Beijing, interface and errcode. p_counter_id is the process, p_flush counts its additions from 1: the same one again changes nothing. Where taps bring a month of an app to 80 % of p_budget (CNY; null: there is none), the event wechat.budget_warning is written and the month answered: once, and again only for a larger budget.';

revoke create on schema auth_private from auth_courier;
