grant create on schema auth_private to auth_courier;

create function auth_private.wechat_take_access_token(
  p_appid text, p_kind text, p_dead_token text, p_fetch_id uuid, p_lease_ms integer, p_margin_ms integer,
  out access_token text, out expires_at timestamptz, out must_fetch boolean,
  out dead_token text, out failure jsonb, out retry_ms integer, out is_being_fetched boolean
)
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_row auth_private.wechat_access_tokens;
  v_now timestamptz;
begin
  insert into auth_private.wechat_access_tokens (appid, kind) values (p_appid, p_kind) on conflict do nothing;

  -- Compare and swap: only while this very token is the current one does its death concern anybody.
  update auth_private.wechat_access_tokens t
  set dead_token = t.access_token, access_token = null, expires_at = null, retry_at = null
  where t.appid = p_appid and t.kind = p_kind and t.access_token = p_dead_token;

  -- Before its end WeChat hands out the next token while this one still works. One that is in its last minutes as soon as it is
  -- there is not asked for again and again.
  v_now := clock_timestamp();
  update auth_private.wechat_access_tokens t
  set fetching_until = v_now + make_interval(secs => p_lease_ms / 1000.0), fetch_id = p_fetch_id
  where t.appid = p_appid and t.kind = p_kind and p_fetch_id is not null
    and (t.expires_at is null or t.expires_at <= v_now
      or t.expires_at < v_now + make_interval(secs => p_margin_ms / 1000.0) and t.fetched_at < v_now - interval '30 seconds')
    and (t.fetching_until is null or t.fetching_until < v_now)
    and (t.retry_at is null or t.retry_at <= v_now);
  must_fetch := found;

  select * into v_row from auth_private.wechat_access_tokens t where t.appid = p_appid and t.kind = p_kind;
  dead_token := v_row.dead_token;
  failure := v_row.failure;
  is_being_fetched := coalesce(v_row.fetching_until > v_now, false);
  if v_row.expires_at > v_now then
    access_token := v_row.access_token;
    expires_at := v_row.expires_at;
  elsif v_row.retry_at > v_now then
    retry_ms := ceil(extract(epoch from v_row.retry_at - v_now) * 1000);
  end if;
end
$$;

revoke all on function auth_private.wechat_take_access_token(text, text, text, uuid, integer, integer) from public;
grant execute on function auth_private.wechat_take_access_token(text, text, text, uuid, integer, integer) to authenticator;
alter function auth_private.wechat_take_access_token(text, text, text, uuid, integer, integer) owner to auth_courier;

comment on function auth_private.wechat_take_access_token(text, text, text, uuid, integer, integer) is
  'The app''s current access token (null: there is none), its end, and whether the caller is the one process that must fetch the next one, for which it has p_lease_ms milliseconds under the name p_fetch_id; that is so p_margin_ms milliseconds before the end. Without p_fetch_id it is not. p_dead_token: a token that WeChat has refused; it is dropped if it still is the current one. dead_token: the last one that was. failure: what the last fetch failed with; null: it succeeded. retry_ms: there is no token, and nobody fetches for so many milliseconds. is_being_fetched: somebody does at this moment.';

create or replace function auth_private.wechat_put_access_token(
  p_appid text, p_kind text, p_fetch_id uuid, p_access_token text, p_expires_in integer
) returns timestamptz
language sql security definer volatile
set search_path = pg_catalog, pg_temp
begin atomic
  update auth_private.wechat_access_tokens
  set access_token = coalesce(p_access_token, access_token),
      expires_at = case when p_access_token is null then expires_at
                        else clock_timestamp() + make_interval(secs => p_expires_in) end,
      fetched_at = case when p_access_token is null then fetched_at else clock_timestamp() end,
      dead_token = case when p_access_token is null then dead_token end,
      failure = case when p_access_token is null then failure end,
      failures = case when p_access_token is null then failures else 0 end,
      retry_at = case when p_access_token is null then retry_at end,
      fetching_until = null,
      fetch_id = null
  where appid = p_appid and kind = p_kind and fetch_id = p_fetch_id
  returning expires_at;
end;

comment on function auth_private.wechat_put_access_token(text, text, uuid, text, integer) is
  'Ends a fetch: stores the token, good for p_expires_in seconds, and answers when it ends. A null token says that the fetch failed, so that another node may try (nodes of the version before; the others call wechat_fail_access_token). Nothing happens, and null is answered, where the lease of p_fetch_id ran out and another fetch has begun.';

