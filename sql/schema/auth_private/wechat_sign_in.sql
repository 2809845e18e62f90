-- The one statement of a sign-in. Before: src/rpc/wechat_sign_in.ts, with WeChat's answer to jscode2session.
create function auth_private.wechat_sign_in(
  p_appid text, p_openid text, p_unionid text, p_is_only boolean,
  out session_id uuid, out refresh_counter bigint, out signed_in_at timestamptz, out user_json jsonb
)
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
  v_user_id uuid;
  v_is_new boolean;
  v_has_looked boolean := false;
  v_lacks_unionid boolean;
  v_unionid text;
  v_constraint text;
begin
  perform set_config('request.wechat',
    jsonb_build_object('appid', p_appid, 'openid', p_openid, 'unionid', p_unionid)::text, true),
    set_config('request.jwt.claims', '', true);
  -- However many sign-ins of one person race, they pass here one by one; and, as in wechat_bind_account, before any row is
  -- locked: the other way round the two would deadlock.
  perform pg_advisory_xact_lock(hashtextextended('openid:' || p_appid || ':' || p_openid, 0));
  perform pg_advisory_xact_lock(hashtextextended('unionid:' || p_unionid, 0));

  loop
    v_is_new := false;
    v_user_id := auth_private.signing_user_id();
    if v_user_id is not null and p_unionid is not null and not v_has_looked then
      if exists (
        select from auth.users u
        where u.wechat_unionid = p_unionid and u.id <> v_user_id and u.deleted_at is null and u.merged_into is null
      ) then
        -- One person with two accounts. Where they cannot be joined he signs in to the one of this openid.
        v_has_looked := true;
        perform auth_private.merge_by_unionid();
        continue;
      end if;
    end if;
    if v_user_id is null then
      begin
        -- Locked before anything is written for him, here and everywhere.
        select u.id into v_user_id from auth.users u
        where u.wechat_unionid = p_unionid and u.deleted_at is null and u.merged_into is null
          and not exists (select from auth.identities i where i.user_id = u.id and i.appid = p_appid)
        for no key update;
        if not found then
          v_is_new := true;
          insert into auth.users (wechat_id, wechat_unionid, app_metadata)
          values (
            p_openid,
            case when not exists (
              select from auth.users u
              where u.wechat_unionid = p_unionid and u.deleted_at is null and u.merged_into is null
            ) then p_unionid end,
            '{"provider": "wechat_mini", "providers": ["wechat_mini"]}')
          returning id into v_user_id;
        end if;
        insert into auth.identities (user_id, provider, appid, provider_id, unionid)
        values (v_user_id, 'wechat_mini', p_appid, p_openid, p_unionid);
      exception when unique_violation then
        get stacked diagnostics v_constraint = constraint_name;
        -- This very moment he linked another openid of this app, or an import brought this one, or its unionid: look again.
        -- What the application itself forbids would be tried for ever.
        if v_constraint <> all (array[
          'identities_one_per_app_key', 'identities_provider_id_key', 'users_wechat_unionid_key']) then raise; end if;
        continue;
      end;
    end if;

    -- Locked: he was deleted, or this openid was unlinked from him, this very moment? Whoever signs in now is another.
    select u.wechat_unionid is null into v_lacks_unionid from auth.users u where u.id = v_user_id for no key update;
    continue when auth_private.signing_user_id() is distinct from v_user_id;
    -- The caller, for the policies, from now on.
    perform set_config('request.jwt.claims', jsonb_build_object('sub', v_user_id, 'role', 'authenticated')::text, true);
    -- A unionid that arrives later is noted, unless another living user has it and could not be joined.
    v_unionid := null;
    if v_lacks_unionid and p_unionid is not null then
      select p_unionid into v_unionid where not exists (
        select from auth.users o
        where o.wechat_unionid = p_unionid and o.deleted_at is null and o.merged_into is null);
    end if;
    update auth.users u
    set last_sign_in_at = now(), updated_at = now(), wechat_unionid = coalesce(u.wechat_unionid, v_unionid)
    where u.id = v_user_id
    returning * into v_user;
    exit when found;
  end loop;
  if v_user.banned_until > now() or v_user.deleted_at is not null then
    raise exception 'This user is banned' using errcode = 'WX004';
  end if;
  update auth.identities i
  set last_sign_in_at = now(), updated_at = now(), unionid = coalesce(p_unionid, i.unionid)
  where i.provider = 'wechat_mini' and i.appid = p_appid and i.provider_id = p_openid;

  insert into auth.sessions as s (user_id) values (v_user_id)
  returning s.id, s.refresh_counter, s.created_at into session_id, refresh_counter, signed_in_at;
  if p_is_only then
    delete from auth.sessions s where s.user_id = v_user_id and s.id <> wechat_sign_in.session_id;
  end if;

  insert into auth.audit_log_entries (action, user_id, actor, session_id, details)
  values (case when v_is_new then 'user_signed_up' else 'user_signed_in' end, v_user_id, 'user', session_id,
    jsonb_build_object('provider', 'wechat_mini', 'appid', p_appid));
  if v_is_new then
    insert into auth_private.events (type, user_id, data)
    values ('user.created', v_user_id, jsonb_build_object('provider', 'wechat_mini', 'appid', p_appid));
  end if;
  insert into auth_private.events (type, user_id, data)
  values ('user.signed_in', v_user_id, jsonb_build_object('session_id', session_id, 'appid', p_appid));

  user_json := auth_private.user_json(v_user);
end
$$;

revoke all on function auth_private.wechat_sign_in(text, text, text, boolean) from public;
grant execute on function auth_private.wechat_sign_in(text, text, text, boolean) to authenticator;
alter function auth_private.wechat_sign_in(text, text, text, boolean) owner to auth_signer;

comment on function auth_private.wechat_sign_in(text, text, text, boolean) is
  'Signs in whom WeChat vouches for (p_unionid may be null): the user is created at first sight, or found by the unionid; where openid and unionid lead to two accounts, they are merged (merge_by_unionid). With p_is_only his other sessions end. Answers the new session, the counter of its first refresh token, its time, and the user. Raises user_banned (WX004).';
