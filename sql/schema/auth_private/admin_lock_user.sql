create function auth_private.admin_lock_user(p_user_id uuid, p_reason text, is_living boolean default true) returns auth.users
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
begin
  perform auth_private.require_reason(p_reason);
  select * into v_user from auth.users u
  where u.id = p_user_id and (not is_living or u.deleted_at is null and u.merged_into is null)
  for no key update;
  if not found then
    raise exception 'There is no such user' using errcode = 'WX005',
      hint = 'auth.admin_find_user finds users by phone, id or openid.';
  end if;
  return v_user;
end
$$;

revoke all on function auth_private.admin_lock_user(uuid, text, boolean) from public;
grant execute on function auth_private.admin_lock_user(uuid, text, boolean) to auth_steward;

comment on function auth_private.admin_lock_user(uuid, text, boolean) is
  'The user, living unless is_living is false, locked for an administrator''s change. Raises validation_failed (WX001: no reason) and user_not_found (WX005).';
