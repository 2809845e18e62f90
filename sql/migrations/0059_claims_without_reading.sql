-- A code is locked without a plan of its own, a sign-in looks for the unionid only where there is one, and the claims of a token are
-- made of what the statement has read already.
create or replace function auth_private.wechat_bind_phone(
  p_session_id uuid, p_code_hashes bytea[], p_claim_id uuid, p_appid text,
  p_verdict text, p_phone text, p_phone_raw jsonb, p_errcode integer, p_rid text, p_may_merge boolean,
  out state text, out outcome text, out wechat_errcode integer, out wechat_rid text, out user_json jsonb
)
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
  v_former text;
  v_hash bytea;
  v_code auth_private.wechat_codes;
  v_refusal text;
  v_constraint text;
begin
  -- The user first, then his code: the other way round two binds of one user would deadlock.
  v_user := auth_private.hold_session(p_session_id, p_to_write => true);
  -- One by one: "= any" would be planned anew in every call, for a tenth of its time.
  foreach v_hash in array p_code_hashes loop
    select * into v_code from auth_private.wechat_codes c where c.code_hash = v_hash for update;
    exit when found;
  end loop;
  if v_code.code_hash is null then
    -- A code that is closed for somebody else cannot be locked, and need not be: its outcome is final.
    select * into v_code from auth_private.wechat_codes c where c.code_hash = any (p_code_hashes) limit 1;
  end if;
  v_former := v_user.phone;

  -- Written already, by this very request before its answer was lost, or by a later claimant while this one was slow.
  -- Only "WeChat refused the code" gives way to somebody who holds the phone.
  if v_code.outcome <> 'wechat_code_invalid'
    or v_code.outcome = 'wechat_code_invalid' and p_verdict = 'wechat_code_invalid' then
    state := 'done';
    outcome := auth_private.wechat_code_outcome(v_code, v_user);
    wechat_errcode := v_code.wechat_errcode;
    wechat_rid := v_code.wechat_rid;
    user_json := auth_private.user_json(v_user);
    return;
  end if;
  -- The lease ran out and another request asks WeChat now; it may be luckier than "refused".
  if p_verdict = 'wechat_code_invalid' and v_code.outcome is null and v_code.claim_id <> p_claim_id then
    state := 'pending';
    return;
  end if;

  state := 'done';
  outcome := p_verdict;
  while p_verdict = 'phone' and outcome <> 'bound' loop
    begin
      perform set_config('request.phone_change', 'bind,user', true);
      update auth.users u
      set phone = p_phone, phone_confirmed_at = now(), phone_raw = p_phone_raw, updated_at = now()
      where u.id = v_user.id
      returning * into v_user;
      outcome := 'bound';
    exception when unique_violation then
      get stacked diagnostics v_constraint = constraint_name;
      if v_constraint is distinct from 'users_phone_key' then raise; end if;
      outcome := 'phone_exists';
    end;
    exit when outcome = 'bound' or not p_may_merge;
    -- Whose phone it is gets this account; from then on the session is his, and so is everything below.
    select m.refusal into v_refusal from auth_private.merge_into_phone_owner(p_session_id, p_appid, p_phone) m;
    exit when v_refusal is not null;
    v_user := auth_private.enter_session(p_session_id);
    v_former := v_user.phone;
  end loop;

  insert into auth_private.wechat_codes as c
    (code_hash, appid, user_id, claim_id, claimed_until, outcome, phone_revision, wechat_errcode, wechat_rid, redeemed_at)
  values (
    coalesce(v_code.code_hash, p_code_hashes[1]), p_appid, v_user.id, p_claim_id, now(), wechat_bind_phone.outcome,
    case when wechat_bind_phone.outcome = 'bound' then v_user.phone_revision end, p_errcode, p_rid, now())
  on conflict (code_hash) do update
  set user_id = excluded.user_id, outcome = excluded.outcome, phone_revision = excluded.phone_revision,
      wechat_errcode = excluded.wechat_errcode, wechat_rid = excluded.wechat_rid, redeemed_at = excluded.redeemed_at;

  if outcome <> 'wechat_code_invalid' then
    insert into auth.audit_log_entries (action, user_id, actor, session_id, details)
    values (
      case when outcome = 'bound' then 'phone_bound' else 'phone_refused' end, v_user.id, 'user', p_session_id,
      jsonb_strip_nulls(jsonb_build_object(
        'source', 'wechat', 'appid', p_appid, 'phone', auth_private.mask_phone(p_phone),
        'former', case when v_former <> p_phone then auth_private.mask_phone(v_former) end,
        'reason', case when outcome <> 'bound' then outcome end, 'not_merged', v_refusal)));
  end if;
  if outcome = 'bound' and v_former is distinct from p_phone then
    insert into auth_private.events (type, user_id, data)
    values ('phone.bound', v_user.id, jsonb_build_object('phone', p_phone));
  end if;

  wechat_errcode := p_errcode;
  wechat_rid := p_rid;
  user_json := auth_private.user_json(v_user);
