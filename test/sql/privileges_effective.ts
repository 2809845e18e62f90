import type pg from 'pg'
import { versionOf } from './privileges_catalogue.ts'
import type { Line } from './privileges_page.ts'

// The page once more, by what PostgreSQL answers when it is asked whether a role may do something: role and right as one
// line, such as `auth_binder update auth.users.phone`.

const OURS = `n.nspname in ('auth', 'auth_private')`
const TABLES = `pg_class c join pg_namespace n on n.oid = c.relnamespace and ${OURS} and c.relkind in ('r', 'p', 'v', 'm', 'f')`
const privileges = (...names: string[]) => `unnest(array['${names.join(`', '`)}']) p`

const ofTable = ['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']
const ofColumn = ['SELECT', 'INSERT', 'UPDATE', 'REFERENCES']

/** $1: the roles. */
const rights = (version: number) => `
  with roles as (select unnest($1::text[]) as role)
  select role || ' ' || lower(p) || ' ' || n.nspname as line
    from roles, pg_namespace n, ${privileges('USAGE', 'CREATE')}
    where ${OURS} and has_schema_privilege(role, n.oid, p)
  union all
  select role || ' execute ' || f.oid::regprocedure
    from roles, pg_proc f join pg_namespace n on n.oid = f.pronamespace where ${OURS} and has_function_privilege(role, f.oid, 'EXECUTE')
  union all
  select role || ' ' || lower(p) || ' ' || c.oid::regclass
    from roles, ${TABLES}, ${privileges(...ofTable, ...(version >= 170000 ? ['MAINTAIN'] : []))} where has_table_privilege(role, c.oid, p)
  union all
  select role || ' ' || lower(p) || ' ' || c.oid::regclass || '.' || a.attname
    from roles, ${TABLES} join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped, ${privileges(...ofColumn)}
    where has_column_privilege(role, c.oid, a.attnum, p)
  union all
  select role || ' ' || lower(p) || ' ' || c.oid::regclass
    from roles, pg_class c join pg_namespace n on n.oid = c.relnamespace, ${privileges('USAGE', 'SELECT', 'UPDATE')}
    where ${OURS} and c.relkind = 'S' and has_sequence_privilege(role, c.oid, p)`

const listOf = (cell: string) => (cell === '–' ? [] : cell.split(', '))
const under = (page: Line[], heading: string) => page.filter(line => line.under === heading)

/** The roles of the page, and PUBLIC; not the owner, who may do everything. */
export const rolesOf = (page: Line[]) => [
  'public',
  ...under(page, '## Roles')
    .map(({ cells }) => cells[0]!)
    .filter(role => role !== 'owner'),
]

/** What the roles may do, as PostgreSQL sees it. */
export async function effectiveRights(client: pg.ClientBase, page: Line[]): Promise<string[]> {
  const { rows } = await client.query<{ line: string }>(rights(await versionOf(client)), [rolesOf(page)])
  return rows.map(({ line }) => line).sort()
}

/** What the roles may do, as the page says. */
export async function listedRights(client: pg.ClientBase, page: Line[]): Promise<string[]> {
  const columns = await columnsOfTables(client)
  const lines: string[] = []
  for (const { cells } of under(page, '## Schemas')) {
    const [schema, , users, creators] = cells as [string, string, string, string]
    lines.push(...listOf(users).map(role => `${role} usage ${schema}`))
    lines.push(...listOf(creators).map(role => `${role} create ${schema}`))
  }
  for (const line of [...under(page, '### Definers'), ...under(page, '### Other functions')]) {
    const [signature, owner, , callers] = line.cells as [string, string, string, string]
    lines.push(...[owner, ...listOf(callers)].map(role => `${role} execute ${signature.replaceAll('`', '')}`))
  }
  for (const { under: heading, cells } of page.filter(line => line.cells.length === 3)) {
    const table = heading.replace('### ', '')
    const known = columns.get(table)
    if (!known) continue
    const [role, actions, reached] = cells as [string, string, string]
    for (const action of listOf(actions)) {
      if (reached === 'all') lines.push(`${role} ${action} ${table}`)
      const touched =
        reached !== 'all' ? listOf(reached) : ofColumn.includes(action.toUpperCase()) ? known : []
      lines.push(...touched.map(column => `${role} ${action} ${table}.${column}`))
    }
  }
  return lines.filter(line => !line.startsWith('owner ')).sort()
}

async function columnsOfTables(client: pg.ClientBase): Promise<Map<string, string[]>> {
  const { rows } = await client.query<{ relation: string; columns: string[] }>(
    `select c.oid::regclass::text as relation, array_agg(a.attname::text) as columns
     from ${TABLES} join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped group by c.oid`,
  )
  return new Map(rows.map(({ relation, columns }) => [relation, columns]))
}
