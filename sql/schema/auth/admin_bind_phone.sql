create function auth.admin_bind_phone(user_id uuid, phone text, reason text) returns auth.users
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
  v_former text;
  v_constraint text;
begin
  if admin_bind_phone.phone is null or admin_bind_phone.phone !~ '^\+[1-9][0-9]{4,14}$' then
    raise exception 'Not an E.164 phone number' using errcode = 'WX001', hint = 'Write it with plus and country code: +8613800138000.';
  end if;
  v_user := auth_private.admin_lock_user(admin_bind_phone.user_id, admin_bind_phone.reason);
  v_former := v_user.phone;

  begin
    update auth.users u
    set phone = admin_bind_phone.phone, phone_confirmed_at = now(), updated_at = now(),
        phone_raw = case when u.phone = admin_bind_phone.phone then u.phone_raw end
    where u.id = admin_bind_phone.user_id
    returning * into v_user;
  exception when unique_violation then
    get stacked diagnostics v_constraint = constraint_name;
    if v_constraint is distinct from 'users_phone_key' then raise; end if;
    raise exception 'Another user has this phone' using errcode = 'WX006',
      hint = 'auth.admin_find_user tells who; auth.admin_unbind_phone takes it from that user.';
  end;

  insert into auth.audit_log_entries (action, user_id, actor, details)
  values ('phone_bound', admin_bind_phone.user_id, 'admin:' || session_user, jsonb_strip_nulls(jsonb_build_object(
    'source', 'admin', 'reason', auth_private.mask_phones_in(admin_bind_phone.reason), 'phone', auth_private.mask_phone(admin_bind_phone.phone),
    'former', case when v_former <> admin_bind_phone.phone then auth_private.mask_phone(v_former) end)));
  if v_former is distinct from admin_bind_phone.phone then
    insert into auth_private.events (type, user_id, data)
    values ('phone.bound', admin_bind_phone.user_id, jsonb_build_object('phone', admin_bind_phone.phone));
  end if;
  return v_user;
end
$$;

revoke all on function auth.admin_bind_phone(uuid, text, text) from public;
grant execute on function auth.admin_bind_phone(uuid, text, text) to service_role;
alter function auth.admin_bind_phone(uuid, text, text) owner to auth_steward;

comment on function auth.admin_bind_phone(uuid, text, text) is
  'Gives a living user a phone (E.164 with plus) by an administrator''s word, with the reason, an audit entry and the event phone.bound; the same phone again only renews its time. Raises validation_failed (WX001: not a phone, no reason), user_not_found (WX005), phone_exists (WX006).';
