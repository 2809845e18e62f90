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