create function auth_private.wechat_fail_access_token(
  p_appid text, p_kind text, p_fetch_id uuid, p_failure jsonb, p_wait_ms integer
) returns void
language sql security definer volatile
set search_path = pg_catalog, pg_temp
begin atomic
  -- The first one may have been bad luck.
  update auth_private.wechat_access_tokens
  set failure = p_failure,
      failures = failures + 1,
      retry_at = clock_timestamp() + coalesce(
        make_interval(secs => p_wait_ms / 1000.0),
        case when failures = 0 then interval '0' else least(2 ^ least(failures - 1, 5), 30) * interval '1 second' end),
      fetching_until = null,
      fetch_id = null
  where appid = p_appid and kind = p_kind and fetch_id = p_fetch_id;
end;

revoke all on function auth_private.wechat_fail_access_token(text, text, uuid, jsonb, integer) from public;
grant execute on function auth_private.wechat_fail_access_token(text, text, uuid, jsonb, integer) to authenticator;
alter function auth_private.wechat_fail_access_token(text, text, uuid, jsonb, integer) owner to auth_courier;

comment on function auth_private.wechat_fail_access_token(text, text, uuid, jsonb, integer) is
  'Ends a fetch that failed: p_failure says why (auth_private.wechat_access_tokens.failure), and nobody tries again for p_wait_ms milliseconds; null: not at all after the first failure, then for 1, 2, 4 … 30 seconds. Nothing happens where the lease of p_fetch_id ran out and another fetch has begun.';

create function auth_private.wechat_force_access_token(
  p_appid text, p_kind text, p_fetch_id uuid, p_interval_ms integer, p_a_day integer
) returns integer
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_row auth_private.wechat_access_tokens;
  v_now timestamptz := clock_timestamp();
  v_midnight timestamptz := (date_trunc('day', v_now at time zone 'Asia/Shanghai')) at time zone 'Asia/Shanghai';
  v_wait interval := '0';
begin
  select * into v_row from auth_private.wechat_access_tokens t
  where t.appid = p_appid and t.kind = p_kind and t.fetch_id = p_fetch_id
  for update;
  if not found then
    return null;
  end if;

  if v_row.forced_at >= v_midnight and v_row.forces >= p_a_day then
    v_wait := v_midnight + interval '1 day' - v_now;
  elsif v_row.forced_at > v_now - make_interval(secs => p_interval_ms / 1000.0) then
    v_wait := v_row.forced_at + make_interval(secs => p_interval_ms / 1000.0) - v_now;
  else
    update auth_private.wechat_access_tokens t
    set forced_at = v_now, forces = case when t.forced_at >= v_midnight then t.forces + 1 else 1 end
    where t.appid = p_appid and t.kind = p_kind;
  end if;
  return ceil(extract(epoch from v_wait) * 1000);
end
$$;

revoke all on function auth_private.wechat_force_access_token(text, text, uuid, integer, integer) from public;
grant execute on function auth_private.wechat_force_access_token(text, text, uuid, integer, integer) to authenticator;
alter function auth_private.wechat_force_access_token(text, text, uuid, integer, integer) owner to auth_courier;

comment on function auth_private.wechat_force_access_token(text, text, uuid, integer, integer) is
  'Whether the process that fetches under the name p_fetch_id may have WeChat replace a token that it has refused although it hands it out: 0, and it is counted; else so many milliseconds have to pass. At most once in p_interval_ms milliseconds and p_a_day times a day of Beijing. Null: the lease ran out.';

create or replace function auth_private.wechat_take_access_token(
  p_appid text, p_kind text, p_dead_token text, p_fetch_id uuid, p_lease_ms integer,
  out access_token text, out expires_at timestamptz, out must_fetch boolean
)
language sql volatile
begin atomic
  select t.access_token, t.expires_at, t.must_fetch
  from auth_private.wechat_take_access_token(p_appid, p_kind, p_dead_token, p_fetch_id, p_lease_ms, 300000) t;
end;

alter function auth_private.wechat_take_access_token(text, text, text, uuid, integer) owner to current_user;
revoke all on function auth_private.wechat_take_access_token(text, text, text, uuid, integer) from public;
grant execute on function auth_private.wechat_take_access_token(text, text, text, uuid, integer) to authenticator;
comment on function auth_private.wechat_take_access_token(text, text, text, uuid, integer) is
  'The former signature, for nodes of the version before. It tells of no failure.';

revoke create on schema auth_private from auth_courier;
