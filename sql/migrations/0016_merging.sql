-- The functions of merging, unbinding and of numbers that are given to somebody else.

grant create on schema auth, auth_private to auth_merger, auth_binder, auth_steward, auth_claims;

-- Why two: a reader needs to know who calls now; a writer needs that nobody ends the session, bans or deletes the user
-- before it has written. The user is locked before the session, here and everywhere.
create or replace function auth_private.hold_session(p_session_id uuid, p_to_write boolean) returns auth.users
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id uuid;
begin
  perform set_config('request.jwt.claims', jsonb_build_object('session_id', p_session_id)::text, true);
  loop
    v_user_id := auth_private.session_user_id();
    if p_to_write then
      perform from auth.users u where u.id = v_user_id for no key update;
    else
      perform from auth.users u where u.id = v_user_id for key share;
    end if;
    perform from auth.sessions s where s.id = p_session_id for key share;
    -- He may have been merged into another one while his lock was waited for; then that one is to be locked.
    exit when auth_private.session_user_id() is not distinct from v_user_id;
  end loop;
  return auth_private.enter_session(p_session_id);
end
$$;

revoke all on function auth_private.hold_session(uuid, boolean) from public;
grant execute on function auth_private.hold_session(uuid, boolean) to auth_holder, auth_binder;

comment on function auth_private.hold_session(uuid, boolean) is
  'As enter_session, and until the transaction ends the session cannot end and the user cannot go; with p_to_write nobody else can change the user either. Raises session_not_found (WX003) and user_banned (WX004).';

create or replace function auth_private.request_claims(p_claims jsonb) returns text
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
begin
  -- What this transaction writes for the user a merge must find (auth_private.lock_merging_users).
  loop
    v_user := auth_private.enter_session((p_claims ->> 'session_id')::uuid);
    perform pg_advisory_xact_lock_shared(hashtextextended('user:' || v_user.id, 0));
    exit when auth_private.session_user_id() = v_user.id;
  end loop;
  return (p_claims || jsonb_build_object('sub', v_user.id))::text;
end
$$;

revoke all on function auth_private.request_claims(jsonb) from public;
grant execute on function auth_private.request_claims(jsonb) to authenticator;
alter function auth_private.request_claims(jsonb) owner to auth_keeper;

comment on function auth_private.request_claims(jsonb) is
  'The claims of a verified user token as GraphQL''s transaction sets them: sub is the user whose session this is now. Raises session_not_found (WX003) and user_banned (WX004), so that no query of an ended session runs. Until the transaction ends the user is not merged into another one.';

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
  'Deletes the session''s user softly: his row stays, for the application''s rows that refer to it, and nothing personal in it (users_forget_deleted); his openids and his phone may begin anew. Raises session_not_found (WX003), user_banned (WX004).';

-- Before PostgreSQL 18 a trigger that was put off runs as whoever is current when it fires: as a duty, if a duty's function let it.
create function auth_private.settle_constraints() returns void
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  set constraints all immediate;
end
$$;

revoke all on function auth_private.settle_constraints() from public;
grant execute on function auth_private.settle_constraints() to auth_merger, auth_steward;
alter function auth_private.settle_constraints() owner to auth_claims;

comment on function auth_private.settle_constraints() is
  'Lets what waits for the end of the transaction happen now, as a role that may do nothing. Raises what constraints and triggers of the application raise.';

create function auth_private.require_reason(p_reason text) returns void
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  if coalesce(p_reason, '') !~ '\S' then
    raise exception 'A reason is missing' using errcode = 'WX001',
      hint = 'Say why, for whoever reads the audit log later.';
  end if;
end
$$;

revoke all on function auth_private.require_reason(text) from public;
grant execute on function auth_private.require_reason(text) to auth_merger, auth_steward;

comment on function auth_private.require_reason(text) is
  'Raises validation_failed (WX001) where an administrator, or support staff, gives no reason for what goes into the audit log.';

create or replace function auth_private.admin_lock_user(p_user_id uuid, p_reason text, is_living boolean default true) returns auth.users
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
begin
  perform auth_private.require_reason(p_reason);
  select * into v_user from auth.users u
  where u.id = p_user_id and (not is_living or u.deleted_at is null and u.merged_into is null)
  for no key update;
  if not found then
    raise exception 'There is no such user' using errcode = 'WX005',
      hint = 'auth.admin_find_user finds users by phone, id or openid.';
  end if;
  return v_user;
end
$$;

revoke all on function auth_private.admin_lock_user(uuid, text, boolean) from public;
grant execute on function auth_private.admin_lock_user(uuid, text, boolean) to auth_steward;

comment on function auth_private.admin_lock_user(uuid, text, boolean) is
  'The user, living unless is_living is false, locked for an administrator''s change. Raises validation_failed (WX001: no reason) and user_not_found (WX005).';

create function auth_private.is_passing(p_sqlstate text) returns boolean
language sql immutable
return p_sqlstate ~ '^(40|53|55006|55P03|57|58)';

revoke all on function auth_private.is_passing(text) from public;
grant execute on function auth_private.is_passing(text) to auth_merger;

comment on function auth_private.is_passing(text) is
  'Whether a merge that failed with this SQLSTATE may succeed later: locks, a shutdown, a full disk.';

create function auth.owner_may_merge(p_table oid) returns boolean
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
  select c.relpersistence <> 't' and (
    c.relowner = (select n.nspowner from pg_namespace n where n.nspname = 'auth')
    or pg_has_role(c.relowner, (select r.oid from pg_roles r where r.rolname = 'service_role'), 'member'))
  from pg_class c where c.oid = p_table;
end;

revoke all on function auth.owner_may_merge(oid) from public;
grant execute on function auth.owner_may_merge(oid) to service_role, auth_merger;

comment on function auth.owner_may_merge(oid) is
  'Whether a table is no temporary one, and of somebody who may merge: the owner of the schema auth, or a member of service_role. Its triggers and policies run as auth_merger while a merge moves its rows.';

create function auth_private.lock_merging_users(p_from uuid, p_into uuid, p_is_held boolean default false) returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_id uuid;
begin
  perform set_config('request.merge', p_from || ',' || p_into, true);
  -- Transactions of the application in which one of the two acts: they end before the merge, or begin after it
  -- (auth_private.request_claims).
  foreach v_id in array array[least(p_from, p_into), greatest(p_from, p_into)] loop
    if not p_is_held then
      perform pg_advisory_xact_lock(hashtextextended('user:' || v_id, 0));
    elsif not pg_try_advisory_xact_lock(hashtextextended('user:' || v_id, 0)) then
      raise exception 'One of the two accounts is in use' using errcode = 'lock_not_available';
    end if;
  end loop;

  -- In the order of their ids, so that merges that cross wait for one another; and no account that was merged before, as the
  -- merge of its survivor locks those in no order. Whoever holds a row already waits for none: he fails, gives it up, and comes
  -- again.
  if not p_is_held then
    foreach v_id in array array[least(p_from, p_into), greatest(p_from, p_into)] loop
      -- The survivor's key stays, so rows that refer to him may be written meanwhile.
      if v_id = p_into then
        perform from auth.users u where u.id = v_id and u.merged_into is null for no key update;
      else
        perform from auth.users u where u.id = v_id and u.merged_into is null for update;
      end if;
    end loop;
  else
    perform from auth.users u where u.id = p_into and u.merged_into is null for no key update nowait;
    perform from auth.users u where u.id = p_from for update nowait;
  end if;
