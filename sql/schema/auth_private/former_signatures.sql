-- What nodes of the version before call while an upgrade is under way. A default for the new parameters would not do: the former
-- functions would have to be dropped, which fails everybody who is in one at that moment.
create function auth_private.wechat_sign_in(
  p_appid text, p_openid text, p_unionid text,
  out session_id uuid, out refresh_counter bigint, out signed_in_at timestamptz, out user_json jsonb
)
language sql volatile
begin atomic
  select * from auth_private.wechat_sign_in(p_appid, p_openid, p_unionid, false);
end;

revoke all on function auth_private.wechat_sign_in(text, text, text) from public;
grant execute on function auth_private.wechat_sign_in(text, text, text) to authenticator;
comment on function auth_private.wechat_sign_in(text, text, text) is
  'The former signature, for nodes of the version before.';

create function auth_private.refresh_session(
  p_session_id uuid, p_counter bigint,
  out state text, out refresh_counter bigint, out signed_in_at timestamptz, out user_json jsonb
)
language sql volatile
begin atomic
  select * from auth_private.refresh_session(p_session_id, p_counter, null, null);
end;

revoke all on function auth_private.refresh_session(uuid, bigint) from public;
grant execute on function auth_private.refresh_session(uuid, bigint) to authenticator;
comment on function auth_private.refresh_session(uuid, bigint) is
  'The former signature, for nodes of the version before. It knows no limits.';

create function auth_private.wechat_bind_phone(
  p_session_id uuid, p_code_hashes bytea[], p_claim_id uuid, p_appid text,
  p_verdict text, p_phone text, p_phone_raw jsonb, p_errcode integer, p_rid text,
  out state text, out outcome text, out wechat_errcode integer, out wechat_rid text, out user_json jsonb
)
language sql volatile
begin atomic
  select * from auth_private.wechat_bind_phone(
    p_session_id, p_code_hashes, p_claim_id, p_appid, p_verdict, p_phone, p_phone_raw, p_errcode, p_rid, false);
end;

revoke all on function auth_private.wechat_bind_phone(uuid, bytea[], uuid, text, text, text, jsonb, integer, text) from public;
grant execute on function auth_private.wechat_bind_phone(uuid, bytea[], uuid, text, text, text, jsonb, integer, text) to authenticator;
comment on function auth_private.wechat_bind_phone(uuid, bytea[], uuid, text, text, text, jsonb, integer, text) is
  'The former signature, for nodes of the version before. It merges nothing.';

create function auth_private.wechat_take_access_token(
  p_appid text, p_kind text, p_dead_token text, p_fetch_id uuid, p_lease_ms integer,
  out access_token text, out expires_at timestamptz, out must_fetch boolean
)
language sql volatile
begin atomic
  select t.access_token, t.expires_at, t.must_fetch
  from auth_private.wechat_take_access_token(p_appid, p_kind, p_dead_token, p_fetch_id, p_lease_ms, 300000) t;
end;

revoke all on function auth_private.wechat_take_access_token(text, text, text, uuid, integer) from public;
grant execute on function auth_private.wechat_take_access_token(text, text, text, uuid, integer) to authenticator;
comment on function auth_private.wechat_take_access_token(text, text, text, uuid, integer) is
  'The former signature, for nodes of the version before. It tells of no failure.';

create function auth_private.access_token_claims(p_session_id uuid, p_token jsonb) returns jsonb
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users := auth_private.enter_session(p_session_id);
begin
  return auth_private.access_token_claims(
    p_session_id, (select s.created_at from auth.sessions s where s.id = p_session_id), auth_private.user_json(v_user), p_token);
end
$$;

revoke all on function auth_private.access_token_claims(uuid, jsonb) from public;
grant execute on function auth_private.access_token_claims(uuid, jsonb) to authenticator;
alter function auth_private.access_token_claims(uuid, jsonb) owner to auth_keeper;
comment on function auth_private.access_token_claims(uuid, jsonb) is
  'The former signature, for nodes of the version before.';
