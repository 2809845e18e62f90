create function auth_private.admin_give_phone(p_user auth.users, p_phone text, p_reason text, p_how text) returns auth.users
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
  v_constraint text;
begin
  begin
    perform set_config('request.phone_change', p_how || ',admin:' || session_user, true);
    update auth.users u
    set phone = p_phone, phone_confirmed_at = now(), updated_at = now(),
        phone_raw = case when u.phone = p_phone then u.phone_raw end
    where u.id = p_user.id
    returning * into v_user;
    perform set_config('request.phone_change', '', true);
  exception when unique_violation then
    get stacked diagnostics v_constraint = constraint_name;
    if v_constraint is distinct from 'users_phone_key' then raise; end if;
    raise exception 'Another user has this phone' using errcode = 'WX006',
      hint = 'auth.admin_find_user tells who; auth.admin_reassign_phone takes it from that user, if it is not his any more.';
  end;

  insert into auth.audit_log_entries (action, user_id, actor, details)
  values ('phone_bound', v_user.id, 'admin:' || session_user, jsonb_strip_nulls(jsonb_build_object(
    'source', case p_how when 'reassign' then 'reassign' else 'admin' end,
    'reason', auth_private.mask_phones_in(p_reason), 'phone', auth_private.mask_phone(p_phone),
    'former', case when p_user.phone <> p_phone then auth_private.mask_phone(p_user.phone) end)));
  if p_user.phone is distinct from p_phone then
    insert into auth_private.events (type, user_id, data)
    values ('phone.bound', v_user.id, jsonb_build_object('phone', p_phone));
  end if;
  return v_user;
end
$$;

revoke all on function auth_private.admin_give_phone(auth.users, text, text, text) from public;
grant execute on function auth_private.admin_give_phone(auth.users, text, text, text) to auth_steward;

comment on function auth_private.admin_give_phone(auth.users, text, text, text) is
  'Writes a phone (E.164 with plus) to a locked user, with audit entry and event; p_how: admin_bind or reassign (auth.phone_changes.how). Answers him as he is then. Raises phone_exists (WX006).';
