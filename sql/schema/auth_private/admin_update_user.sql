create function auth_private.admin_update_user(p_user_id uuid, p_changes jsonb, p_reason text) returns jsonb
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
set lock_timeout = '2s'
as $$
declare
  v_user auth.users;
begin
  v_user := auth_private.admin_lock_user(p_user_id, p_reason);
  if p_changes ?| array['user_metadata', 'app_metadata'] then
    update auth.users u
    set user_metadata = auth_private.merge_metadata(u.user_metadata, coalesce(p_changes -> 'user_metadata', '{}')),
        app_metadata = auth_private.merge_metadata(u.app_metadata, coalesce(p_changes -> 'app_metadata', '{}')),
        updated_at = now()
    where u.id = p_user_id;
    insert into auth.audit_log_entries (action, user_id, actor, details)
    values ('user_updated', p_user_id, 'admin:' || session_user,
      jsonb_build_object('reason', auth_private.mask_phones_in(p_reason)));
  end if;
  if p_changes ? 'ban_seconds' then
    perform auth.admin_ban_user(
      p_user_id, now() + make_interval(secs => (p_changes ->> 'ban_seconds')::double precision), p_reason);
  end if;
  if p_changes ->> 'phone' <> '' then
    perform auth.admin_bind_phone(p_user_id, p_changes ->> 'phone', p_reason);
  elsif p_changes ->> 'phone' = '' then
    perform auth.admin_unbind_phone(p_user_id, p_reason);
  end if;

  select * into v_user from auth.users u where u.id = p_user_id;
  return auth_private.admin_user_json(v_user);
end
$$;

revoke all on function auth_private.admin_update_user(uuid, jsonb, text) from public;
grant execute on function auth_private.admin_update_user(uuid, jsonb, text) to authenticator;
alter function auth_private.admin_update_user(uuid, jsonb, text) owner to auth_steward;

comment on function auth_private.admin_update_user(uuid, jsonb, text) is
  'Changes a living user and answers him as admin_user_json. p_changes: {phone (E.164 with plus; empty: none), user_metadata, app_metadata (merged, merge_metadata), ban_seconds (from now; 0: not banned)}; what is not in it stays. All or nothing. Raises validation_failed (WX001), user_not_found (WX005), phone_exists (WX006).';
