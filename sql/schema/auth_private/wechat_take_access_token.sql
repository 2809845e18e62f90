create function auth_private.wechat_take_access_token(
  p_appid text, p_kind text, p_dead_token text, p_fetch_id uuid, p_lease_ms integer,
  out access_token text, out expires_at timestamptz, out must_fetch boolean
)
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_row auth_private.wechat_access_tokens;
  v_until timestamptz := clock_timestamp() + make_interval(secs => p_lease_ms / 1000.0);
begin
  insert into auth_private.wechat_access_tokens (appid, kind) values (p_appid, p_kind) on conflict do nothing;

  -- Compare and swap: only while this very token is the current one does its death concern anybody.
  update auth_private.wechat_access_tokens t
  set access_token = null, expires_at = null
  where t.appid = p_appid and t.kind = p_kind and t.access_token = p_dead_token;

  -- Five minutes before the end WeChat hands out the next token while this one still works.
  update auth_private.wechat_access_tokens t
  set fetching_until = v_until, fetch_id = p_fetch_id
  where t.appid = p_appid and t.kind = p_kind
    and (t.expires_at is null or t.expires_at < clock_timestamp() + interval '5 minutes')
    and (t.fetching_until is null or t.fetching_until < clock_timestamp());
  must_fetch := found;

  select * into v_row from auth_private.wechat_access_tokens t where t.appid = p_appid and t.kind = p_kind;
  if v_row.expires_at > clock_timestamp() then
    access_token := v_row.access_token;
    expires_at := v_row.expires_at;
  end if;
end
$$;

revoke all on function auth_private.wechat_take_access_token(text, text, text, uuid, integer) from public;
grant execute on function auth_private.wechat_take_access_token(text, text, text, uuid, integer) to authenticator;
alter function auth_private.wechat_take_access_token(text, text, text, uuid, integer) owner to auth_courier;

comment on function auth_private.wechat_take_access_token(text, text, text, uuid, integer) is
  'The app''s current access token (null: there is none), its end, and whether the caller is the one node that must fetch the next one, for which it has p_lease_ms milliseconds under the name p_fetch_id. p_dead_token: a token that WeChat has refused; it is dropped if it still is the current one.';
