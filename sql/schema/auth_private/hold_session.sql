-- Why two: a reader needs to know who calls now; a writer needs that nobody ends the session, bans or deletes the user
-- before it has written. The user is locked before the session, here and everywhere.
create function auth_private.hold_session(p_session_id uuid, p_to_write boolean) returns auth.users
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
begin
  perform set_config('request.jwt.claims', jsonb_build_object('session_id', p_session_id)::text, true);
  -- Locks are taken in the order in which they are named. Nothing is found where he was merged into another one while his lock was
  -- waited for: then that one is to be locked, now that the session is his.
  for v_attempt in 1 .. 100 loop
    if p_to_write then
      select u.* into v_user from auth.sessions s join auth.users u on u.id = s.user_id
      where s.id = p_session_id for no key update of u for key share of s;
    else
      select u.* into v_user from auth.sessions s join auth.users u on u.id = s.user_id
      where s.id = p_session_id for key share of u for key share of s;
    end if;
    exit when found or auth_private.session_user_id() is null;
  end loop;
  return auth_private.set_caller(p_session_id, v_user);
end
$$;

revoke all on function auth_private.hold_session(uuid, boolean) from public;
grant execute on function auth_private.hold_session(uuid, boolean) to auth_holder, auth_binder;

comment on function auth_private.hold_session(uuid, boolean) is
  'As enter_session, and until the transaction ends the session cannot end and the user cannot go; with p_to_write nobody else can change the user either. Raises session_not_found (WX003) and user_banned (WX004).';
