create function auth_private.enter_session(p_session_id uuid) returns auth.users
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
begin
  perform set_config('request.jwt.claims', jsonb_build_object('session_id', p_session_id)::text, true);
  select u.* into v_user from auth.sessions s join auth.users u on u.id = s.user_id where s.id = p_session_id;
  return auth_private.set_caller(p_session_id, v_user);
end
$$;

revoke all on function auth_private.enter_session(uuid) from public;
grant execute on function auth_private.enter_session(uuid) to auth_keeper, auth_holder, auth_binder;

comment on function auth_private.enter_session(uuid) is
  'Makes this session, whose token the server has verified, the caller for the rest of the transaction, and answers its user. Raises session_not_found (WX003) and user_banned (WX004).';
