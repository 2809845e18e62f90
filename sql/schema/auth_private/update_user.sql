-- One statement. Before: src/rpc/update_current_user.ts.
create function auth_private.update_user(p_session_id uuid, p_user_metadata jsonb) returns jsonb
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
begin
  v_user := auth_private.hold_session(p_session_id, p_to_write => true);
  if p_user_metadata = '{}' then
    return auth_private.user_json(v_user);
  end if;
  update auth.users u
  set user_metadata = auth_private.merge_metadata(u.user_metadata, p_user_metadata), updated_at = now()
  where u.id = v_user.id
  returning * into v_user;
  insert into auth.audit_log_entries (action, user_id, actor, session_id)
  values ('user_updated', v_user.id, 'user', p_session_id);
  return auth_private.user_json(v_user);
end
$$;

revoke all on function auth_private.update_user(uuid, jsonb) from public;
grant execute on function auth_private.update_user(uuid, jsonb) to authenticator;
alter function auth_private.update_user(uuid, jsonb) owner to auth_holder;

comment on function auth_private.update_user(uuid, jsonb) is
  'Merges an object into the user_metadata of the session''s user (merge_metadata) and answers him as user_json. Raises validation_failed (WX001: too large), session_not_found (WX003), user_banned (WX004).';
