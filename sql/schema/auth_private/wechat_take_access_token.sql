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
