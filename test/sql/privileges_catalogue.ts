import type pg from 'pg'
import { type Line, oneLine } from './privileges_page.ts'

const OURS = `n.nspname in ('auth', 'auth_private')`

/** As the page calls a role. */
const role = (oid: string) =>
  `case when ${oid} = 0 then 'PUBLIC' when pg_get_userbyid(${oid}) = current_user then 'owner' else pg_get_userbyid(${oid})::text end`
/** Logins that other test files make, on the same server. */
const isOfTests = (name: string) => `${name} ~ '^[a-z]+_[0-9a-f]{12,}$'`
const code = (text: string) => `'\`' || ${text} || '\`'`
const list = (text: string, none: string) => `coalesce(string_agg(${text}, ', ' order by ${text}), '${none}')`
/** Whom an access control list names, besides the object's owner, who needs none. */
const acl = (column: string, kind: string, owner: string) =>
  `lateral (select a.*, ${role('a.grantee')} || case when a.is_grantable then ' with grant option' else '' end as who
    from aclexplode(coalesce(${column}, acldefault('${kind}', ${owner}))) a where a.grantee <> ${owner})`
const granted = (column: string, kind: string, owner: string, privilege: string) =>
  `(select ${list('who', '–')} from ${acl(column, kind, owner)} a where privilege_type = '${privilege}')`
const grants = (column: string, kind: string, owner: string) =>
  `(select ${list(`lower(privilege_type) || ' to ' || who`, '–')} from ${acl(column, kind, owner)} a)`

/** Everybody who has to do with this database: who is named in it, and who is a member of one of these. */
const ROLES = (becomes: string) => {
  const others = (right: string) =>
    `(select ${list(role('o.oid'), '–')} from pg_roles o
      where o.oid <> r.oid and not o.rolsuper and not ${isOfTests('o.rolname')} and ${right})`
  return `
    with named as (
      select distinct d.refobjid as oid from pg_shdepend d where d.refclassid = 'pg_authid'::regclass
        and d.dbid = (select oid from pg_database where datname = current_database()))
    select '## Roles', array[${role('r.oid')}, case when r.rolcanlogin then 'yes' else 'no' end,
      (select ${list('attribute', '–')} from (values ('superuser', r.rolsuper), ('createrole', r.rolcreaterole),
         ('createdb', r.rolcreatedb), ('replication', r.rolreplication), ('bypassrls', r.rolbypassrls)) v (attribute, it_has) where it_has),
      ${others(`pg_has_role(r.oid, o.oid, '${becomes}')`)},
      ${others(`pg_has_role(r.oid, o.oid, 'usage')`)},
      ${others(`o.oid in (select oid from named) and o.rolname <> current_user and (pg_has_role(r.oid, o.oid, 'member with admin option')
        or r.rolcreaterole and current_setting('server_version_num')::integer < 160000)`)}]
    from pg_roles r where not r.rolsuper and not ${isOfTests('r.rolname')} and (r.oid in (select oid from named)
      or exists (select from named i where pg_get_userbyid(i.oid) <> current_user and pg_has_role(r.oid, i.oid, 'member')))`
}

