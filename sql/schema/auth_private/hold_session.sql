-- Why two: a reader needs to know who calls now; a writer needs that nobody ends the session, bans or deletes the user
-- before it has written. The user is locked before the session, here and everywhere.
create function auth_private.hold_session(p_session_id uuid, p_to_write boolean) returns auth.users
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id uuid;
begin
  perform set_config('request.jwt.claims', jsonb_build_object('session_id', p_session_id)::text, true);
  loop
    v_user_id := auth_private.session_user_id();
    if p_to_write then
      perform from auth.users u where u.id = v_user_id for no key update;
    else
      perform from auth.users u where u.id = v_user_id for key share;
    end if;
    perform from auth.sessions s where s.id = p_session_id for key share;
    -- He may have been merged into another one while his lock was waited for; then that one is to be locked.
    exit when auth_private.session_user_id() is not distinct from v_user_id;
  end loop;
  return auth_private.enter_session(p_session_id);
end
$$;

revoke all on function auth_private.hold_session(uuid, boolean) from public;
grant execute on function auth_private.hold_session(uuid, boolean) to auth_holder, auth_binder;

comment on function auth_private.hold_session(uuid, boolean) is
  'As enter_session, and until the transaction ends the session cannot end and the user cannot go; with p_to_write nobody else can change the user either. Raises session_not_found (WX003) and user_banned (WX004).';