end
$$;

grant execute on function auth.uid() to auth_signer;

create or replace function auth_private.wechat_sign_in(
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

grant create on schema auth_private to auth_keeper;

create function auth_private.access_token_claims(
  p_session_id uuid, p_signed_in_at timestamptz, p_user jsonb, p_token jsonb
) returns jsonb
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_caller jsonb := jsonb_build_object('sub', p_user -> 'id', 'role', 'authenticated', 'session_id', p_session_id);
  v_claims jsonb := p_token || v_caller || jsonb_build_object(
    'phone', coalesce(p_user ->> 'phone', ''),
    -- An import may have brought more than fits into a header: whoever has that could not call at all.
    'app_metadata', case when octet_length(p_user ->> 'app_metadata') <= 4096 then p_user -> 'app_metadata' else '{}' end,
    'user_metadata', case when octet_length(p_user ->> 'user_metadata') <= 4096 then p_user -> 'user_metadata' else '{}' end,
    'aal', 'aal1',
    'amr', jsonb_build_array(jsonb_build_object(
      'method', 'wechat_mini', 'timestamp', floor(extract(epoch from p_signed_in_at))::bigint)),
    'is_anonymous', false);
  v_custom jsonb;
begin
  -- The application's function may ask for auth.uid().
  perform set_config('request.jwt.claims', v_caller::text, true);
  v_custom := auth_private.custom_claims(v_claims);
  if v_custom = v_claims then
    return v_claims;
  end if;
  -- Without nbf: a token that is not good yet would be refused at once.
  return v_custom - 'nbf' || p_token || v_caller;
end
$$;

revoke all on function auth_private.access_token_claims(uuid, timestamptz, jsonb, jsonb) from public;
grant execute on function auth_private.access_token_claims(uuid, timestamptz, jsonb, jsonb) to authenticator;
alter function auth_private.access_token_claims(uuid, timestamptz, jsonb, jsonb) owner to auth_keeper;

comment on function auth_private.access_token_claims(uuid, timestamptz, jsonb, jsonb) is
  'The claims of an access token of this session (GoTrue''s, and what public.custom_access_token makes of them; metadata of more than 4096 bytes are left out). p_signed_in_at: when it began. p_user: its user, as user_json. p_token: iss, aud, iat, exp; they, sub, role and session_id are what they are, whatever the application''s function answers. Raises 38000 (custom_claims).';

create or replace function auth_private.access_token_claims(p_session_id uuid, p_token jsonb) returns jsonb
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users := auth_private.enter_session(p_session_id);
begin
  return auth_private.access_token_claims(
    p_session_id, (select s.created_at from auth.sessions s where s.id = p_session_id), auth_private.user_json(v_user), p_token);
end
$$;
comment on function auth_private.access_token_claims(uuid, jsonb) is
  'The former signature, for nodes of the version before.';

revoke create on schema auth_private from auth_keeper;
