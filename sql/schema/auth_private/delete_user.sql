-- One statement. Before: src/rpc/delete_current_user.ts.
create function auth_private.delete_user(p_session_id uuid) returns void
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
begin
  v_user := auth_private.hold_session(p_session_id, p_to_write => true);
  update auth.users u set deleted_at = now(), updated_at = now() where u.id = v_user.id;
  update auth.identities i set provider_id = 'deleted-' || i.id, unionid = null, updated_at = now()
  where i.user_id = v_user.id;
  delete from auth.phone_changes p where p.user_id = v_user.id;
  perform auth_private.forget_told_phones(v_user.id);

  insert into auth.audit_log_entries (action, user_id, actor, session_id)
  values ('user_deleted', v_user.id, 'user', p_session_id);
  insert into auth_private.events (type, user_id, data)
  values ('user.deleted', v_user.id, '{"hard": false}');
  -- Last, as the policies know by the session whose account this is.
  delete from auth.sessions s where s.user_id = v_user.id;
end
$$;

revoke all on function auth_private.delete_user(uuid) from public;
grant execute on function auth_private.delete_user(uuid) to authenticator;
alter function auth_private.delete_user(uuid) owner to auth_holder;

comment on function auth_private.delete_user(uuid) is
  'Deletes the session''s user softly: his row stays, for the application''s rows that refer to it, and nothing personal in it (users_forget_deleted); his openids and his phone may begin anew; what subscribers have still to be told of him has no phone any more. Raises session_not_found (WX003), user_banned (WX004).';
