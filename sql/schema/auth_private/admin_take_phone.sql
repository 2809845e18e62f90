create function auth_private.admin_take_phone(p_user auth.users, p_reason text, p_how text) returns auth.users
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
begin
  perform set_config('request.phone_change', p_how || ',admin:' || session_user, true);
  update auth.users u
  set phone = null, phone_confirmed_at = null, phone_raw = null, updated_at = now()
  where u.id = p_user.id
  returning * into v_user;

  insert into auth.audit_log_entries (action, user_id, actor, details)
  values ('phone_unbound', v_user.id, 'admin:' || session_user, jsonb_build_object(
    'source', case p_how when 'reassign' then 'reassign' else 'admin' end,
    'reason', auth_private.mask_phones_in(p_reason), 'phone', auth_private.mask_phone(p_user.phone)));
  insert into auth_private.events (type, user_id, data)
  values ('phone.unbound', v_user.id, jsonb_build_object('phone', p_user.phone));
  return v_user;
end
$$;

revoke all on function auth_private.admin_take_phone(auth.users, text, text) from public;
grant execute on function auth_private.admin_take_phone(auth.users, text, text) to auth_steward;

comment on function auth_private.admin_take_phone(auth.users, text, text) is
  'Takes the phone from a locked user who has one, with audit entry and event; p_how: admin_unbind or reassign (auth.phone_changes.how). Answers him as he is then.';
