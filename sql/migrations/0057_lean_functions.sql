-- Fewer statements.
create or replace function auth_private.enter_session(p_session_id uuid) returns auth.users
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
begin
  perform set_config('request.jwt.claims', jsonb_build_object('session_id', p_session_id)::text, true);

  select u.* into v_user from auth.sessions s join auth.users u on u.id = s.user_id where s.id = p_session_id;
  if not found or v_user.deleted_at is not null then
    raise exception 'This session has ended' using errcode = 'WX003', hint = 'Sign in again.';
  end if;
  if v_user.banned_until > now() then
    raise exception 'This user is banned' using errcode = 'WX004';
  end if;

  perform set_config('request.jwt.claims', jsonb_build_object(
    'session_id', p_session_id, 'sub', v_user.id, 'role', 'authenticated')::text, true);
  return v_user;
end
$$;

create or replace function auth_private.hold_session(p_session_id uuid, p_to_write boolean) returns auth.users
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
  v_locked uuid;
begin
  perform set_config('request.jwt.claims', jsonb_build_object('session_id', p_session_id)::text, true);
  loop
    -- In the order in which they are named.
    if p_to_write then
      select u.id into v_locked from auth.sessions s join auth.users u on u.id = s.user_id
      where s.id = p_session_id for no key update of u for key share of s;
    else
      select u.id into v_locked from auth.sessions s join auth.users u on u.id = s.user_id
      where s.id = p_session_id for key share of u for key share of s;
    end if;
    -- Read anew: "for key share" answers the row as it was, also where a merge has given the session to another user while the lock
    -- was waited for. Then that one is to be locked.
    v_user := auth_private.enter_session(p_session_id);
    exit when v_user.id = v_locked;
  end loop;
  return v_user;
end
$$;

create or replace function auth_private.get_user(p_session_id uuid) returns jsonb
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  return auth_private.user_json(auth_private.enter_session(p_session_id));
end
$$;

create or replace function auth_private.request_claims(p_claims jsonb) returns text
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
begin
  -- What this transaction writes for the user a merge must find (auth_private.lock_merging_users).
  loop
    v_user := auth_private.enter_session((p_claims ->> 'session_id')::uuid);
    perform pg_advisory_xact_lock_shared(hashtextextended('user:' || v_user.id, 0));
    exit when auth_private.session_user_id() = v_user.id;
  end loop;
  return (p_claims || jsonb_build_object('sub', v_user.id))::text;
end
$$;

create or replace function auth_private.refresh_session(
  p_session_id uuid, p_counter bigint, p_timebox_s integer, p_inactivity_s integer,
  out state text, out refresh_counter bigint, out signed_in_at timestamptz, out user_json jsonb
)
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_session auth.sessions;
  v_user auth.users;
begin
  perform set_config('request.jwt.claims', jsonb_build_object('session_id', p_session_id)::text, true);
  select * into v_session from auth.sessions s where s.id = p_session_id for no key update;
  if not found then
    state := 'refresh_token_not_found';
    return;
  end if;
  v_user := auth_private.enter_session(p_session_id);
  if v_session.created_at + make_interval(secs => p_timebox_s) <= now()
    or v_session.refreshed_at + make_interval(secs => p_inactivity_s) <= now() then
    state := 'session_expired';
    delete from auth.sessions s where s.id = p_session_id;
    insert into auth.audit_log_entries (action, user_id, actor, session_id)
    values ('session_expired', v_user.id, 'user', p_session_id);
    return;
  end if;

  state := 'refreshed';
  -- Ahead of the row is a token that we made before a failover lost its transaction.
  if p_counter >= v_session.refresh_counter then
    update auth.sessions s
    set refresh_counter = p_counter + 1, refreshed_at = now()
    where s.id = p_session_id;
    refresh_counter := p_counter + 1;
  -- The active token's parent (an answer that never arrived), or a race of the last seconds: the active one again.
  elsif p_counter = v_session.refresh_counter - 1
    or p_counter < v_session.refresh_counter and v_session.refreshed_at > now() - interval '10 seconds' then
    refresh_counter := v_session.refresh_counter;
  else
    state := 'refresh_token_already_used';
    delete from auth.sessions s where s.id = p_session_id;
    insert into auth.audit_log_entries (action, user_id, actor, session_id)
    values ('refresh_token_reused', v_user.id, 'user', p_session_id);
    return;
  end if;
  signed_in_at := v_session.created_at;
  user_json := auth_private.user_json(v_user);
end
$$;

create or replace function auth_private.access_token_claims(p_session_id uuid, p_token jsonb) returns jsonb
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
  v_fixed jsonb;
  v_claims jsonb;
