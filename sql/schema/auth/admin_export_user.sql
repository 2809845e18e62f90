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
