create function auth_private.admin_end_sessions(p_user_id uuid, p_session_id uuid, p_reason text) returns integer
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
set lock_timeout = '2s'
as $$
declare
  v_ended integer;
begin
  perform auth_private.admin_lock_user(p_user_id, p_reason);
  delete from auth.sessions s where s.user_id = p_user_id and (p_session_id is null or s.id = p_session_id);
  get diagnostics v_ended = row_count;
  if v_ended > 0 then
    insert into auth.audit_log_entries (action, user_id, actor, session_id, details)
    values ('sessions_ended', p_user_id, 'admin:' || session_user, p_session_id, jsonb_build_object(
      'reason', auth_private.mask_phones_in(p_reason), 'sessions', v_ended));
  end if;
  return v_ended;
end
$$;

revoke all on function auth_private.admin_end_sessions(uuid, uuid, text) from public;
grant execute on function auth_private.admin_end_sessions(uuid, uuid, text) to authenticator;
alter function auth_private.admin_end_sessions(uuid, uuid, text) owner to auth_steward;

comment on function auth_private.admin_end_sessions(uuid, uuid, text) is
  'Ends a session of a living user, or with p_session_id null all of them, and answers how many. Raises validation_failed (WX001: no reason), user_not_found (WX005).';