/** Each answers (heading, cells). */
const OBJECTS = [
  `select '## Schemas', array[n.nspname::text, ${role('n.nspowner')},
     ${granted('n.nspacl', 'n', 'n.nspowner', 'USAGE')}, ${granted('n.nspacl', 'n', 'n.nspowner', 'CREATE')}]
   from pg_namespace n where ${OURS}`,

  `select case when p.prosecdef then '### Definers' else '### Other functions' end,
     array[${code('p.oid::regprocedure')}, ${role('p.proowner')},
       coalesce((select ${code(`substr(s, length('search_path=') + 1)`)} from unnest(p.proconfig) s where s like 'search_path=%'), '–'),
       ${granted('p.proacl', 'f', 'p.proowner', 'EXECUTE')}]
   from pg_proc p join pg_namespace n on n.oid = p.pronamespace where ${OURS}`,

  `select '## Tables', array[c.oid::regclass::text, ${role('c.relowner')},
     case when c.relrowsecurity then 'on' else 'off' end || case when c.relforcerowsecurity then ' and forced' else '' end]
   from pg_class c join pg_namespace n on n.oid = c.relnamespace where ${OURS} and c.relkind in ('r', 'p', 'v', 'm', 'f')`,

  `select '### ' || g.relation, array[g.who, ${list('lower(g.privilege_type)', '')}, g.columns]
   from (
     select c.oid::regclass as relation, a.who, a.privilege_type, 'all' as columns
     from pg_class c join pg_namespace n on n.oid = c.relnamespace, ${acl('c.relacl', 'r', 'c.relowner')} a
     where ${OURS} and c.relkind in ('r', 'p', 'v', 'm', 'f')
     union all
     select c.oid::regclass, a.who, a.privilege_type, string_agg(t.attname::text, ', ' order by t.attnum)
     from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute t on t.attrelid = c.oid,
       ${acl('t.attacl', 'c', 'c.relowner')} a
     where ${OURS} group by c.oid, a.who, a.privilege_type) g
   group by g.relation, g.who, g.columns`,

  `select '### ' || p.polrelid::regclass, array[p.polname::text,
     (select ${list(role('r'), '')} from unnest(p.polroles) r),
     case p.polcmd when '*' then 'all' when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' else 'delete' end
       || case when p.polpermissive then '' else ', restrictive' end,
     coalesce(${code('pg_get_expr(p.polqual, p.polrelid)')}, ''), coalesce(${code('pg_get_expr(p.polwithcheck, p.polrelid)')}, '')]
   from pg_policy p join pg_class c on c.oid = p.polrelid join pg_namespace n on n.oid = c.relnamespace where ${OURS}`,

  `select '## Sequences', array[c.oid::regclass::text, ${role('c.relowner')}, ${grants('c.relacl', 's', 'c.relowner')}]
   from pg_class c join pg_namespace n on n.oid = c.relnamespace where ${OURS} and c.relkind = 'S'`,

  // A table's row type counts where somebody has touched its privileges.
  `select '## Types', array[t.oid::regtype::text, ${role('t.typowner')}, ${grants('t.typacl', 'T', 't.typowner')}]
   from pg_type t join pg_namespace n on n.oid = t.typnamespace left join pg_class c on c.oid = t.typrelid
   where ${OURS} and (t.typtype not in ('c', 'b') or c.relkind = 'c' or t.typtype = 'b' and t.typelem = 0 or t.typacl is not null)`,

  `select '## Default privileges', array[${role('d.defaclrole')}, coalesce(d.defaclnamespace::regnamespace::text, 'any schema'),
     d.defaclobjtype::text, coalesce(d.defaclacl::text, '')]
   from pg_default_acl d where d.defaclnamespace = 0 or d.defaclnamespace::regnamespace::text in ('auth', 'auth_private')`,

  `select distinct '## Elsewhere', array[${role('d.refobjid')}, pg_describe_object(d.classid, d.objid, 0)]
   from pg_shdepend d
   where d.refclassid = 'pg_authid'::regclass and pg_get_userbyid(d.refobjid) <> current_user
     and not ${isOfTests('pg_get_userbyid(d.refobjid)')}
     and (d.dbid = (select oid from pg_database where datname = current_database())
          or d.dbid = 0 and d.classid = 'pg_database'::regclass)
     and not exists (select from pg_namespace n where ${OURS} and n.oid = coalesce(
       case when d.classid = 'pg_namespace'::regclass then d.objid end,
       (select c.relnamespace from pg_class c where d.classid = 'pg_class'::regclass and c.oid = d.objid),
       (select p.pronamespace from pg_proc p where d.classid = 'pg_proc'::regclass and p.oid = d.objid),
       (select t.typnamespace from pg_type t where d.classid = 'pg_type'::regclass and t.oid = d.objid),
       (select a.defaclnamespace from pg_default_acl a where d.classid = 'pg_default_acl'::regclass and a.oid = d.objid),
       (select c.relnamespace from pg_policy p join pg_class c on c.oid = p.polrelid
        where d.classid = 'pg_policy'::regclass and p.oid = d.objid)))`,
]

/** 150014, 180000. */
export async function versionOf(client: pg.ClientBase): Promise<number> {
  const { rows } = await client.query(`select current_setting('server_version_num')::integer as number`)
  return rows[0].number
}

/** What sql/privileges.md has to say of this database. */
export async function catalogueLines(client: pg.ClientBase): Promise<Line[]> {
  // Before 16 every membership lets its member become the role.
  const becomes = (await versionOf(client)) >= 160000 ? 'set' : 'member'
  const lines: Line[] = []
  for (const query of [ROLES(becomes), ...OBJECTS]) {
    const { rows } = await client.query<Line>(`select under, cells from (${query}) as lines (under, cells)`)
    lines.push(...rows.map(({ under, cells }) => ({ under, cells: cells.map(oneLine) })))
  }
  return lines
}
