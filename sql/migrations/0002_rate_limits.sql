-- Rate limits: the duty auth_limiter, its counters, and the function that counts.

do $$
begin
  if not exists (select from pg_catalog.pg_roles where rolname = 'auth_limiter') then
    begin
      create role auth_limiter nologin noinherit;
    exception when duplicate_object or unique_violation then
      null; -- another database of this cluster is being migrated at this moment
    end;
  end if;
  begin
    if current_setting('server_version_num')::integer >= 160000 then
      if not (pg_has_role(current_user, 'auth_limiter', 'usage') and pg_has_role(current_user, 'auth_limiter', 'set')) then
        execute format('grant auth_limiter to %I with inherit true, set true', current_user);
      end if;
    elsif not pg_has_role(current_user, 'auth_limiter', 'usage') then
      execute format('grant auth_limiter to %I', current_user);
    end if;
  exception when insufficient_privilege then
    raise exception 'The login % may not grant the role auth_limiter', current_user
      using errcode = 'insufficient_privilege',
        hint = format('The role belongs to another login. Let that one, or a superuser, run: grant auth_limiter to %I with admin option',
          current_user);
  end;
end
$$;

grant usage on schema auth_private to auth_limiter;
grant create on schema auth_private to auth_limiter;

-- Why: the limits hold for all nodes together, so the counters are rows. Unlogged: they live for minutes, and after a
-- crash everybody may begin anew.
create unlogged table auth_private.rate_limits (
  key text not null,
  points integer not null,
  ends_at timestamptz not null,
  constraint rate_limits_pkey primary key (key)
) with (fillfactor = 50);

-- What the worker deletes.
create index rate_limits_ends_at_idx on auth_private.rate_limits (ends_at);

alter table auth_private.rate_limits enable row level security;

grant select, insert, update on auth_private.rate_limits to auth_limiter;
create policy rate_limits_limiter_all on auth_private.rate_limits to auth_limiter using (true) with check (true);

comment on table auth_private.rate_limits is
  'How often something was done in the window that runs, by limit and by whom. Emptied by a crash, cleaned by the worker.';
comment on column auth_private.rate_limits.key is
  'The limit''s name and a keyed hash of the user, session or client address.';
comment on column auth_private.rate_limits.points is 'Operations in the window.';
comment on column auth_private.rate_limits.ends_at is 'When the window ends; then the counter begins anew.';

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

revoke create on schema auth_private from auth_limiter;
