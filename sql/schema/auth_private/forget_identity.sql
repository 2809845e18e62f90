create function auth_private.forget_identity(p_push auth_private.wechat_pushes, p_user_id uuid) returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_identity_id uuid;
  v_unionid text;
  v_is_last boolean;
begin
  select i.id, i.unionid into v_identity_id, v_unionid from auth.identities i
  where i.provider = 'wechat_mini' and i.appid = p_push.appid and i.provider_id = p_push.openid;
  v_is_last := not exists (
    select from auth.identities i where i.user_id = p_user_id and i.id <> v_identity_id);

  if v_is_last then
    perform auth_private.forget_phone();
    update auth.users u set deleted_at = now(), updated_at = now()
    where u.id = any (auth_private.push_user_ids()) and u.deleted_at is null;
  else
    -- What the user is called by, and would be found by, comes from the identities that are left.
    update auth.users u
    set wechat_id = case when u.wechat_id = p_push.openid then (
          select i.provider_id from auth.identities i where i.user_id = u.id and i.id <> v_identity_id
          order by i.created_at, i.id limit 1
        ) else u.wechat_id end,
        wechat_unionid = case when u.wechat_unionid = v_unionid and not exists (
          select from auth.identities i where i.user_id = u.id and i.id <> v_identity_id and i.unionid = u.wechat_unionid
        ) then null else u.wechat_unionid end,
        updated_at = now()
    where u.id = p_user_id;
  end if;
  delete from auth.sessions s where s.user_id = p_user_id;

  insert into auth.audit_log_entries (action, user_id, actor, details)
  values (case when v_is_last then 'user_deleted' else 'identity_unlinked' end, p_user_id, 'wechat',
    case when v_is_last then '{}' else jsonb_build_object('provider', 'wechat_mini', 'appid', p_push.appid) end);
  if v_is_last then
    insert into auth_private.events (type, user_id, data) values ('user.deleted', p_user_id, '{"hard": false}');
  end if;

  -- Last, as the policies know by the openid whose account this is.
  if v_is_last then
    update auth.identities i set provider_id = 'deleted-' || i.id, unionid = null, updated_at = now()
    where i.user_id = any (auth_private.push_user_ids());
  else
    delete from auth.identities i where i.id = v_identity_id;
  end if;
end
$$;

revoke all on function auth_private.forget_identity(auth_private.wechat_pushes, uuid) from public;
grant execute on function auth_private.forget_identity(auth_private.wechat_pushes, uuid) to auth_eraser;

comment on function auth_private.forget_identity(auth_private.wechat_pushes, uuid) is
  'Takes the identity of the push in hand from its user and ends his sessions; if it was his last one, deletes him softly, with what the log and the events know of his phone.';
