-- The second and last statement of a bind. Before: src/rpc/wechat_bind_phone.ts, with WeChat's answer. Everything that a bind writes
-- is written here, in one transaction. Runs as auth_binder: whatever is wrong below, row-level security lets it
-- change the row of the session's own user and no other. With PHONE_CONFLICT=merge it goes on in merge_into_phone_owner.sql.
create function auth_private.wechat_bind_phone(
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

revoke all on function auth_private.wechat_bind_phone(uuid, bytea[], uuid, text, text, text, jsonb, integer, text, boolean) from public;
grant execute on function auth_private.wechat_bind_phone(uuid, bytea[], uuid, text, text, text, jsonb, integer, text, boolean) to authenticator;
alter function auth_private.wechat_bind_phone(uuid, bytea[], uuid, text, text, text, jsonb, integer, text, boolean) owner to auth_binder;

comment on function auth_private.wechat_bind_phone(uuid, bytea[], uuid, text, text, text, jsonb, integer, text, boolean) is
  'Writes what WeChat said of a code. p_verdict: phone (p_phone, E.164 with plus, and p_phone_raw as WeChat told it), wechat_phone_unusable or wechat_code_invalid (with p_errcode, p_rid). With p_may_merge the phone of another user is no end: the session''s user is merged into him, where auth_private.merge_into_phone_owner can. Answers state done and outcome: bound, phone_exists, wechat_phone_unusable, wechat_code_invalid, or wechat_code_used, with the user as he is now; or state pending: another request has the code by now, come again. An outcome is returned, never raised, because it must be kept; the same call again gives the same answer and writes nothing. Raises session_not_found (WX003), user_banned (WX004), and where a merge would have to wait for a lock lock_not_available (55P03): call again.';
