create function auth.admin_unbind_phone(user_id uuid, reason text) returns auth.users
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
begin
  v_user := auth_private.admin_lock_user(admin_unbind_phone.user_id, admin_unbind_phone.reason);
  if v_user.phone is null then
    return v_user;
  end if;
  return auth_private.admin_take_phone(v_user, admin_unbind_phone.reason, 'admin_unbind');
end
$$;

revoke all on function auth.admin_unbind_phone(uuid, text) from public;
grant execute on function auth.admin_unbind_phone(uuid, text) to service_role;
alter function auth.admin_unbind_phone(uuid, text) owner to auth_steward;

comment on function auth.admin_unbind_phone(uuid, text) is
  'Takes the phone from a living user, with the reason, an audit entry and the event phone.unbound; where there is no phone, nothing happens. Raises validation_failed (WX001: no reason) and user_not_found (WX005).';
