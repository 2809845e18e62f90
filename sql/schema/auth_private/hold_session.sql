-- Why two: a reader needs to know who calls now; a writer needs that nobody ends the session, bans or deletes the user
-- before it has written. The user is locked before the session, here and everywhere.
create function auth_private.hold_session(p_session_id uuid, p_to_write boolean) returns auth.users
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
  v_locked uuid;
begin
  perform set_config('request.jwt.claims', jsonb_build_object('session_id', p_session_id)::text, true);
  loop
    -- In the order in which they are named.
    if p_to_write then
      select u.id into v_locked from auth.sessions s join auth.users u on u.id = s.user_id
      where s.id = p_session_id for no key update of u for key share of s;
    else
      select u.id into v_locked from auth.sessions s join auth.users u on u.id = s.user_id
      where s.id = p_session_id for key share of u for key share of s;
    end if;
    -- Read anew: "for key share" answers the row as it was, also where a merge has given the session to another user while the lock
    -- was waited for. Then that one is to be locked.
    v_user := auth_private.enter_session(p_session_id);
    exit when v_user.id = v_locked;
  end loop;
  return v_user;
end
$$;

revoke all on function auth_private.hold_session(uuid, boolean) from public;
grant execute on function auth_private.hold_session(uuid, boolean) to auth_holder, auth_binder;

comment on function auth_private.hold_session(uuid, boolean) is
  'As enter_session, and until the transaction ends the session cannot end and the user cannot go; with p_to_write nobody else can change the user either. Raises session_not_found (WX003) and user_banned (WX004).';
