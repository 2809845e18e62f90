create function auth.admin_delete_user(user_id uuid, reason text, hard boolean default false) returns auth.users
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
  v_is_hard boolean := coalesce(admin_delete_user.hard, false);
  v_schema text;
  v_table text;
begin
  if v_is_hard then
    -- As strong a lock as the deletion takes, at once: to make a weaker one stronger is how deadlocks come about.
    perform from auth.users u where u.id = admin_delete_user.user_id for update;
  end if;
  v_user := auth_private.admin_lock_user(admin_delete_user.user_id, admin_delete_user.reason, is_living => false);

  perform auth_private.forget_told_phones(v_user.id);
  if v_is_hard then
    begin
      with recursive gone as (
        select v_user.id
        union
        select u.id from auth.users u join gone on u.merged_into = gone.id
      )
      delete from auth.users u using gone where u.id = gone.id;
      -- Constraints of the application that wait for the end of the transaction speak now, or nobody could name them.
      perform auth_private.settle_constraints();
    exception when integrity_constraint_violation then
      get stacked diagnostics v_schema = schema_name, v_table = table_name;
      raise exception 'Rows of the table %.% refer to this user', v_schema, v_table using errcode = 'WX001',
        hint = 'Delete those first, let them follow by "on delete cascade", or delete the user softly.';
    end;
  elsif v_user.merged_into is not null then
    raise exception 'There is no such user' using errcode = 'WX005',
      hint = 'He was merged into another one; only a hard deletion takes his row.';
  elsif v_user.deleted_at is not null then
    return v_user;
  else
    update auth.users u set deleted_at = now(), updated_at = now() where u.id = v_user.id returning * into v_user;
    update auth.identities i set provider_id = 'deleted-' || i.id, unionid = null, updated_at = now()
    where i.user_id = v_user.id;
    delete from auth.phone_changes p where p.user_id = v_user.id;
    delete from auth.sessions s where s.user_id = v_user.id;
  end if;

  insert into auth.audit_log_entries (action, user_id, actor, details)
  values ('user_deleted', v_user.id, 'admin:' || session_user, jsonb_build_object(
    'reason', auth_private.mask_phones_in(admin_delete_user.reason), 'hard', v_is_hard));
  if v_user.merged_into is null then
    insert into auth_private.events (type, user_id, data)
    values ('user.deleted', v_user.id, jsonb_build_object('hard', v_is_hard));
  end if;
  return v_user;
end
$$;

revoke all on function auth.admin_delete_user(uuid, text, boolean) from public;
grant execute on function auth.admin_delete_user(uuid, text, boolean) to service_role;
alter function auth.admin_delete_user(uuid, text, boolean) owner to auth_steward;

comment on function auth.admin_delete_user(uuid, text, boolean) is
  'Deletes a user, with the reason, an audit entry and the event user.deleted, and ends his sessions. Softly: the row stays, for what refers to it, without anything personal (users_forget_deleted), and phone and openids may begin anew; what subscribers have still to be told of him has no phone any more; where that has been done already, nothing happens. With hard the row goes, whatever state it is in, with its identities, its sessions, its codes and the accounts that were merged into it. Answers the row as it is, or was. Raises validation_failed (WX001: no reason; hard, and rows of the application still refer to it) and user_not_found (WX005: unknown; merged into another one, unless hard).';
