-- The first statement of a bind. Before: src/rpc/wechat_bind_phone.ts. After: WeChat is asked, then wechat_bind_phone.sql.
create function auth_private.wechat_claim_code(
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
    select * into v_code from auth_private.wechat_codes c where c.code_hash = any (p_code_hashes) limit 1;
    if not found then
      insert into auth_private.wechat_codes (code_hash, appid, user_id, claim_id, claimed_until)
      values (p_code_hashes[1], p_appid, v_user.id, p_claim_id, v_until)
      on conflict do nothing;
    elsif v_code.outcome is not null then
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

revoke all on function auth_private.wechat_claim_code(uuid, bytea[], text, uuid, integer) from public;
grant execute on function auth_private.wechat_claim_code(uuid, bytea[], text, uuid, integer) to authenticator;
alter function auth_private.wechat_claim_code(uuid, bytea[], text, uuid, integer) owner to auth_binder;

comment on function auth_private.wechat_claim_code(uuid, bytea[], text, uuid, integer) is
  'Asks for a code before WeChat is asked. p_code_hashes: by the current DATA_KEY, then by old ones. state: claimed (ask WeChat within p_lease_ms milliseconds; openid is the user''s in this app), pending (another request asks: come again), done (outcome as of wechat_code_outcome, with the user as he is now). Raises session_not_found, user_banned.';
