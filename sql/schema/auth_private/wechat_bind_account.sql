-- One statement. Before: src/rpc/wechat_bind_account.ts, with WeChat's answer to jscode2session.
create function auth_private.wechat_bind_account(p_session_id uuid, p_appid text, p_openid text, p_unionid text)
returns jsonb
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
  v_own text;
  v_constraint text;
begin
  perform set_config('request.wechat',
    jsonb_build_object('appid', p_appid, 'openid', p_openid, 'unionid', p_unionid)::text, true);
  -- As in wechat_sign_in: whoever signs in with this openid for the first time passes here, too.
  perform pg_advisory_xact_lock(hashtextextended('openid:' || p_appid || ':' || p_openid, 0));
  perform pg_advisory_xact_lock(hashtextextended('unionid:' || p_unionid, 0));
  v_user := auth_private.hold_session(p_session_id, p_to_write => true);

  select i.provider_id into v_own from auth.identities i
  where i.user_id = v_user.id and i.provider = 'wechat_mini' and i.appid = p_appid;
  if v_own = p_openid then
    return auth_private.user_json(v_user);
  elsif found then
    raise exception 'This account has another WeChat identity of this app' using errcode = 'WX007',
      hint = 'Unlink that one first.';
  end if;

  begin
    insert into auth.identities (user_id, provider, appid, provider_id, unionid)
    values (v_user.id, 'wechat_mini', p_appid, p_openid, p_unionid);
  exception when unique_violation then
    get stacked diagnostics v_constraint = constraint_name;
    if v_constraint is distinct from 'identities_provider_id_key' then raise; end if;
    raise exception 'This WeChat identity belongs to another account' using errcode = 'WX007';
  end;
  begin
    update auth.users u
    set wechat_id = coalesce(u.wechat_id, p_openid),
        wechat_unionid = coalesce(u.wechat_unionid, p_unionid),
        updated_at = now()
    where u.id = v_user.id
    returning * into v_user;
  exception when unique_violation then
    get stacked diagnostics v_constraint = constraint_name;
    if v_constraint is distinct from 'users_wechat_unionid_key' then raise; end if;
    -- Another living user has this unionid, and keeps it.
    update auth.users u set wechat_id = coalesce(u.wechat_id, p_openid), updated_at = now()
    where u.id = v_user.id
    returning * into v_user;
  end;

  insert into auth.audit_log_entries (action, user_id, actor, session_id, details)
  values ('identity_linked', v_user.id, 'user', p_session_id,
    jsonb_build_object('provider', 'wechat_mini', 'appid', p_appid));
  return auth_private.user_json(v_user);
end
$$;

revoke all on function auth_private.wechat_bind_account(uuid, text, text, text) from public;
grant execute on function auth_private.wechat_bind_account(uuid, text, text, text) to authenticator;
alter function auth_private.wechat_bind_account(uuid, text, text, text) owner to auth_holder;

comment on function auth_private.wechat_bind_account(uuid, text, text, text) is
  'Gives the session''s user the openid that WeChat vouches for (p_unionid may be null), so that it signs him in, and answers him as user_json; his own openid again is success and writes nothing. Raises identity_already_exists (WX007: another user''s, or he has another one of this app), session_not_found (WX003), user_banned (WX004).';
