import type pg from 'pg'
import { SCHEMAS } from './schemas.ts'

/** What an object's privileges are, and what they would be if nobody had granted or revoked anything. */
const PRIVILEGES = `
  with object (id, target, name, position, owner, acl, kind) as (
    select 'n' || n.oid, 'schema ' || quote_ident(n.nspname), null, 0, n.nspowner, n.nspacl, 'n'::"char"
    from pg_namespace n where n.nspname = any ($1)
    union all
    select 'c' || c.oid, case c.relkind when 'S' then 'sequence ' else 'table ' end || c.oid::regclass, null, 0,
      c.relowner, c.relacl, case c.relkind when 'S' then 's'::"char" else 'r' end
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = any ($1) and c.relkind in ('r', 'v', 'S')
    union all
    select 'c' || c.oid, 'table ' || c.oid::regclass, quote_ident(a.attname), a.attnum, c.relowner, a.attacl, 'c'
    from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = any ($1) and c.relkind in ('r', 'v') and a.attnum > 0 and not a.attisdropped
    union all
    select 'f' || p.oid, case p.prokind when 'p' then 'procedure ' else 'function ' end || p.oid::regprocedure, null, 0,
      p.proowner, p.proacl, 'f'
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace where n.nspname = any ($1)
    union all
    select 't' || t.oid, 'type ' || t.oid::regtype, null, 0, t.typowner, t.typacl, 'T'
    from pg_type t join pg_namespace n on n.oid = t.typnamespace
    where n.nspname = any ($1) and t.typtype in ('d', 'e', 'c')
  ),
  present as (
    select id, target, name, position, a.grantee, a.privilege_type as privilege, a.is_grantable
    from object, aclexplode(acl) a
  ),
  original as (
    select id, target, name, position, a.grantee, a.privilege_type as privilege, a.is_grantable
    from object, aclexplode(acldefault(kind, owner)) a where acl is not null
  ),
  change as (
    select 'revoke' as word, * from (table original except table present) r
    union all
    select 'grant', * from (table present except table original) g
  )
  select word, id, target, name is not null as of_columns, is_grantable, lower(privilege) as privilege,
    case grantee when 0 then 'public' else pg_get_userbyid(grantee) end as grantee,
    string_agg(name, ', ' order by position) as columns
  from change
  group by word, id, target, of_columns, is_grantable, privilege, grantee
  order by word desc, of_columns, grantee, is_grantable,
    array_position('{SELECT,INSERT,UPDATE,DELETE}', privilege), privilege`

interface Change {
  word: 'grant' | 'revoke'
  id: string
  target: string
  of_columns: boolean
  is_grantable: boolean
  privilege: string
  grantee: string
  columns: string | null
}

/** A line for each role whose privileges somebody changed, by the object's id. `owner` runs the dump. */
export async function readPrivileges(client: pg.ClientBase, owner: string): Promise<Map<string, string[]>> {
  const { rows } = await client.query<Change>(PRIVILEGES, [SCHEMAS])
  const byLine = Map.groupBy(rows, ({ word, id, of_columns, is_grantable, grantee }) =>
    JSON.stringify([word, id, of_columns, is_grantable, grantee]),
  )
  const lines = new Map<string, string[]>()
  for (const changes of byLine.values()) {
    const { id } = changes[0]!
    lines.set(id, [...(lines.get(id) ?? []), lineOf(changes, owner)])
  }
  return lines
}

function lineOf(changes: Change[], owner: string): string {
  const { word, target, is_grantable, grantee } = changes[0]!
  const privileges = changes.map(({ privilege, columns }) =>
    columns ? `${privilege} (${columns})` : privilege,
  )
  const preposition = word === 'grant' ? 'to' : 'from'
  const who = grantee === owner ? 'current_user' : grantee
  return `${word} ${privileges.join(', ')} on ${target} ${preposition} ${who}${is_grantable ? ' with grant option' : ''};`
}
