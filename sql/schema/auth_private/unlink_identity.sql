-- One statement. Before: src/rpc/unlink_identity.ts.
create function auth_private.unlink_identity(p_session_id uuid, p_identity_id uuid) returns jsonb
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
  v_identity auth.identities;
begin
  -- The user is locked, so of two that unlink the last two one comes too late.
  v_user := auth_private.hold_session(p_session_id, p_to_write => true);
  if not exists (select from auth.identities i where i.id = p_identity_id and i.user_id = v_user.id) then
    raise exception 'This account has no such identity' using errcode = 'WX001';
  end if;
  if not exists (select from auth.identities i where i.id <> p_identity_id and i.user_id = v_user.id) then
    raise exception 'The last identity stays: without it nobody could sign in to this account' using errcode = 'WX008';
  end if;
  delete from auth.identities i where i.id = p_identity_id and i.user_id = v_user.id returning * into v_identity;

  -- What the user is called by, and would be found by, comes from the identities that are left.
  update auth.users u
  set wechat_id = case when u.wechat_id = v_identity.provider_id then (
        select i.provider_id from auth.identities i where i.user_id = u.id order by i.created_at, i.id limit 1
      ) else u.wechat_id end,
      wechat_unionid = case when u.wechat_unionid = v_identity.unionid and not exists (
        select from auth.identities i where i.user_id = u.id and i.unionid = u.wechat_unionid
      ) then null else u.wechat_unionid end,
      updated_at = now()
  where u.id = v_user.id
  returning * into v_user;

  insert into auth.audit_log_entries (action, user_id, actor, session_id, details)
  values ('identity_unlinked', v_user.id, 'user', p_session_id,
    jsonb_build_object('provider', v_identity.provider, 'appid', v_identity.appid));
  return auth_private.user_json(v_user);
end
$$;

revoke all on function auth_private.unlink_identity(uuid, uuid) from public;
grant execute on function auth_private.unlink_identity(uuid, uuid) to authenticator;
alter function auth_private.unlink_identity(uuid, uuid) owner to auth_holder;

comment on function auth_private.unlink_identity(uuid, uuid) is
  'Takes an identity from the session''s user, who is not found by it any more (but by its unionid, where another identity that he keeps has the same), and answers him as user_json. Raises validation_failed (WX001: he has no such identity), single_identity_not_deletable (WX008), session_not_found (WX003), user_banned (WX004).';
