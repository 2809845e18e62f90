create function auth_private.wechat_release_code(p_session_id uuid, p_code_hashes bytea[], p_claim_id uuid) returns void
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  perform set_config('synchronous_commit', 'off', true);
  perform auth_private.enter_session(p_session_id);
  update auth_private.wechat_codes
  set claimed_until = '-infinity'
  where code_hash = any (p_code_hashes) and claim_id = p_claim_id and outcome is null;
end
$$;

revoke all on function auth_private.wechat_release_code(uuid, bytea[], uuid) from public;
grant execute on function auth_private.wechat_release_code(uuid, bytea[], uuid) to authenticator;
alter function auth_private.wechat_release_code(uuid, bytea[], uuid) owner to auth_binder;

comment on function auth_private.wechat_release_code(uuid, bytea[], uuid) is
  'Gives a claim back: WeChat has said nothing about the code, which may still be good. Nothing happens where the claim is another''s by now. Raises session_not_found, user_banned.';
