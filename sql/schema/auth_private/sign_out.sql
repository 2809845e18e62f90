create function auth_private.sign_out(p_session_id uuid, p_scope text) returns void
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
begin
  perform set_config('request.jwt.claims', jsonb_build_object('session_id', p_session_id)::text, true);
  -- As hold_session: the user first, or whoever else ends several of his sessions at this moment would deadlock with this.
  perform from auth.users u where u.id = (select auth_private.session_user_id()) for no key update;
  v_user := auth_private.enter_session(p_session_id);
  delete from auth.sessions s
  where s.user_id = v_user.id
    and case p_scope
      when 'global' then true
      when 'local' then s.id = p_session_id
      when 'others' then s.id <> p_session_id
    end;
  insert into auth.audit_log_entries (action, user_id, actor, session_id, details)
  values ('user_signed_out', v_user.id, 'user', p_session_id, jsonb_build_object('scope', p_scope));
end
$$;

revoke all on function auth_private.sign_out(uuid, text) from public;
grant execute on function auth_private.sign_out(uuid, text) to authenticator;
alter function auth_private.sign_out(uuid, text) owner to auth_keeper;

comment on function auth_private.sign_out(uuid, text) is
  'Ends sessions of the session''s user: p_scope global (all), local (this one) or others (all but this one). Raises session_not_found (WX003), user_banned (WX004).';
