-- The last step of enter_session and of hold_session.
create function auth_private.set_caller(p_session_id uuid, p_user auth.users) returns auth.users
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_user.id is null or p_user.deleted_at is not null then
    raise exception 'This session has ended' using errcode = 'WX003', hint = 'Sign in again.';
  end if;
  if p_user.banned_until > now() then
    raise exception 'This user is banned' using errcode = 'WX004';
  end if;
  perform set_config('request.jwt.claims', jsonb_build_object(
    'session_id', p_session_id, 'sub', p_user.id, 'role', 'authenticated')::text, true);
  return p_user;
end
$$;

revoke all on function auth_private.set_caller(uuid, auth.users) from public;
grant execute on function auth_private.set_caller(uuid, auth.users) to auth_keeper, auth_holder, auth_binder;

comment on function auth_private.set_caller(uuid, auth.users) is
  'Makes the user of this session the caller for the rest of the transaction, and answers him. Raises session_not_found (WX003), for nobody too, and user_banned (WX004).';
