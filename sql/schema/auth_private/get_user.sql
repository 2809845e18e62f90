create function auth_private.get_user(p_session_id uuid) returns jsonb
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  return auth_private.user_json(auth_private.enter_session(p_session_id));
end
$$;

revoke all on function auth_private.get_user(uuid) from public;
grant execute on function auth_private.get_user(uuid) to authenticator;
alter function auth_private.get_user(uuid) owner to auth_keeper;

comment on function auth_private.get_user(uuid) is
  'The session''s user as user_json. Raises session_not_found (WX003) and user_banned (WX004).';
