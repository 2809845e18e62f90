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
