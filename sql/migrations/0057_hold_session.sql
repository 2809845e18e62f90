-- One statement takes both locks, one reads the user.
create or replace function auth_private.enter_session(p_session_id uuid) returns auth.users
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

create or replace function auth_private.hold_session(p_session_id uuid, p_to_write boolean) returns auth.users
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
