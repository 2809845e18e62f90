-- Part of the statements that open and refresh a session: where it fails, neither has happened.
create function auth_private.access_token_claims(p_session_id uuid, p_token jsonb) returns jsonb
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
  v_fixed jsonb;
  v_claims jsonb;
begin
  v_user := auth_private.enter_session(p_session_id);
  v_fixed := p_token || jsonb_build_object('sub', v_user.id, 'role', 'authenticated', 'session_id', p_session_id);
  select v_fixed || jsonb_build_object(
    'phone', coalesce(v_user.phone, ''),
    -- An import may have brought more than fits into a header: whoever has that could not call at all.
    'app_metadata', case when octet_length(v_user.app_metadata::text) <= 4096 then v_user.app_metadata else '{}' end,
    'user_metadata', case when octet_length(v_user.user_metadata::text) <= 4096 then v_user.user_metadata else '{}' end,
    'aal', 'aal1',
    'amr', jsonb_build_array(jsonb_build_object(
      'method', 'wechat_mini', 'timestamp', floor(extract(epoch from s.created_at))::bigint)),
    'is_anonymous', false)
  into v_claims
  from auth.sessions s where s.id = p_session_id;
  -- Without nbf: a token that is not good yet would be refused at once.
  return auth_private.custom_claims(v_claims) - 'nbf' || v_fixed;
end
$$;

revoke all on function auth_private.access_token_claims(uuid, jsonb) from public;
grant execute on function auth_private.access_token_claims(uuid, jsonb) to authenticator;
alter function auth_private.access_token_claims(uuid, jsonb) owner to auth_keeper;

comment on function auth_private.access_token_claims(uuid, jsonb) is
  'The claims of an access token of this session (GoTrue''s, and what public.custom_access_token makes of them; metadata of more than 4096 bytes are left out). p_token: iss, aud, iat, exp; they, sub, role and session_id are what they are, whatever the application''s function answers. Raises session_not_found (WX003), user_banned (WX004), 38000 (custom_claims).';
