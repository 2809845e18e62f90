-- All of a merge, whoever asked for it: auth.admin_merge_users, auth_private.merge_into_phone_owner, auth_private.merge_by_unionid. Runs as
-- auth_merger, which reaches the two accounts and nobody else. The caller has locked them (auth_private.lock_merging_users).
create function auth_private.merge_users(
  p_from uuid, p_into uuid, p_actor text, p_session_id uuid, p_reason text, out "table" text, out rows bigint
) returns setof record
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_from auth.users;
  v_into auth.users;
  v_gives_phone boolean;
  v_phone_revision integer;
  v_owned record;
  v_result record;
  v_app_metadata jsonb;
  v_user_metadata jsonb;
  v_dropped jsonb;
  v_moved jsonb := '{}';
begin
  if p_from = p_into then
    raise exception 'This is one account, not two' using errcode = 'WX001';
  end if;
  select * into v_from from auth.users u where u.id = p_from and u.deleted_at is null and u.merged_into is null;
  if not found then
    raise exception 'There is no such user to be merged' using errcode = 'WX005', hint = 'auth.admin_find_user finds users by phone, id or openid.';
  end if;
  select * into v_into from auth.users u where u.id = p_into and u.deleted_at is null and u.merged_into is null;
  if not found then
    raise exception 'There is no such user to merge into' using errcode = 'WX005', hint = 'auth.admin_find_user finds users by phone, id or openid.';
  end if;
  if exists (
    select from auth.identities i join auth.identities o on o.provider = i.provider and o.appid = i.appid
    where i.user_id = p_from and o.user_id = p_into
  ) then
    raise exception 'Both accounts have a WeChat identity of the same app' using errcode = 'WX007',
      hint = 'A person has one openid in an app: these are two people, or one of them has to be unlinked first.';
  end if;
  v_gives_phone := v_into.phone is null and v_from.phone is not null;
  select * into v_app_metadata, v_user_metadata, v_dropped from auth_private.joined_metadata(v_from, v_into);

  -- The tombstone: nothing personal, and where the account has gone.
  update auth.users u
  set phone = null, phone_confirmed_at = null, phone_raw = null, wechat_id = null, wechat_unionid = null,
      app_metadata = '{}', user_metadata = '{}', merged_into = p_into, updated_at = now()
  where u.id = p_from;
  update auth.users u set merged_into = p_into where u.merged_into = p_from;

  if v_gives_phone then
    -- It is in the history that goes to him.
    perform set_config('request.phone_change', 'none', true);
  elsif v_from.phone is not null then
    insert into auth.phone_changes (user_id, former, how, actor) values (p_into, v_from.phone, 'merge', p_actor);
  end if;
  update auth.users u
  set phone = coalesce(u.phone, v_from.phone),
      phone_confirmed_at = case when v_gives_phone then v_from.phone_confirmed_at else u.phone_confirmed_at end,
      phone_raw = case when v_gives_phone then v_from.phone_raw else u.phone_raw end,
      wechat_id = coalesce(u.wechat_id, v_from.wechat_id),
      wechat_unionid = coalesce(u.wechat_unionid, v_from.wechat_unionid),
      app_metadata = v_app_metadata, user_metadata = v_user_metadata,
      last_sign_in_at = greatest(u.last_sign_in_at, v_from.last_sign_in_at),
      banned_until = greatest(u.banned_until, v_from.banned_until),
      updated_at = now()
  where u.id = p_into
  returning phone_revision into v_phone_revision;

  "table" := 'auth.identities';
  update auth.identities i set user_id = p_into, updated_at = now() where i.user_id = p_from;
  get diagnostics rows = row_count;
  return next;
  "table" := 'auth.sessions';
  update auth.sessions s set user_id = p_into where s.user_id = p_from;
  get diagnostics rows = row_count;
  return next;
  -- A code is answered as before, as long as its phone is still there.
  "table" := 'auth_private.wechat_codes';
  update auth_private.wechat_codes c
  set user_id = p_into,
      phone_revision = case when v_gives_phone and c.phone_revision = v_from.phone_revision then v_phone_revision else -1 end
  where c.user_id = p_from;
  get diagnostics rows = row_count;
  return next;
  "table" := 'auth.phone_changes';
  update auth.phone_changes p set user_id = p_into where p.user_id = p_from;
  get diagnostics rows = row_count;
  return next;

  for v_owned in select * from auth_private.owned_tables() loop
    select * into v_result
    from auth_private.merge_owned_rows(v_owned."table", v_owned.user_column, v_owned.on_conflict, p_from, p_into);
    "table" := v_owned."table"::text;
    rows := v_result.moved;
    return next;
    v_moved := v_moved || jsonb_build_object("table", rows);
    if v_owned.on_conflict = 'keep' then
      "table" := v_owned."table" || ', dropped';
      rows := v_result.dropped;
      return next;
      v_moved := v_moved || jsonb_build_object("table", rows);
    end if;
  end loop;
  perform auth_private.require_nothing_left(p_from);

  insert into auth.audit_log_entries (action, user_id, actor, session_id, details)
  values
    ('user_merged', p_from, p_actor, p_session_id, jsonb_strip_nulls(jsonb_build_object('into', p_into, 'reason', p_reason))),
    ('user_merged', p_into, p_actor, p_session_id, jsonb_strip_nulls(jsonb_build_object(
      'from', p_from, 'reason', p_reason, 'rows', v_moved, 'dropped_metadata', nullif(v_dropped, '[]'),
      'phone', case when v_gives_phone then auth_private.mask_phone(v_from.phone) end,
      'dropped_phone', case when not v_gives_phone then auth_private.mask_phone(v_from.phone) end)));
  insert into auth_private.events (type, user_id, data)
  values ('user.merged', p_from, jsonb_build_object('merged_into', p_into));
  if v_gives_phone then
    insert into auth_private.events (type, user_id, data)
    values ('phone.bound', p_into, jsonb_build_object('phone', v_from.phone));
  end if;
end
$$;

revoke all on function auth_private.merge_users(uuid, uuid, text, uuid, text) from public;
grant execute on function auth_private.merge_users(uuid, uuid, text, uuid, text) to auth_merger;

comment on function auth_private.merge_users(uuid, uuid, text, uuid, text) is
  'Merges one living account into another, in this order, all or nothing. (1) The merged account keeps its row, as a tombstone without anything personal, with merged_into; accounts that were merged into it before follow. (2) The survivor keeps his phone, openid, unionid and creation time, and gets those that he has not; the later of two bans holds; metadata are joined, the survivor''s keys win, and the keys that are lost for that, or because it would be more than 4096 bytes, are listed in the audit log. (3) Identities, sessions (the access tokens of which act as the survivor from now on), codes and the history of phones go to the survivor. (4) So do the rows of registered tables, as auth.admin_register_owned_table says. (5) Nothing of the application''s may be left that refers to the merged account by a foreign key. (6) An audit entry for both, and the event user.merged about the merged account {merged_into}; phone.bound where the survivor got a phone. Answers each table with the number of rows that were moved, and for on_conflict keep of those that were dropped ("<table>, dropped"). Raises validation_failed (WX001: one and the same; rows of a table cannot go), user_not_found (WX005), identity_already_exists (WX007: both have an openid in one app).';
