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
