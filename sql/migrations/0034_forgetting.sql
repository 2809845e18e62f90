grant create on schema auth, auth_private to auth_holder, auth_merger, auth_steward;

-- As whoever deletes: his policies say whose events these may be.
create function auth_private.forget_told_phones(p_user_id uuid) returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  update auth_private.events e set data = e.data - 'phone'
  where e.user_id = any (array(select u.id from auth.users u where p_user_id in (u.id, u.merged_into))) and e.data ? 'phone';
end
$$;

revoke all on function auth_private.forget_told_phones(uuid) from public;
grant execute on function auth_private.forget_told_phones(uuid) to auth_holder, auth_steward;

comment on function auth_private.forget_told_phones(uuid) is
  'Takes the phones out of the events about a user and the accounts that were merged into his: what was told, and what has still to be.';

-- One statement. Before: src/rpc/delete_current_user.ts.
create or replace function auth_private.delete_user(p_session_id uuid) returns void
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

create or replace function auth.admin_delete_user(user_id uuid, reason text, hard boolean default false) returns auth.users
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

create function auth.admin_export_user(user_id uuid) returns jsonb
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
  v_ids uuid[];
  v_owned record;
  v_rows jsonb;
  v_tables jsonb := '{}';
begin
  perform set_config('request.merge', admin_export_user.user_id::text, true);
  select array_agg(u.id order by u.merged_into nulls first, u.id) into v_ids from auth.users u
  where admin_export_user.user_id in (u.id, u.merged_into);
  perform set_config('request.merge', array_to_string(v_ids, ','), true);
  select * into v_user from auth.users u where u.id = admin_export_user.user_id;
  if not found then
    raise exception 'There is no such user' using errcode = 'WX005', hint = 'auth.admin_find_user finds users by phone, id or openid.';
  end if;

  for v_owned in select * from auth_private.owned_tables() loop
    execute format('select coalesce(jsonb_agg(t), ''[]'') from %s t where %I = any ($1)', v_owned."table", v_owned.user_column)
    into v_rows using v_ids;
    v_tables := v_tables || jsonb_build_object(
      v_owned."table"::text, coalesce(v_tables -> v_owned."table"::text, '[]') || v_rows);
  end loop;

  insert into auth.audit_log_entries (action, user_id, actor) values ('user_exported', v_user.id, 'admin:' || session_user);
  return jsonb_build_object(
    'exported_at', now(),
    'user', to_jsonb(v_user),
    'merged_accounts', (
      select coalesce(jsonb_agg(to_jsonb(u) order by u.created_at, u.id), '[]') from auth.users u where u.merged_into = v_user.id),
    'identities', (
      select coalesce(jsonb_agg(to_jsonb(i) order by i.created_at, i.id), '[]') from auth.identities i where i.user_id = any (v_ids)),
    'sessions', (
      select coalesce(jsonb_agg(to_jsonb(s) - 'refresh_counter' order by s.created_at, s.id), '[]')
      from auth.sessions s where s.user_id = any (v_ids)),
    'phone_changes', (
      select coalesce(jsonb_agg(to_jsonb(p) order by p.id), '[]') from auth.phone_changes p where p.user_id = any (v_ids)),
    'codes', (
      select coalesce(jsonb_agg(to_jsonb(c) - '{code_hash,claim_id}'::text[] order by c.created_at), '[]')
      from auth_private.wechat_codes c where c.user_id = any (v_ids)),
    'events', (
      select coalesce(jsonb_agg(to_jsonb(e) order by e.id), '[]') from auth_private.events e where e.user_id = any (v_ids)),
    'deliveries', (
      select coalesce(jsonb_agg(to_jsonb(d) order by d.id), '[]') from auth_private.deliveries d where d.user_id = any (v_ids)),
    'wechat_pushes', (
      select coalesce(jsonb_agg(to_jsonb(w) order by w.id), '[]')
      from auth_private.wechat_pushes w
      where exists (
        select from auth.identities i where i.user_id = any (v_ids) and i.appid = w.appid and i.provider_id = w.openid)),
    'audit_log_entries', (
      select coalesce(jsonb_agg(to_jsonb(a) order by a.id), '[]') from auth.audit_log_entries a where a.user_id = any (v_ids)),
    'tables', v_tables);
end
$$;

revoke all on function auth.admin_export_user(uuid) from public;
grant execute on function auth.admin_export_user(uuid) to service_role;
alter function auth.admin_export_user(uuid) owner to auth_merger;

comment on function auth.admin_export_user(uuid) is
  'Everything that is held about a person, with the accounts that were merged into his, in whatever state they are: an object of user and of arrays named after their tables; tables has the rows of the application''s registered ones (auth.admin_register_owned_table) by their names. Without what is only of use here: hashes, counters. Leaves the audit entry user_exported. Raises user_not_found (WX005).';

revoke create on schema auth, auth_private from auth_holder, auth_merger, auth_steward;
