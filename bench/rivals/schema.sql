-- What the comparisons call: the same writes as ours on the same tables, as an expert would write them for one route, by the
-- tables' owner, above row-level security, without a claim of the code.
create schema bench;
grant usage on schema bench to authenticator, authenticated, anon;

create function bench.get_user(p_session_id uuid) returns jsonb
language sql stable
return (
  select auth_private.user_json(u) from auth.sessions s join auth.users u on u.id = s.user_id
  where s.id = p_session_id and u.deleted_at is null and (u.banned_until is null or u.banned_until <= now())
);

create function bench.bind_phone(p_session_id uuid, p_code_hash bytea, p_appid text, p_phone text, p_raw jsonb)
returns jsonb
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
  v_former text;
begin
  select u.* into v_user from auth.sessions s join auth.users u on u.id = s.user_id
  where s.id = p_session_id and u.deleted_at is null and (u.banned_until is null or u.banned_until <= now())
  for no key update of u;
  if not found then
    return null;
  end if;
  v_former := v_user.phone;
  update auth.users u
  set phone = p_phone, phone_confirmed_at = now(), phone_raw = p_raw, updated_at = now()
  where u.id = v_user.id returning * into v_user;
  insert into auth_private.wechat_codes
    (code_hash, appid, user_id, claim_id, claimed_until, outcome, phone_revision, redeemed_at)
  values (p_code_hash, p_appid, v_user.id, gen_random_uuid(), now(), 'bound', v_user.phone_revision, now());
  insert into auth.audit_log_entries (action, user_id, actor, session_id, details)
  values ('phone_bound', v_user.id, 'user', p_session_id, jsonb_build_object('source', 'wechat', 'appid', p_appid,
    'phone', auth_private.mask_phone(p_phone), 'former', auth_private.mask_phone(v_former)));
  if v_former is distinct from p_phone then
    insert into auth_private.events (type, user_id, data)
    values ('phone.bound', v_user.id, jsonb_build_object('phone', p_phone));
  end if;
  return auth_private.user_json(v_user);
end
$$;

create function bench.sign_in(p_appid text, p_openid text, out session_id uuid, out user_json jsonb)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
begin
  update auth.identities i set last_sign_in_at = now(), updated_at = now()
  where i.provider = 'wechat_mini' and i.appid = p_appid and i.provider_id = p_openid
  returning i.user_id into v_user.id;
  if found then
    update auth.users u set last_sign_in_at = now(), updated_at = now()
    where u.id = v_user.id and u.deleted_at is null and (u.banned_until is null or u.banned_until <= now())
    returning * into v_user;
    if not found then
      return;
    end if;
  else
    insert into auth.users (wechat_id, app_metadata, last_sign_in_at)
    values (p_openid, '{"provider": "wechat_mini", "providers": ["wechat_mini"]}', now()) returning * into v_user;
    insert into auth.identities (user_id, appid, provider_id) values (v_user.id, p_appid, p_openid);
  end if;
  insert into auth.sessions as s (user_id) values (v_user.id) returning s.id into session_id;
  insert into auth.audit_log_entries (action, user_id, actor, session_id, details)
  values ('user_signed_in', v_user.id, 'user', session_id, jsonb_build_object('provider', 'wechat_mini', 'appid', p_appid));
  insert into auth_private.events (type, user_id, data)
  values ('user.signed_in', v_user.id, jsonb_build_object('session_id', session_id, 'appid', p_appid));
  user_json := auth_private.user_json(v_user);
end
$$;

create function bench.refresh(p_session_id uuid, p_counter bigint, out refresh_counter bigint, out user_json jsonb)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
begin
  update auth.sessions s set refresh_counter = p_counter + 1, refreshed_at = now()
  where s.id = p_session_id and s.refresh_counter <= p_counter
  returning s.user_id, s.refresh_counter into v_user.id, refresh_counter;
  select * into v_user from auth.users u
  where u.id = v_user.id and u.deleted_at is null and (u.banned_until is null or u.banned_until <= now());
  if not found then
    raise exception 'no such session';
  end if;
  user_json := auth_private.user_json(v_user);
end
$$;
