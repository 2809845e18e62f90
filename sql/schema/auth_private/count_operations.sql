create function auth_private.count_operations(p_keys text[], p_points integer[], p_window_ms integer[])
returns table (key text, points integer, ms_left integer)
language sql security definer volatile
set search_path = pg_catalog, pg_temp
begin atomic
  insert into auth_private.rate_limits as r (key, points, ends_at)
  select k.key, sum(k.points), clock_timestamp() + max(k.window_ms) * interval '1 millisecond'
  from unnest(p_keys, p_points, p_window_ms) as k (key, points, window_ms)
  group by k.key
  -- In one order everywhere: two nodes that count the same keys wait for each other and never deadlock.
  order by k.key
  -- A window that ends too late was begun before the clock was set back: it begins anew.
  on conflict on constraint rate_limits_pkey do update set (points, ends_at) = (
    select case when w.runs then least(r.points::bigint + excluded.points, 2147483647) else excluded.points end,
           case when w.runs then r.ends_at else excluded.ends_at end
    from (values (r.ends_at > clock_timestamp() and r.ends_at <= excluded.ends_at + interval '1 minute')) as w (runs))
  returning r.key, r.points, greatest(ceil(extract(epoch from r.ends_at - clock_timestamp()) * 1000), 0)::integer;
end;

revoke all on function auth_private.count_operations(text[], integer[], integer[]) from public;
grant execute on function auth_private.count_operations(text[], integer[], integer[]) to authenticator;
alter function auth_private.count_operations(text[], integer[], integer[]) owner to auth_limiter;

comment on function auth_private.count_operations(text[], integer[], integer[]) is
  'Adds p_points to the counter of each key and answers, a row a key, what it counts now and for how many milliseconds its window still runs. A window of p_window_ms begins with the first operation after the last one has ended.';