end
$$;

revoke all on function auth_private.lock_merging_users(uuid, uuid, boolean) from public;
grant execute on function auth_private.lock_merging_users(uuid, uuid, boolean) to auth_merger;

comment on function auth_private.lock_merging_users(uuid, uuid, boolean) is
  'Makes these two the accounts that auth_merger may change, and locks them. p_is_held: the transaction has locked the row of one of them already; then nothing is waited for. Raises lock_not_available (55P03).';

create function auth_private.joined_metadata(
  p_from auth.users, p_into auth.users, out app_metadata jsonb, out user_metadata jsonb, out dropped jsonb
)
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  app_metadata := p_from.app_metadata || p_into.app_metadata;
  user_metadata := p_from.user_metadata || p_into.user_metadata;
  -- They stand in every access token (auth_private.merge_metadata).
  if octet_length(app_metadata::text) > 4096 then app_metadata := p_into.app_metadata; end if;
  if octet_length(user_metadata::text) > 4096 then user_metadata := p_into.user_metadata; end if;
  select coalesce(jsonb_agg(lost.name order by lost.name), '[]') into dropped
  from (
    select 'app_metadata.' || e.key from jsonb_each(p_from.app_metadata) e
    where joined_metadata.app_metadata -> e.key is distinct from e.value
    union all
    select 'user_metadata.' || e.key from jsonb_each(p_from.user_metadata) e
    where joined_metadata.user_metadata -> e.key is distinct from e.value
  ) lost (name);
end
$$;

revoke all on function auth_private.joined_metadata(auth.users, auth.users) from public;
grant execute on function auth_private.joined_metadata(auth.users, auth.users) to auth_merger;

comment on function auth_private.joined_metadata(auth.users, auth.users) is
  'The metadata of two accounts as one: the survivor''s keys win; his alone, where together they are more than 4096 bytes of JSON. dropped: an array of the other''s keys that are lost, such as user_metadata.nickname.';

create function auth.require_mergeable(p_table oid) returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if exists (
    select from pg_policy p
    where p.polrelid = p_table and not p.polpermissive
      and (p.polroles = '{0}' or 'auth_merger'::regrole = any (p.polroles))
  ) then
    raise exception 'Restrictive policies of % would hide rows from a merge', p_table::regclass using errcode = 'WX001', table = p_table::regclass::text,
      hint = 'Name the roles whom they are for (to authenticated, anon), instead of all.';
  end if;
end
$$;

revoke all on function auth.require_mergeable(oid) from public;
grant execute on function auth.require_mergeable(oid) to service_role, auth_merger;

comment on function auth.require_mergeable(oid) is
  'Whether a merge sees all rows of two users in a registered table. Raises validation_failed (WX001) where a restrictive policy hides some.';

-- As whoever calls it, who has to own the table: no right of ours reaches a table of the application before this has run.
-- What it leaves behind is the registration: two grants and a policy, whose comment says what a conflict does. They go with the table.
create function auth.admin_register_owned_table("table" regclass, user_column name, on_conflict text) returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_table text := admin_register_owned_table."table"::text;
  v_oid oid := admin_register_owned_table."table"::oid;
  v_class pg_class;
  v_schema name;
  v_attnum smallint;
  v_policy name := left('auth_merger_' || admin_register_owned_table.user_column, 63);
