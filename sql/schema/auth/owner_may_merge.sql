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
