create function auth_private.wechat_release_code(p_code_hashes bytea[], p_claim_id uuid, p_is_spent boolean) returns void
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  perform set_config('synchronous_commit', 'off', true);
  perform set_config('request.claim_id', p_claim_id::text, true);
  update auth_private.wechat_codes c
  set claimed_until = '-infinity',
      outcome = case when p_is_spent then 'wechat_code_invalid' end,
      redeemed_at = case when p_is_spent then now() end
  where c.code_hash = any (p_code_hashes) and c.claim_id = p_claim_id and c.outcome is null;
end
$$;

revoke all on function auth_private.wechat_release_code(bytea[], uuid, boolean) from public;
grant execute on function auth_private.wechat_release_code(bytea[], uuid, boolean) to authenticator;
alter function auth_private.wechat_release_code(bytea[], uuid, boolean) owner to auth_binder;

comment on function auth_private.wechat_release_code(bytea[], uuid, boolean) is
  'Gives a claim back: WeChat has said nothing about the code, which may still be good; or, with p_is_spent, WeChat has answered and there is nobody to write it for, so that whoever sends the code again is told to tap again. Needs no session, which may have ended. Nothing happens where the claim is another''s by now.';
