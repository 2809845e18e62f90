-- Part of the statements that open and refresh a session: where it fails, neither has happened. It reads nothing: who the user is
-- they have just answered, and signed is what comes of it by the service alone.
create function auth_private.access_token_claims(
  p_session_id uuid, p_signed_in_at timestamptz, p_user jsonb, p_token jsonb
) returns jsonb
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_caller jsonb := jsonb_build_object('sub', p_user -> 'id', 'role', 'authenticated', 'session_id', p_session_id);
  v_claims jsonb := p_token || v_caller || jsonb_build_object(
    'phone', coalesce(p_user ->> 'phone', ''),
    -- An import may have brought more than fits into a header: whoever has that could not call at all.
    'app_metadata', case when octet_length(p_user ->> 'app_metadata') <= 4096 then p_user -> 'app_metadata' else '{}' end,
    'user_metadata', case when octet_length(p_user ->> 'user_metadata') <= 4096 then p_user -> 'user_metadata' else '{}' end,
    'aal', 'aal1',
    'amr', jsonb_build_array(jsonb_build_object(
      'method', 'wechat_mini', 'timestamp', floor(extract(epoch from p_signed_in_at))::bigint)),
    'is_anonymous', false);
  v_custom jsonb;
begin
  -- The application's function may ask for auth.uid().
  perform set_config('request.jwt.claims', v_caller::text, true);
  v_custom := auth_private.custom_claims(v_claims);
  if v_custom = v_claims then
    return v_claims;
  end if;
  -- Without nbf: a token that is not good yet would be refused at once.
  return v_custom - 'nbf' || p_token || v_caller;
end
$$;

revoke all on function auth_private.access_token_claims(uuid, timestamptz, jsonb, jsonb) from public;
grant execute on function auth_private.access_token_claims(uuid, timestamptz, jsonb, jsonb) to authenticator;
alter function auth_private.access_token_claims(uuid, timestamptz, jsonb, jsonb) owner to auth_keeper;

comment on function auth_private.access_token_claims(uuid, timestamptz, jsonb, jsonb) is
  'The claims of an access token of this session (GoTrue''s, and what public.custom_access_token makes of them; metadata of more than 4096 bytes are left out). p_signed_in_at: when it began. p_user: its user, as user_json. p_token: iss, aud, iat, exp; they, sub, role and session_id are what they are, whatever the application''s function answers. Raises 38000 (custom_claims).';
