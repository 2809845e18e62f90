create function auth_private.request_claims(p_claims jsonb) returns text
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
begin
  v_user := auth_private.enter_session((p_claims ->> 'session_id')::uuid);
  return (p_claims || jsonb_build_object('sub', v_user.id))::text;
end
$$;

revoke all on function auth_private.request_claims(jsonb) from public;
grant execute on function auth_private.request_claims(jsonb) to authenticator;
alter function auth_private.request_claims(jsonb) owner to auth_keeper;

comment on function auth_private.request_claims(jsonb) is
  'The claims of a verified user token as GraphQL''s transaction sets them: sub is the user whose session this is now. Raises session_not_found (WX003) and user_banned (WX004), so that no query of an ended session runs.';
