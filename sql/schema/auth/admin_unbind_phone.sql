create function auth.admin_unbind_phone(user_id uuid, reason text) returns auth.users
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
  v_former text;
begin
  v_user := auth_private.admin_lock_user(admin_unbind_phone.user_id, admin_unbind_phone.reason);
  v_former := v_user.phone;
  if v_former is null then
    return v_user;
  end if;

  update auth.users u
  set phone = null, phone_confirmed_at = null, phone_raw = null, updated_at = now()
  where u.id = admin_unbind_phone.user_id
  returning * into v_user;

  insert into auth.audit_log_entries (action, user_id, actor, details)
  values ('phone_unbound', admin_unbind_phone.user_id, 'admin:' || session_user, jsonb_build_object(
    'source', 'admin', 'reason', auth_private.mask_phones_in(admin_unbind_phone.reason), 'phone', auth_private.mask_phone(v_former)));
  insert into auth_private.events (type, user_id, data)
  values ('phone.unbound', admin_unbind_phone.user_id, jsonb_build_object('phone', v_former));
  return v_user;
end
$$;

revoke all on function auth.admin_unbind_phone(uuid, text) from public;
grant execute on function auth.admin_unbind_phone(uuid, text) to service_role;
alter function auth.admin_unbind_phone(uuid, text) owner to auth_steward;

comment on function auth.admin_unbind_phone(uuid, text) is
  'Takes the phone from a living user, with the reason, an audit entry and the event phone.unbound; where there is no phone, nothing happens. Raises validation_failed (WX001: no reason) and user_not_found (WX005).';
