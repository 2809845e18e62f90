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
