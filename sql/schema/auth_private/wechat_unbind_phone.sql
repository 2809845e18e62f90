-- One statement. Before: src/rpc/wechat_unbind_phone.ts.
create function auth_private.wechat_unbind_phone(p_session_id uuid) returns jsonb
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
  v_former text;
begin
  v_user := auth_private.hold_session(p_session_id, p_to_write => true);
  v_former := v_user.phone;
  if v_former is null then
    return auth_private.user_json(v_user);
  end if;
  -- The application's backend may have taken his openid away while he was signed in: the phone is what is left of him.
  if not exists (select from auth.identities i where i.user_id = v_user.id) then
    raise exception 'The phone stays: without it nobody could find this account again' using errcode = 'WX008';
  end if;

  perform set_config('request.phone_change', 'unbind,user', true);
  update auth.users u
  set phone = null, phone_confirmed_at = null, phone_raw = null, updated_at = now()
  where u.id = v_user.id
  returning * into v_user;
  insert into auth.audit_log_entries (action, user_id, actor, session_id, details)
  values ('phone_unbound', v_user.id, 'user', p_session_id,
    jsonb_build_object('source', 'user', 'phone', auth_private.mask_phone(v_former)));
  insert into auth_private.events (type, user_id, data)
  values ('phone.unbound', v_user.id, jsonb_build_object('phone', v_former));
  return auth_private.user_json(v_user);
end
$$;

revoke all on function auth_private.wechat_unbind_phone(uuid) from public;
grant execute on function auth_private.wechat_unbind_phone(uuid) to authenticator;
alter function auth_private.wechat_unbind_phone(uuid) owner to auth_binder;

comment on function auth_private.wechat_unbind_phone(uuid) is
  'Takes the phone from the session''s user, with an audit entry and the event phone.unbound, and answers him as user_json; where there is none, nothing happens. Raises single_identity_not_deletable (WX008: he has no WeChat identity, so that the phone is all that leads to the account), session_not_found (WX003), user_banned (WX004).';