begin
  v_user := auth_private.enter_session(p_session_id);
  v_fixed := p_token || jsonb_build_object('sub', v_user.id, 'role', 'authenticated', 'session_id', p_session_id);
  select v_fixed || jsonb_build_object(
    'phone', coalesce(v_user.phone, ''),
    -- An import may have brought more than fits into a header: whoever has that could not call at all.
    'app_metadata', case when octet_length(v_user.app_metadata::text) <= 4096 then v_user.app_metadata else '{}' end,
    'user_metadata', case when octet_length(v_user.user_metadata::text) <= 4096 then v_user.user_metadata else '{}' end,
    'aal', 'aal1',
    'amr', jsonb_build_array(jsonb_build_object(
      'method', 'wechat_mini', 'timestamp', floor(extract(epoch from s.created_at))::bigint)),
    'is_anonymous', false)
  into v_claims
  from auth.sessions s where s.id = p_session_id;
  -- Without nbf: a token that is not good yet would be refused at once.
  return auth_private.custom_claims(v_claims) - 'nbf' || v_fixed;
end
$$;

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
  v_constraint text;
begin
  perform set_config('request.wechat',
    jsonb_build_object('appid', p_appid, 'openid', p_openid, 'unionid', p_unionid)::text, true);
  -- However many sign-ins of one person race, they pass here one by one; and, as in wechat_bind_account, before any row is
  -- locked: the other way round the two would deadlock.
  perform pg_advisory_xact_lock(hashtextextended('openid:' || p_appid || ':' || p_openid, 0));
  perform pg_advisory_xact_lock(hashtextextended('unionid:' || p_unionid, 0));

  loop
    v_is_new := false;
    v_user_id := auth_private.signing_user_id();
    if v_user_id is not null and not v_has_looked and exists (
      select from auth.users u
      where u.wechat_unionid = p_unionid and u.id <> v_user_id and u.deleted_at is null and u.merged_into is null
    ) then
      -- One person with two accounts. Where they cannot be joined he signs in to the one of this openid.
      v_has_looked := true;
      perform auth_private.merge_by_unionid();
      continue;
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
    perform from auth.users u where u.id = v_user_id for no key update;
    exit when auth_private.signing_user_id() is not distinct from v_user_id;
  end loop;
  -- A unionid that arrives later is noted, unless another living user has it and could not be joined.
  if p_unionid is not null then
    update auth.users u set wechat_unionid = p_unionid
    where u.id = v_user_id and u.wechat_unionid is null and not exists (
      select from auth.users o where o.wechat_unionid = p_unionid and o.deleted_at is null and o.merged_into is null);
  end if;
  update auth.users u set last_sign_in_at = now(), updated_at = now() where u.id = v_user_id returning * into v_user;
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

create or replace function auth_private.wechat_claim_code(
  p_session_id uuid, p_code_hashes bytea[], p_appid text, p_claim_id uuid, p_lease_ms integer,
  out state text, out outcome text, out wechat_errcode integer, out wechat_rid text, out openid text, out user_json jsonb
)
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
  v_code auth_private.wechat_codes;
  v_until timestamptz := clock_timestamp() + make_interval(secs => p_lease_ms / 1000.0);
begin
  -- A claim that a crash loses costs one more question to WeChat; it need not wait for the disk.
  perform set_config('synchronous_commit', 'off', true);
  v_user := auth_private.hold_session(p_session_id, p_to_write => false);

  loop
    insert into auth_private.wechat_codes (code_hash, appid, user_id, claim_id, claimed_until)
    select p_code_hashes[1], p_appid, v_user.id, p_claim_id, v_until
    where not exists (select from auth_private.wechat_codes c where c.code_hash = any (p_code_hashes))
    on conflict do nothing;
    exit when found;
    select * into v_code from auth_private.wechat_codes c where c.code_hash = any (p_code_hashes) limit 1;
    if v_code.outcome is not null then
      -- Read again: the bind that wrote the outcome may have changed the user after he was read above.
      v_user := auth_private.enter_session(p_session_id);
      state := 'done';
      outcome := auth_private.wechat_code_outcome(v_code, v_user);
      wechat_errcode := v_code.wechat_errcode;
      wechat_rid := v_code.wechat_rid;
      user_json := auth_private.user_json(v_user);
      return;
    elsif v_code.claimed_until > clock_timestamp() then
      state := 'pending';
      return;
    else
      update auth_private.wechat_codes c
      set user_id = v_user.id, claim_id = p_claim_id, claimed_until = v_until
      where c.code_hash = v_code.code_hash and c.claim_id = v_code.claim_id
        and c.claimed_until = v_code.claimed_until and c.outcome is null;
    end if;
    exit when found;
  end loop;

  state := 'claimed';
  select i.provider_id into openid from auth.identities i
  where i.user_id = v_user.id and i.provider = 'wechat_mini' and i.appid = p_appid;
end
$$;

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
  v_code auth_private.wechat_codes;
  v_refusal text;
  v_constraint text;
begin
  -- The user first, then his code: the other way round two binds of one user would deadlock.
  v_user := auth_private.hold_session(p_session_id, p_to_write => true);
  select * into v_code from auth_private.wechat_codes c where c.code_hash = any (p_code_hashes) limit 1 for update;
  if not found then
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
