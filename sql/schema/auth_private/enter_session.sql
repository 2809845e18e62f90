create function auth_private.enter_session(p_session_id uuid) returns auth.users
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
begin
  perform set_config('request.jwt.claims', jsonb_build_object('session_id', p_session_id)::text, true);

  select u.* into v_user from auth.sessions s join auth.users u on u.id = s.user_id where s.id = p_session_id;
  if not found or v_user.deleted_at is not null then
    raise exception 'This session has ended' using errcode = 'WX003', hint = 'Sign in again.';
  end if;
  if v_user.banned_until > now() then
    raise exception 'This user is banned' using errcode = 'WX004';
  end if;

  perform set_config('request.jwt.claims', jsonb_build_object(
    'session_id', p_session_id, 'sub', v_user.id, 'role', 'authenticated')::text, true);
  return v_user;
end
$$;

revoke all on function auth_private.enter_session(uuid) from public;
grant execute on function auth_private.enter_session(uuid) to auth_keeper, auth_holder, auth_binder;

comment on function auth_private.enter_session(uuid) is
  'Makes this session, whose token the server has verified, the caller for the rest of the transaction, and answers its user. Raises session_not_found (WX003) and user_banned (WX004).';
