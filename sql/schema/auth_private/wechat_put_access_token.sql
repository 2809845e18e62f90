create function auth_private.wechat_put_access_token(
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

revoke all on function auth_private.wechat_put_access_token(text, text, uuid, text, integer) from public;
grant execute on function auth_private.wechat_put_access_token(text, text, uuid, text, integer) to authenticator;
alter function auth_private.wechat_put_access_token(text, text, uuid, text, integer) owner to auth_courier;

comment on function auth_private.wechat_put_access_token(text, text, uuid, text, integer) is
  'Ends a fetch: stores the token, good for p_expires_in seconds, and answers when it ends. A null token says that the fetch failed, so that another node may try (nodes of the version before; the others call wechat_fail_access_token). Nothing happens, and null is answered, where the lease of p_fetch_id ran out and another fetch has begun.';
