create function auth.admin_ban_user(user_id uuid, until timestamptz, reason text) returns auth.users
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
  v_is_ban boolean := coalesce(admin_ban_user.until > now(), false);
begin
  v_user := auth_private.admin_lock_user(admin_ban_user.user_id, admin_ban_user.reason);
  if not v_is_ban and coalesce(v_user.banned_until <= now(), true) then
    return v_user;
  end if;
  update auth.users u
  set banned_until = case when v_is_ban then admin_ban_user.until end, updated_at = now()
  where u.id = admin_ban_user.user_id
  returning * into v_user;

  insert into auth.audit_log_entries (action, user_id, actor, details)
  values (case when v_is_ban then 'user_banned' else 'user_unbanned' end, v_user.id, 'admin:' || session_user,
    jsonb_strip_nulls(jsonb_build_object('reason', auth_private.mask_phones_in(admin_ban_user.reason), 'until', v_user.banned_until)));
  return v_user;
end
$$;

revoke all on function auth.admin_ban_user(uuid, timestamptz, text) from public;
grant execute on function auth.admin_ban_user(uuid, timestamptz, text) to service_role;
alter function auth.admin_ban_user(uuid, timestamptz, text) owner to auth_steward;

comment on function auth.admin_ban_user(uuid, timestamptz, text) is
  'Bans a living user until then (infinity: for good), with the reason and an audit entry: his access tokens fail from the next request on, and he cannot sign in. Null or a time that is past ends a ban; his sessions go on. Raises validation_failed (WX001: no reason) and user_not_found (WX005).';