begin
  select * into v_class from pg_class c where c.oid = v_oid;
  select n.nspname into v_schema from pg_namespace n where n.oid = v_class.relnamespace;
  if not found or admin_register_owned_table.user_column is null then
    raise exception 'The table or its column is missing' using errcode = 'WX001';
  end if;
  if coalesce(admin_register_owned_table.on_conflict not in ('move', 'keep', 'refuse'), true) then
    raise exception 'on_conflict is neither move, keep nor refuse' using errcode = 'WX001',
      hint = 'move: all rows go to the survivor; keep: but those that collide with a row of his; refuse: no merge where both have rows.';
  end if;
  if v_class.relkind not in ('r', 'p') or v_class.relispartition
    or v_schema in ('auth', 'auth_private', 'graphile_worker', 'pg_catalog', 'information_schema') then
    raise exception '% is not a table of the application', v_table using errcode = 'WX001',
      hint = 'Register tables, and of a partitioned one the table as a whole.';
  end if;
  if not auth.owner_may_merge(v_oid) then
    raise exception '% belongs to nobody who may merge', v_table using errcode = 'WX001',
      hint = format('What its triggers do, merges do: grant service_role to %s, if that one is an administrator.', v_class.relowner::regrole);
  end if;
  if not pg_has_role(current_user, v_class.relowner, 'usage') then
    raise exception '% belongs to another role', v_table using errcode = 'WX001',
      hint = format('Let %s register it.', quote_ident(v_class.relowner::regrole::text));
  end if;
  select a.attnum into v_attnum from pg_attribute a
  where a.attrelid = v_oid and a.attname = admin_register_owned_table.user_column and not a.attisdropped
    and a.attnum > 0 and a.atttypid = 'uuid'::regtype and a.attgenerated = '';
  if not found then
    raise exception '% has no column % of the type uuid', v_table, quote_ident(admin_register_owned_table.user_column)
      using errcode = 'WX001', hint = 'Register the column that holds the user''s id.';
  end if;
  if not exists (
    select from pg_index i
    where i.indrelid = v_oid and i.indisvalid and i.indpred is null and i.indkey[0] = v_attnum
  ) then
    raise exception '%.% has no index', v_table, quote_ident(admin_register_owned_table.user_column) using errcode = 'WX001',
      hint = format('A merge would read the whole table: create index on %s (%I);', v_table, admin_register_owned_table.user_column);
  end if;
  perform auth.require_mergeable(v_oid);

  if not has_schema_privilege('auth_merger', v_schema, 'usage') then
    execute format('grant usage on schema %I to auth_merger', v_schema);
  end if;
  execute format('grant select, delete on %s to auth_merger', v_table);
  execute format('grant update (%I) on %s to auth_merger', admin_register_owned_table.user_column, v_table);
  execute format('drop policy if exists %I on %s', v_policy, v_table);
  execute format(
    'create policy %I on %s to auth_merger using (%I = any (string_to_array(nullif(current_setting(''request.merge'', true), ''''), '','')::uuid[]))',
    v_policy, v_table, admin_register_owned_table.user_column);
  execute format('comment on policy %I on %s is %L', v_policy, v_table,
    admin_register_owned_table.on_conflict || ': when two accounts are merged (auth.admin_register_owned_table)');
end
$$;

revoke all on function auth.admin_register_owned_table(regclass, name, text) from public;
grant execute on function auth.admin_register_owned_table(regclass, name, text) to service_role;

comment on function auth.admin_register_owned_table(regclass, name, text) is
  'Lets merges take along the rows of a table of the application whose user_column (uuid, with an index of its own or first in one) holds the user''s id. on_conflict: move (all rows go to the survivor; where a constraint forbids that, the merge is refused), keep (they go, but for those that collide with a row of the survivor by a unique index, which are deleted), refuse (where both accounts have rows, the merge is refused). Call it as the owner of the table, who has to be the owner of the schema auth too, or a member of service_role; again, to change on_conflict. It grants auth_merger, as whom merges run, select, delete and update of that column, and adds a policy for the two accounts at hand. To end it: drop that policy (auth_merger_<column>). Raises validation_failed (WX001: not a table, not yours, no such column, no index, restrictive policies).';

create function auth_private.owned_tables(out "table" regclass, out user_column name, out on_conflict text) returns setof record
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
  select distinct on (n.nspname, c.relname, a.attname)
    p.polrelid::regclass, a.attname, split_part(obj_description(p.oid, 'pg_policy'), ':', 1)
  from pg_policy p
  -- The column by what the policy depends on: it may have been renamed.
  join pg_depend d on d.classid = 'pg_policy'::regclass and d.objid = p.oid
    and d.refclassid = 'pg_class'::regclass and d.refobjid = p.polrelid
  join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid and a.attnum > 0
  join pg_class c on c.oid = p.polrelid
  join pg_namespace n on n.oid = c.relnamespace
  where p.polroles = array(select r.oid from pg_roles r where r.rolname = 'auth_merger')
    and auth.owner_may_merge(c.oid)
    and p.polname like 'auth\_merger\_%' and n.nspname <> all (array['auth', 'auth_private'])
  order by n.nspname, c.relname, a.attname;
end;

revoke all on function auth_private.owned_tables() from public;
grant execute on function auth_private.owned_tables() to auth_merger;

comment on function auth_private.owned_tables() is
  'The tables that auth.admin_register_owned_table has registered, always in the same order: the table, its column, and what a conflict does. Only those whose owner is also the schema''s, or a member of service_role.';

create function auth_private.unique_keys_with(
  p_table regclass, p_column name, out expressions text, out comparison text, out predicate text
) returns setof record
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
  select
    string_agg(format('%s as "#%s"', k.expression, k.place), ', ' order by k.place) filter (where k.place is not null),
    coalesce(string_agg(
      format(case when i.indnullsnotdistinct then '"#%s" is not distinct from (%s)' else '"#%s" = (%s)' end, k.place, k.expression),
      ' and ' order by k.place) filter (where k.place is not null), 'true'),
    coalesce('(' || pg_get_expr(i.indpred, i.indrelid) || ')', 'true')
  from pg_index i
  join pg_attribute a on a.attrelid = i.indrelid and a.attname = p_column
  left join lateral (
    select p.place, pg_get_indexdef(i.indexrelid, p.place, true) as expression
    from generate_series(1, i.indnkeyatts) as p (place)
    where i.indkey[p.place - 1] <> a.attnum
  ) k on true
  where i.indrelid = p_table and i.indisunique and i.indisvalid
    and a.attnum = any ((i.indkey::smallint[])[0:i.indnkeyatts - 1])
  group by i.indexrelid, i.indrelid, i.indpred, i.indnullsnotdistinct;
end;

revoke all on function auth_private.unique_keys_with(regclass, name) from public;
grant execute on function auth_private.unique_keys_with(regclass, name) to auth_merger;

comment on function auth_private.unique_keys_with(regclass, name) is
  'The unique indexes of which a column is part, as SQL for looking who collides: the expressions of the other parts as "#1", "#2", …, how they compare with those of another row, and the index''s predicate.';

-- Called for each registered table by auth_private.merge_users, as auth_merger.
create function auth_private.merge_owned_rows(
  p_table regclass, p_column name, p_on_conflict text, p_from uuid, p_into uuid, out moved bigint, out dropped bigint
)
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_keys record;
  v_has_both boolean;
  v_has_left boolean;
  v_dropped bigint;
begin
  perform auth.require_mergeable(p_table);
  if coalesce(p_on_conflict not in ('move', 'keep', 'refuse'), true) then
    raise exception 'The table % is registered without its on_conflict', p_table using errcode = 'WX001', table = p_table::text,
      hint = 'The comment of its policy said so: register it again.';
  end if;
  dropped := 0;
  if p_on_conflict = 'refuse' then
    execute format('select exists (select from %1$s where %2$I = $1) and exists (select from %1$s where %2$I = $2)', p_table, p_column)
    into v_has_both using p_from, p_into;
    if v_has_both then
      raise exception 'Both accounts have rows in the table %', p_table using errcode = 'WX001', table = p_table::text,
        hint = 'Decide which rows stay, and delete the others.';
    end if;
  elsif p_on_conflict = 'keep' then
    for v_keys in select * from auth_private.unique_keys_with(p_table, p_column) loop
      execute format(
        'with kept as (select %2$s from %1$s where %3$I = $2 and %4$s)
         delete from %1$s where %3$I = $1 and %4$s and exists (select from kept where %5$s)',
        p_table, v_keys.expressions, p_column, v_keys.predicate, v_keys.comparison)
      using p_from, p_into;
      get diagnostics v_dropped = row_count;
      dropped := dropped + v_dropped;
    end loop;
  end if;

  execute format('update %1$s set %2$I = $2 where %2$I = $1', p_table, p_column) using p_from, p_into;
  get diagnostics moved = row_count;
  -- A trigger of the application's may have had another opinion.
  execute format('select exists (select from %s where %I = $1)', p_table, p_column) into v_has_left using p_from;
  if v_has_left then
    raise exception 'Rows of the table % would stay behind', p_table using errcode = 'WX001', table = p_table::text;
  end if;
exception
  when unique_violation or exclusion_violation then
    raise exception 'Rows of the table % collide with rows of the survivor', p_table using errcode = 'WX001', table = p_table::text,
      hint = 'Delete what is there twice; or register the table with on_conflict => ''keep'', if the survivor''s rows may win.';
  when others then
    if auth_private.is_passing(sqlstate) or sqlstate like 'WX%' then raise; end if;
    raise exception 'Rows of the table % cannot be moved: % (%)', p_table, auth_private.mask_phones_in(sqlerrm), sqlstate
      using errcode = 'WX001', table = p_table::text;
end
$$;

revoke all on function auth_private.merge_owned_rows(regclass, name, text, uuid, uuid) from public;
grant execute on function auth_private.merge_owned_rows(regclass, name, text, uuid, uuid) to auth_merger;

comment on function auth_private.merge_owned_rows(regclass, name, text, uuid, uuid) is
  'Gives one user''s rows of a registered table to another one, as its on_conflict says (auth.admin_register_owned_table), and answers how many were moved, and how many of on_conflict keep were dropped. Raises validation_failed (WX001, with the table) where that cannot be.';

-- auth_merger sees the registered tables only. But foreign keys see everything: PostgreSQL asks each of them, with the rights of
-- its table's owner, before a key may change. So the key is changed, and the change taken back.
create function auth_private.require_nothing_left(p_user_id uuid) returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_schema text;
  v_table text;
  v_message text;
begin
  select n.nspname, c.relname into v_schema, v_table
  from pg_constraint f join pg_class c on c.oid = f.conrelid join pg_namespace n on n.oid = c.relnamespace
  where f.contype = 'f' and f.confrelid = 'auth.users'::regclass and f.confupdtype not in ('a', 'r') and f.conparentid = 0
    and not exists (
      select from auth_private.owned_tables() o join pg_attribute a on a.attrelid = o."table" and a.attname = o.user_column
      where o."table" = f.conrelid and f.conkey = array[a.attnum])
  limit 1;
  if found then
    raise exception 'The table %.% follows a user''s id, and is not registered', v_schema, v_table using errcode = 'WX001',
      schema = v_schema, table = v_table, hint = 'Register it: auth.admin_register_owned_table.';
  end if;
  -- Each key is asked, and would read all of its table.
  select n.nspname, c.relname into v_schema, v_table
  from pg_constraint f join pg_class c on c.oid = f.conrelid join pg_namespace n on n.oid = c.relnamespace
  where f.contype = 'f' and f.confrelid = 'auth.users'::regclass and c.relpages > 10000
    and not exists (
      select from pg_index i where i.indrelid = f.conrelid and i.indisvalid and i.indpred is null and i.indkey[0] = f.conkey[1])
  limit 1;
  if found then
    raise exception 'A foreign key of the large table %.% has no index', v_schema, v_table using errcode = 'WX001',
      schema = v_schema, table = v_table, hint = 'A merge would read all of it: index the column that refers to users.';
  end if;
  begin
    update auth.users u set id = gen_random_uuid() where u.id = p_user_id;
    perform auth_private.settle_constraints();
    raise exception using errcode = 'triggered_action_exception';
  exception
    when triggered_action_exception then
      null; -- undone: nothing refers to him
    when foreign_key_violation then
      get stacked diagnostics v_schema = schema_name, v_table = table_name;
      raise exception 'Rows of the table %.% would stay behind', v_schema, v_table using errcode = 'WX001',
        schema = v_schema, table = v_table,
        hint = 'Register each of its columns that refer to users (auth.admin_register_owned_table), or move the rows yourself first.';
    when others then
      -- Constraints of the application that wait for the end of the transaction speak here.
      if auth_private.is_passing(sqlstate) or sqlstate like 'WX%' then raise; end if;
      get stacked diagnostics v_schema = schema_name, v_table = table_name, v_message = message_text;
      raise exception 'The application forbids it: % (%)', auth_private.mask_phones_in(v_message), sqlstate
        using errcode = 'WX001', schema = v_schema, table = coalesce(nullif(v_table, ''), 'the application');
  end;
end
$$;

revoke all on function auth_private.require_nothing_left(uuid) from public;
grant execute on function auth_private.require_nothing_left(uuid) to auth_merger;

comment on function auth_private.require_nothing_left(uuid) is
  'Whether a merged account is referred to by a foreign key of any table, registered or not, visible or not. Raises validation_failed (WX001, with the table).';

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

create function auth.admin_merge_users(from_id uuid, into_id uuid, reason text, dry_run boolean default false)
returns table ("table" text, rows bigint)
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_tables text[];
  v_rows bigint[];
begin
  perform auth_private.require_reason(admin_merge_users.reason);
  perform auth_private.lock_merging_users(from_id, into_id);
  begin
    select array_agg(m."table"), array_agg(m.rows) into v_tables, v_rows
    from auth_private.merge_users(
      from_id, into_id, 'admin:' || session_user, null, auth_private.mask_phones_in(admin_merge_users.reason)) m;
    if dry_run then
      raise exception using errcode = 'triggered_action_exception';
    end if;
  exception when triggered_action_exception then
    if not dry_run then raise; end if; -- not ours
  end;
  return query select * from unnest(v_tables, v_rows);
end
$$;

revoke all on function auth.admin_merge_users(uuid, uuid, text, boolean) from public;
grant execute on function auth.admin_merge_users(uuid, uuid, text, boolean) to service_role;
alter function auth.admin_merge_users(uuid, uuid, text, boolean) owner to auth_merger;

comment on function auth.admin_merge_users(uuid, uuid, text, boolean) is
  'Merges the account from_id into the account into_id, with the reason and an audit entry for both; with dry_run it says what would happen, and changes nothing. What a merge does, and in which order: auth_private.merge_users. Answers each table with the number of rows that go to the survivor. Raises validation_failed (WX001: no reason; one and the same; rows of a table cannot go), user_not_found (WX005: unknown, deleted, merged), identity_already_exists (WX007: both have an openid in one app).';

-- Called by auth_private.wechat_sign_in when WeChat tells with an openid the unionid of another account: one person, two accounts.
-- Which two is read off WeChat's word (auth_private.signing_identity), and not said by the caller.
create function auth_private.accounts_of_unionid(out merged uuid, out survivor uuid)
language sql volatile
set search_path = pg_catalog, pg_temp
begin atomic
  with one as (
    select u.* from auth.identities i join auth.users u on u.id = i.user_id
    where i.provider = 'wechat_mini' and i.appid = auth_private.signing_identity() ->> 'appid'
      and i.provider_id = auth_private.signing_identity() ->> 'openid' and u.deleted_at is null
  ), other as (
    select u.* from auth.users u
    where u.wechat_unionid = auth_private.signing_identity() ->> 'unionid' and u.deleted_at is null and u.merged_into is null
  ), pair as (
    select one.id as one, other.id as other,
      -- Who has a phone stays, else who was here first.
      (one.phone is null, one.created_at, one.id) < (other.phone is null, other.created_at, other.id) as one_stays
    from one, other
    where one.id <> other.id and coalesce(greatest(one.banned_until, other.banned_until) <= now(), true)
      -- Of two phones, which is it? Only he can tell.
      and (one.phone = other.phone) is not false
  )
  select case when one_stays then other else one end, case when one_stays then one else other end from pair;
end;

revoke all on function auth_private.accounts_of_unionid() from public;
grant execute on function auth_private.accounts_of_unionid() to auth_merger;

comment on function auth_private.accounts_of_unionid() is
  'The account of the openid that signs in, and another one that has its unionid: which of them is to be merged into which. Nulls: there is no other, one of them is banned, or they have different phones.';

create function auth_private.merge_by_unionid() returns boolean
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
-- Whoever is in use for longer is joined at the next sign-in.
set lock_timeout = '2s'
as $$
declare
  v_seen record;
  v_locked record;
begin
  select * into v_seen from auth_private.accounts_of_unionid();
  if v_seen.merged is null then
    return false;
  end if;
  perform auth_private.lock_merging_users(v_seen.merged, v_seen.survivor);
  select * into v_locked from auth_private.accounts_of_unionid();
  if v_locked is distinct from v_seen then
    return false;
  end if;
  perform auth_private.merge_users(v_seen.merged, v_seen.survivor, 'user', null, 'unionid');
  return true;
exception when others then
  -- Whatever the application forbids must not keep anybody from signing in.
  if sqlstate ~ '^40' then raise; end if;
  raise log 'Two accounts of one person were not merged: %', sqlstate;
  return false;
end
$$;

revoke all on function auth_private.merge_by_unionid() from public;
grant execute on function auth_private.merge_by_unionid() to auth_signer;
alter function auth_private.merge_by_unionid() owner to auth_merger;

comment on function auth_private.merge_by_unionid() is
  'Makes one account of two that WeChat says are one person''s: that of the openid that signs in, and that of its unionid. Answers whether it did; not where one of them is banned, where they have different phones, where both have an openid in one app, or where the application forbids it in any way.';

-- Called by auth_private.wechat_bind_phone, with the phone of which WeChat says that it is the session's user's. Which two are merged is
-- read off the session and the phone, and not said by the caller.
create function auth_private.merge_into_phone_owner(
  p_session_id uuid, p_appid text, p_phone text, out refusal text
)
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_from uuid;
  v_owner auth.users;
begin
  perform set_config('request.phone', p_phone, true);
  v_from := auth_private.session_user_id();
  select * into v_owner from auth.users u where u.phone = p_phone and u.deleted_at is null and u.merged_into is null;
  if not found then
    return;
  end if;

  perform auth_private.lock_merging_users(v_from, v_owner.id, p_is_held => true);
  select * into v_owner from auth.users u where u.id = v_owner.id;
  if v_owner.phone is distinct from p_phone or v_owner.deleted_at is not null or v_owner.merged_into is not null then
    return;
  end if;
  if v_owner.banned_until > now() then
    refusal := 'owner_banned';
  elsif exists (
    select from auth.identities i
    where i.user_id = v_owner.id and i.provider = 'wechat_mini' and i.appid = p_appid
  ) then
    refusal := 'owner_has_identity';
  else
    begin
      perform auth_private.merge_users(v_from, v_owner.id, 'user', p_session_id, 'phone');
    exception when sqlstate 'WX001' or sqlstate 'WX007' then
      get stacked diagnostics refusal = table_name;
      refusal := coalesce('rows of ' || nullif(refusal, ''), 'owner_has_identity');
    end;
  end if;
end
$$;

revoke all on function auth_private.merge_into_phone_owner(uuid, text, text) from public;
grant execute on function auth_private.merge_into_phone_owner(uuid, text, text) to auth_binder;
alter function auth_private.merge_into_phone_owner(uuid, text, text) owner to auth_merger;

comment on function auth_private.merge_into_phone_owner(uuid, text, text) is
  'Merges the session''s user, whose row the transaction has locked, into the living owner of a phone, if that one is not banned and has no identity of this app. Answers null, or why not: owner_banned, owner_has_identity, or "rows of <table>" that cannot go. Null too where the phone has no owner any more. Raises lock_not_available (55P03): come again.';

-- The one statement of a sign-in. Before: src/rpc/wechat_sign_in.ts, with WeChat's answer to jscode2session.
create or replace function auth_private.wechat_sign_in(
  p_appid text, p_openid text, p_unionid text, p_is_only boolean,
  out session_id uuid, out refresh_counter bigint, out signed_in_at timestamptz, out user_json jsonb
)
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
  v_user_id uuid;
  v_is_new boolean;
  v_has_looked boolean := false;
  v_constraint text;
begin
  perform set_config('request.wechat',
    jsonb_build_object('appid', p_appid, 'openid', p_openid, 'unionid', p_unionid)::text, true);
  -- However many sign-ins of one person race, they pass here one by one; and, as in wechat_bind_account, before any row is
  -- locked: the other way round the two would deadlock.
  perform pg_advisory_xact_lock(hashtextextended('openid:' || p_appid || ':' || p_openid, 0));
  perform pg_advisory_xact_lock(hashtextextended('unionid:' || p_unionid, 0));

  loop
    v_is_new := false;
    v_user_id := auth_private.signing_user_id();
    if v_user_id is not null and not v_has_looked and exists (
      select from auth.users u
      where u.wechat_unionid = p_unionid and u.id <> v_user_id and u.deleted_at is null and u.merged_into is null
    ) then
      -- One person with two accounts. Where they cannot be joined he signs in to the one of this openid.
      v_has_looked := true;
      perform auth_private.merge_by_unionid();
      continue;
    end if;
    if v_user_id is null then
      begin
        -- Locked before anything is written for him, here and everywhere.
        select u.id into v_user_id from auth.users u
        where u.wechat_unionid = p_unionid and u.deleted_at is null and u.merged_into is null
          and not exists (select from auth.identities i where i.user_id = u.id and i.appid = p_appid)
        for no key update;
        if not found then
          v_is_new := true;
          insert into auth.users (wechat_id, wechat_unionid, app_metadata)
          values (
            p_openid,
            case when not exists (
              select from auth.users u
              where u.wechat_unionid = p_unionid and u.deleted_at is null and u.merged_into is null
            ) then p_unionid end,
            '{"provider": "wechat_mini", "providers": ["wechat_mini"]}')
          returning id into v_user_id;
        end if;
        insert into auth.identities (user_id, provider, appid, provider_id, unionid)
        values (v_user_id, 'wechat_mini', p_appid, p_openid, p_unionid);
      exception when unique_violation then
        get stacked diagnostics v_constraint = constraint_name;
        -- This very moment he linked another openid of this app, or an import brought this one, or its unionid: look again.
        -- What the application itself forbids would be tried for ever.
        if v_constraint <> all (array[
          'identities_one_per_app_key', 'identities_provider_id_key', 'users_wechat_unionid_key']) then raise; end if;
        continue;
      end;
    end if;

    -- Locked: he was deleted, or this openid was unlinked from him, this very moment? Whoever signs in now is another.
    perform from auth.users u where u.id = v_user_id for no key update;
    continue when auth_private.signing_user_id() is distinct from v_user_id;
    update auth.users u
    set last_sign_in_at = now(),
        updated_at = now(),
        -- A unionid that arrives later is noted, unless another living user has it and could not be joined.
        wechat_unionid = case
          when u.wechat_unionid is null and not exists (
            select from auth.users o
            where o.wechat_unionid = p_unionid and o.deleted_at is null and o.merged_into is null
          ) then p_unionid
          else u.wechat_unionid
        end
    where u.id = v_user_id
    returning * into v_user;
    exit when found;
  end loop;
  if v_user.banned_until > now() or v_user.deleted_at is not null then
    raise exception 'This user is banned' using errcode = 'WX004';
  end if;
  update auth.identities i
  set last_sign_in_at = now(), updated_at = now(), unionid = coalesce(p_unionid, i.unionid)
  where i.provider = 'wechat_mini' and i.appid = p_appid and i.provider_id = p_openid;

  insert into auth.sessions as s (user_id) values (v_user_id)
  returning s.id, s.refresh_counter, s.created_at into session_id, refresh_counter, signed_in_at;
  if p_is_only then
    delete from auth.sessions s where s.user_id = v_user_id and s.id <> wechat_sign_in.session_id;
  end if;

  insert into auth.audit_log_entries (action, user_id, actor, session_id, details)
  values (case when v_is_new then 'user_signed_up' else 'user_signed_in' end, v_user_id, 'user', session_id,
    jsonb_build_object('provider', 'wechat_mini', 'appid', p_appid));
  if v_is_new then
    insert into auth_private.events (type, user_id, data)
    values ('user.created', v_user_id, jsonb_build_object('provider', 'wechat_mini', 'appid', p_appid));
  end if;
  insert into auth_private.events (type, user_id, data)
  values ('user.signed_in', v_user_id, jsonb_build_object('session_id', session_id, 'appid', p_appid));

  user_json := auth_private.user_json(v_user);
end
$$;

revoke all on function auth_private.wechat_sign_in(text, text, text, boolean) from public;
grant execute on function auth_private.wechat_sign_in(text, text, text, boolean) to authenticator;
alter function auth_private.wechat_sign_in(text, text, text, boolean) owner to auth_signer;

comment on function auth_private.wechat_sign_in(text, text, text, boolean) is
  'Signs in whom WeChat vouches for (p_unionid may be null): the user is created at first sight, or found by the unionid; where openid and unionid lead to two accounts, they are merged (merge_by_unionid). With p_is_only his other sessions end. Answers the new session, the counter of its first refresh token, its time, and the user. Raises user_banned (WX004).';

create or replace function auth_private.wechat_code_outcome(p_code auth_private.wechat_codes, p_user auth.users) returns text
language sql stable
return case
  when p_code.outcome = 'wechat_code_invalid' then p_code.outcome
  when p_code.user_id <> p_user.id then 'wechat_code_used'
  when p_code.outcome = 'bound' and p_code.phone_revision <> p_user.phone_revision then 'wechat_code_used'
  else p_code.outcome
end;

revoke all on function auth_private.wechat_code_outcome(auth_private.wechat_codes, auth.users) from public;
grant execute on function auth_private.wechat_code_outcome(auth_private.wechat_codes, auth.users) to auth_binder;

comment on function auth_private.wechat_code_outcome(auth_private.wechat_codes, auth.users) is
  'What a user is told who sends a code that has an outcome: the outcome, if he redeemed it and its phone has not left him since; else wechat_code_used. The codes of an account that was merged into his are his (auth_private.merge_users). That WeChat refused a code is told to anybody.';

-- The second and last statement of a bind. Before: src/rpc/wechat_bind_phone.ts, with WeChat's answer. Everything that a bind writes
-- is written here, in one transaction. Runs as auth_binder: whatever is wrong below, row-level security lets it
-- change the row of the session's own user and no other. With PHONE_CONFLICT=merge it goes on in merge_into_phone_owner.sql.
create function auth_private.wechat_bind_phone(
  p_session_id uuid, p_code_hashes bytea[], p_claim_id uuid, p_appid text,
  p_verdict text, p_phone text, p_phone_raw jsonb, p_errcode integer, p_rid text, p_may_merge boolean,
  out state text, out outcome text, out wechat_errcode integer, out wechat_rid text, out user_json jsonb
)
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
  v_former text;
  v_code auth_private.wechat_codes;
  v_refusal text;
  v_constraint text;
begin
  -- The user first, then his code: the other way round two binds of one user would deadlock.
  v_user := auth_private.hold_session(p_session_id, p_to_write => true);
  select * into v_code from auth_private.wechat_codes c where c.code_hash = any (p_code_hashes) limit 1 for update;
  if not found then
    -- A code that is closed for somebody else cannot be locked, and need not be: its outcome is final.
    select * into v_code from auth_private.wechat_codes c where c.code_hash = any (p_code_hashes) limit 1;
  end if;
  v_former := v_user.phone;

  -- Written already, by this very request before its answer was lost, or by a later claimant while this one was slow.
  -- Only "WeChat refused the code" gives way to somebody who holds the phone.
  if v_code.outcome <> 'wechat_code_invalid'
    or v_code.outcome = 'wechat_code_invalid' and p_verdict = 'wechat_code_invalid' then
    state := 'done';
    outcome := auth_private.wechat_code_outcome(v_code, v_user);
    wechat_errcode := v_code.wechat_errcode;
    wechat_rid := v_code.wechat_rid;
    user_json := auth_private.user_json(v_user);
    return;
  end if;
  -- The lease ran out and another request asks WeChat now; it may be luckier than "refused".
  if p_verdict = 'wechat_code_invalid' and v_code.outcome is null and v_code.claim_id <> p_claim_id then
    state := 'pending';
    return;
  end if;

  state := 'done';
  outcome := p_verdict;
  while p_verdict = 'phone' and outcome <> 'bound' loop
    begin
      perform set_config('request.phone_change', 'bind,user', true);
      update auth.users u
      set phone = p_phone, phone_confirmed_at = now(), phone_raw = p_phone_raw, updated_at = now()
      where u.id = v_user.id
      returning * into v_user;
      outcome := 'bound';
    exception when unique_violation then
      get stacked diagnostics v_constraint = constraint_name;
      if v_constraint is distinct from 'users_phone_key' then raise; end if;
      outcome := 'phone_exists';
    end;
    exit when outcome = 'bound' or not p_may_merge;
    -- Whose phone it is gets this account; from then on the session is his, and so is everything below.
    select m.refusal into v_refusal from auth_private.merge_into_phone_owner(p_session_id, p_appid, p_phone) m;
    exit when v_refusal is not null;
    v_user := auth_private.enter_session(p_session_id);
    v_former := v_user.phone;
  end loop;

  insert into auth_private.wechat_codes as c
    (code_hash, appid, user_id, claim_id, claimed_until, outcome, phone_revision, wechat_errcode, wechat_rid, redeemed_at)
  values (
    coalesce(v_code.code_hash, p_code_hashes[1]), p_appid, v_user.id, p_claim_id, now(), wechat_bind_phone.outcome,
    case when wechat_bind_phone.outcome = 'bound' then v_user.phone_revision end, p_errcode, p_rid, now())
  on conflict (code_hash) do update
  set user_id = excluded.user_id, outcome = excluded.outcome, phone_revision = excluded.phone_revision,
      wechat_errcode = excluded.wechat_errcode, wechat_rid = excluded.wechat_rid, redeemed_at = excluded.redeemed_at;

  if outcome <> 'wechat_code_invalid' then
    insert into auth.audit_log_entries (action, user_id, actor, session_id, details)
    values (
      case when outcome = 'bound' then 'phone_bound' else 'phone_refused' end, v_user.id, 'user', p_session_id,
      jsonb_strip_nulls(jsonb_build_object(
        'source', 'wechat', 'appid', p_appid, 'phone', auth_private.mask_phone(p_phone),
        'former', case when v_former <> p_phone then auth_private.mask_phone(v_former) end,
        'reason', case when outcome <> 'bound' then outcome end, 'not_merged', v_refusal)));
  end if;
  if outcome = 'bound' and v_former is distinct from p_phone then
    insert into auth_private.events (type, user_id, data)
    values ('phone.bound', v_user.id, jsonb_build_object('phone', p_phone));
  end if;

  wechat_errcode := p_errcode;
  wechat_rid := p_rid;
  user_json := auth_private.user_json(v_user);
end
$$;

revoke all on function auth_private.wechat_bind_phone(uuid, bytea[], uuid, text, text, text, jsonb, integer, text, boolean) from public;
grant execute on function auth_private.wechat_bind_phone(uuid, bytea[], uuid, text, text, text, jsonb, integer, text, boolean) to authenticator;
alter function auth_private.wechat_bind_phone(uuid, bytea[], uuid, text, text, text, jsonb, integer, text, boolean) owner to auth_binder;

comment on function auth_private.wechat_bind_phone(uuid, bytea[], uuid, text, text, text, jsonb, integer, text, boolean) is
  'Writes what WeChat said of a code. p_verdict: phone (p_phone, E.164 with plus, and p_phone_raw as WeChat told it), wechat_phone_unusable or wechat_code_invalid (with p_errcode, p_rid). With p_may_merge the phone of another user is no end: the session''s user is merged into him, where auth_private.merge_into_phone_owner can. Answers state done and outcome: bound, phone_exists, wechat_phone_unusable, wechat_code_invalid, or wechat_code_used, with the user as he is now; or state pending: another request has the code by now, come again. An outcome is returned, never raised, because it must be kept; the same call again gives the same answer and writes nothing. Raises session_not_found (WX003), user_banned (WX004), and where a merge would have to wait for a lock lock_not_available (55P03): call again.';

create or replace function auth_private.wechat_bind_phone(
  p_session_id uuid, p_code_hashes bytea[], p_claim_id uuid, p_appid text,
  p_verdict text, p_phone text, p_phone_raw jsonb, p_errcode integer, p_rid text,
  out state text, out outcome text, out wechat_errcode integer, out wechat_rid text, out user_json jsonb
)
language sql volatile
begin atomic
  select * from auth_private.wechat_bind_phone(
    p_session_id, p_code_hashes, p_claim_id, p_appid, p_verdict, p_phone, p_phone_raw, p_errcode, p_rid, false);
end;

alter function auth_private.wechat_bind_phone(uuid, bytea[], uuid, text, text, text, jsonb, integer, text) owner to current_user;
revoke all on function auth_private.wechat_bind_phone(uuid, bytea[], uuid, text, text, text, jsonb, integer, text) from public;
grant execute on function auth_private.wechat_bind_phone(uuid, bytea[], uuid, text, text, text, jsonb, integer, text) to authenticator;
comment on function auth_private.wechat_bind_phone(uuid, bytea[], uuid, text, text, text, jsonb, integer, text) is
  'The former signature, for nodes of the version before. It merges nothing.';

-- One statement. Before: src/rpc/wechat_unbind_phone.ts.
create function auth_private.wechat_unbind_phone(p_session_id uuid) returns jsonb
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
  v_former text;
begin
  v_user := auth_private.hold_session(p_session_id, p_to_write => true);
  v_former := v_user.phone;
  if v_former is null then
    return auth_private.user_json(v_user);
  end if;
  -- The application's backend may have taken his openid away while he was signed in: the phone is what is left of him.
  if not exists (select from auth.identities i where i.user_id = v_user.id) then
    raise exception 'The phone stays: without it nobody could find this account again' using errcode = 'WX008';
  end if;

  perform set_config('request.phone_change', 'unbind,user', true);
  update auth.users u
  set phone = null, phone_confirmed_at = null, phone_raw = null, updated_at = now()
  where u.id = v_user.id
  returning * into v_user;
  insert into auth.audit_log_entries (action, user_id, actor, session_id, details)
  values ('phone_unbound', v_user.id, 'user', p_session_id,
    jsonb_build_object('source', 'user', 'phone', auth_private.mask_phone(v_former)));
  insert into auth_private.events (type, user_id, data)
  values ('phone.unbound', v_user.id, jsonb_build_object('phone', v_former));
  return auth_private.user_json(v_user);
end
$$;

revoke all on function auth_private.wechat_unbind_phone(uuid) from public;
grant execute on function auth_private.wechat_unbind_phone(uuid) to authenticator;
alter function auth_private.wechat_unbind_phone(uuid) owner to auth_binder;

comment on function auth_private.wechat_unbind_phone(uuid) is
  'Takes the phone from the session''s user, with an audit entry and the event phone.unbound, and answers him as user_json; where there is none, nothing happens. Raises single_identity_not_deletable (WX008: he has no WeChat identity, so that the phone is all that leads to the account), session_not_found (WX003), user_banned (WX004).';

create function auth_private.require_phone(p_phone text) returns void
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_phone is null or p_phone !~ '^\+[1-9][0-9]{4,14}$' then
    raise exception 'Not an E.164 phone number' using errcode = 'WX001', hint = 'Write it with plus and country code: +8613800138000.';
  end if;
end
$$;

revoke all on function auth_private.require_phone(text) from public;
grant execute on function auth_private.require_phone(text) to auth_steward;

comment on function auth_private.require_phone(text) is
  'Raises validation_failed (WX001) where a text is no phone as administrators have to write it, E.164 with plus.';

create function auth_private.admin_give_phone(p_user auth.users, p_phone text, p_reason text, p_how text) returns auth.users
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
  v_constraint text;
begin
  begin
    perform set_config('request.phone_change', p_how || ',admin:' || session_user, true);
    update auth.users u
    set phone = p_phone, phone_confirmed_at = now(), updated_at = now(),
        phone_raw = case when u.phone = p_phone then u.phone_raw end
    where u.id = p_user.id
    returning * into v_user;
    perform set_config('request.phone_change', '', true);
  exception when unique_violation then
    get stacked diagnostics v_constraint = constraint_name;
    if v_constraint is distinct from 'users_phone_key' then raise; end if;
    raise exception 'Another user has this phone' using errcode = 'WX006',
      hint = 'auth.admin_find_user tells who; auth.admin_reassign_phone takes it from that user, if it is not his any more.';
  end;

  insert into auth.audit_log_entries (action, user_id, actor, details)
  values ('phone_bound', v_user.id, 'admin:' || session_user, jsonb_strip_nulls(jsonb_build_object(
    'source', case p_how when 'reassign' then 'reassign' else 'admin' end,
    'reason', auth_private.mask_phones_in(p_reason), 'phone', auth_private.mask_phone(p_phone),
    'former', case when p_user.phone <> p_phone then auth_private.mask_phone(p_user.phone) end)));
  if p_user.phone is distinct from p_phone then
    insert into auth_private.events (type, user_id, data)
    values ('phone.bound', v_user.id, jsonb_build_object('phone', p_phone));
  end if;
  return v_user;
end
$$;

revoke all on function auth_private.admin_give_phone(auth.users, text, text, text) from public;
grant execute on function auth_private.admin_give_phone(auth.users, text, text, text) to auth_steward;

comment on function auth_private.admin_give_phone(auth.users, text, text, text) is
  'Writes a phone (E.164 with plus) to a locked user, with audit entry and event; p_how: admin_bind or reassign (auth.phone_changes.how). Answers him as he is then. Raises phone_exists (WX006).';

create function auth_private.admin_take_phone(p_user auth.users, p_reason text, p_how text) returns auth.users
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
begin
  perform set_config('request.phone_change', p_how || ',admin:' || session_user, true);
  update auth.users u
  set phone = null, phone_confirmed_at = null, phone_raw = null, updated_at = now()
  where u.id = p_user.id
  returning * into v_user;

  insert into auth.audit_log_entries (action, user_id, actor, details)
  values ('phone_unbound', v_user.id, 'admin:' || session_user, jsonb_build_object(
    'source', case p_how when 'reassign' then 'reassign' else 'admin' end,
    'reason', auth_private.mask_phones_in(p_reason), 'phone', auth_private.mask_phone(p_user.phone)));
  insert into auth_private.events (type, user_id, data)
  values ('phone.unbound', v_user.id, jsonb_build_object('phone', p_user.phone));
  return v_user;
end
$$;

revoke all on function auth_private.admin_take_phone(auth.users, text, text) from public;
grant execute on function auth_private.admin_take_phone(auth.users, text, text) to auth_steward;

comment on function auth_private.admin_take_phone(auth.users, text, text) is
  'Takes the phone from a locked user who has one, with audit entry and event; p_how: admin_unbind or reassign (auth.phone_changes.how). Answers him as he is then.';

create or replace function auth.admin_bind_phone(user_id uuid, phone text, reason text) returns auth.users
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  perform auth_private.require_phone(admin_bind_phone.phone);
  return auth_private.admin_give_phone(
    auth_private.admin_lock_user(admin_bind_phone.user_id, admin_bind_phone.reason),
    admin_bind_phone.phone, admin_bind_phone.reason, 'admin_bind');
end
$$;

revoke all on function auth.admin_bind_phone(uuid, text, text) from public;
grant execute on function auth.admin_bind_phone(uuid, text, text) to service_role;
alter function auth.admin_bind_phone(uuid, text, text) owner to auth_steward;

comment on function auth.admin_bind_phone(uuid, text, text) is
  'Gives a living user a phone (E.164 with plus) by an administrator''s word, with the reason, an audit entry and the event phone.bound; the same phone again only renews its time. Raises validation_failed (WX001: not a phone, no reason), user_not_found (WX005), phone_exists (WX006).';

create or replace function auth.admin_unbind_phone(user_id uuid, reason text) returns auth.users
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.users;
begin
  v_user := auth_private.admin_lock_user(admin_unbind_phone.user_id, admin_unbind_phone.reason);
  if v_user.phone is null then
    return v_user;
  end if;
  return auth_private.admin_take_phone(v_user, admin_unbind_phone.reason, 'admin_unbind');
end
$$;

revoke all on function auth.admin_unbind_phone(uuid, text) from public;
grant execute on function auth.admin_unbind_phone(uuid, text) to service_role;
alter function auth.admin_unbind_phone(uuid, text) owner to auth_steward;

comment on function auth.admin_unbind_phone(uuid, text) is
  'Takes the phone from a living user, with the reason, an audit entry and the event phone.unbound; where there is no phone, nothing happens. Raises validation_failed (WX001: no reason) and user_not_found (WX005).';

create function auth.admin_reassign_phone(user_id uuid, phone text, reason text) returns auth.users
language plpgsql security definer volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_owner_id uuid;
  v_owner auth.users;
  v_user auth.users;
begin
  perform auth_private.require_phone(admin_reassign_phone.phone);
  select u.id into v_owner_id from auth.users u
  where u.phone = admin_reassign_phone.phone and u.deleted_at is null and u.merged_into is null
    and u.id <> admin_reassign_phone.user_id;
  -- Both, in the order of their ids, as merges lock them.
  if v_owner_id < admin_reassign_phone.user_id then
    perform from auth.users u where u.id = v_owner_id for no key update;
  end if;
  v_user := auth_private.admin_lock_user(admin_reassign_phone.user_id, admin_reassign_phone.reason);
  select * into v_owner from auth.users u where u.id = v_owner_id for no key update;

  if v_owner.phone = admin_reassign_phone.phone then
    perform auth_private.admin_take_phone(v_owner, admin_reassign_phone.reason, 'reassign');
  end if;
  return auth_private.admin_give_phone(v_user, admin_reassign_phone.phone, admin_reassign_phone.reason, 'reassign');
end
$$;

revoke all on function auth.admin_reassign_phone(uuid, text, text) from public;
grant execute on function auth.admin_reassign_phone(uuid, text, text) to service_role;
alter function auth.admin_reassign_phone(uuid, text, text) owner to auth_steward;

comment on function auth.admin_reassign_phone(uuid, text, text) is
  'Gives a living user a phone (E.164 with plus) and takes it from whoever has it, in one step: for a number that the carrier has given to somebody else. Both get an audit entry with the reason, and phone.unbound and phone.bound tell of it. Raises validation_failed (WX001: not a phone, no reason), user_not_found (WX005), and phone_exists (WX006) where a third user got the phone at this very moment.';

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

  if v_is_hard then
    begin
      with recursive gone as (
        select v_user.id
        union
        select u.id from auth.users u join gone on u.merged_into = gone.id
      )
      delete from auth.users u using gone where u.id = gone.id;
      -- Constraints of the application that wait for the end of the transaction speak now, or nobody could name them.
      set constraints all immediate;
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
  'Deletes a user, with the reason, an audit entry and the event user.deleted, and ends his sessions. Softly: the row stays, for what refers to it, without anything personal (users_forget_deleted), and phone and openids may begin anew; where that has been done already, nothing happens. With hard the row goes, whatever state it is in, with its identities, its sessions, its codes and the accounts that were merged into it. Answers the row as it is, or was. Raises validation_failed (WX001: no reason; hard, and rows of the application still refer to it) and user_not_found (WX005: unknown; merged into another one, unless hard).';

revoke create on schema auth, auth_private from auth_merger, auth_binder, auth_steward, auth_claims;
