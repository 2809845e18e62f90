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
