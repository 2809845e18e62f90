import type pg from 'pg'
import { MigrationError } from './error.ts'

// Roles belong to the whole cluster: ours may be there already, made by somebody else. They are used as they are, never
// altered; those that would break what sql/README.md promises are refused before anything is changed.

/** From the least to the most: who may do more may also be a member of who may do less. */
const CALLERS = ['anon', 'authenticated', 'service_role']
const LOGIN = 'authenticator'
const DUTIES =
  'signer keeper holder claims binder merger steward courier limiter herald receiver eraser revealer watcher'
    .split(' ')
    .map(duty => `auth_${duty}`)
/** Of people, not of the service. */
const SUPPORT = 'support'
export const ROLES = [...CALLERS, LOGIN, SUPPORT, ...DUTIES]

/**
 * What none of them may have. BYPASSRLS: no policy would hold, for callers nor inside the definers (Supabase gives it to
 * service_role, consoles of some providers to every login they make). CREATEROLE: could make itself a member of the rest
 * (Cloud SQL's console gives it, and CREATEDB, to its logins). REPLICATION: reads every table from the log.
 * Harmless, and not looked at: a password, its end, a limit of connections, settings of a role (`alter role … set`),
 * INHERIT of a role that is a member of nothing, NOLOGIN of authenticator (another login may be its member).
 */
const ATTRIBUTES = {
  rolsuper: 'superuser',
  rolbypassrls: 'bypassrls',
  rolcreaterole: 'createrole',
  rolcreatedb: 'createdb',
  rolreplication: 'replication',
}
/** Nobody could be a caller or a duty without what comes before it: authenticator and a verified token, or a function. */
const LOGIN_ATTRIBUTE = { rolcanlogin: 'login' }
/** Before 16 the member says whether it inherits, of all its roles at once, and of those that it will be granted. */
const INHERIT_ATTRIBUTE = { rolinherit: 'inherit' }

/**
 * PostgreSQL's own roles that reach behind grants and policies, or into other sessions. The others (pg_monitor,
 * pg_use_reserved_connections, …) are the operator's to give.
 */
const PREDEFINED = [
  'pg_read_all_data',
  'pg_write_all_data',
  'pg_read_server_files',
  'pg_write_server_files',
  'pg_execute_server_program',
  'pg_create_subscription',
  'pg_signal_backend',
  'pg_maintain',
]

type Flags = Record<string, boolean>
const FLAGS = `select rolname as role, ${Object.keys({ ...ATTRIBUTES, ...LOGIN_ATTRIBUTE, ...INHERIT_ATTRIBUTE }).join(', ')}
  from pg_roles where rolname = any ($1) order by array_position($1, rolname)`

interface Membership {
  member: string
  role: string
  grantor: string
  inherits: boolean
  /** Roles by which the model would break, and which the member has, or can become, through this membership. */
  reaches: string[]
}
/** pg_auth_members has the options since 16; to_jsonb asks for columns that may not be there. */
const MEMBERSHIPS = `
  with dangerous as (
    select oid, rolname from pg_roles
    where rolname = any ($1 || $2::name[]) or rolname = current_user
      or oid = (select nspowner from pg_namespace where nspname = 'auth')
      or ${Object.keys(ATTRIBUTES).join(' or ')}
  )
  select m.rolname as member, r.rolname as role, quote_ident(g.rolname) as grantor, o.inherits,
    array(select d.rolname::text from dangerous d
          where o.inherits and pg_has_role(r.oid, d.oid, 'usage')
            or o.sets and pg_has_role(r.oid, d.oid, $3)) as reaches
  from pg_auth_members a
    join pg_roles m on m.oid = a.member
    join pg_roles r on r.oid = a.roleid
    left join pg_roles g on g.oid = a.grantor,
    lateral (select coalesce((to_jsonb(a) ->> 'inherit_option')::boolean, m.rolinherit) as inherits,
                    coalesce((to_jsonb(a) ->> 'set_option')::boolean, true) as sets) o
  where m.rolname = any ($1)
  order by array_position($1, m.rolname), r.rolname, g.rolname`

/** Raises MigrationError where a role of ours is there and may do more than it should. */
export async function requireHarmlessRoles(client: pg.Client): Promise<void> {
  const faults = await roleFaults(client)
  if (faults.length === 0) return
  throw new MigrationError(
    [
      'Roles of this cluster may do more than postgraphile-wechat lets them. Nothing was changed.',
      ...faults.map(fault => `- ${fault}`),
      'Where nothing else relies on it, have these statements run. Otherwise (on Supabase, say, whose service_role has ' +
        'BYPASSRLS) use a cluster of its own.',
    ].join('\n'),
  )
}

/** Which roles of ours may do more than they should, and by which statement each fault is mended: `what: statement`. */
export async function roleFaults(client: pg.Client): Promise<string[]> {
  const { rows: versions } = await client.query<{ server_version_num: string }>('show server_version_num')
  const hasOptions = Number(versions[0]!.server_version_num) >= 160_000
  const flags = await client.query<{ role: string } & Flags>(FLAGS, [ROLES])
  const memberships = await client.query<Membership>(MEMBERSHIPS, [
    ROLES,
    PREDEFINED,
    hasOptions ? 'set' : 'member',
  ])
  return [
    ...flags.rows.flatMap(row => attributeFault(row, hasOptions)),
    ...memberships.rows.flatMap(row => membershipFault(row, hasOptions)),
  ]
}

function attributeFault({ role, ...flags }: { role: string } & Flags, hasOptions: boolean): string[] {
  const refused = {
    ...ATTRIBUTES,
    ...(role !== LOGIN && LOGIN_ATTRIBUTE),
    ...(role === LOGIN && !hasOptions && INHERIT_ATTRIBUTE),
  }
  const found = Object.entries(refused).flatMap(([flag, name]) => (flags[flag] ? [name] : []))
  if (found.length === 0) return []
  const names = found.map(name => name.toUpperCase()).join(', ')
  return [`${role} has ${names}: alter role ${role} ${found.map(name => `no${name}`).join(' ')};`]
}

function membershipFault(membership: Membership, hasOptions: boolean): string[] {
  const { member, role, grantor, inherits, reaches } = membership
  const by = hasOptions ? ` granted by ${grantor}` : ''
  if (member === LOGIN && CALLERS.includes(role)) {
    if (!hasOptions || !inherits) return []
    return [`${member} inherits ${role}: grant ${role} to ${member} with inherit false${by};`]
  }
  const remedy = `revoke "${role}" from ${member}${by};`
  if (DUTIES.includes(member)) return inherits ? [`${member} inherits ${role}: ${remedy}`] : []
  const harmless = CALLERS.slice(0, CALLERS.indexOf(member) + 1)
  const found = reaches.filter(name => !harmless.includes(name))
  if (found.length === 0) return []
  const through = found.includes(role) ? '' : `, and so of ${found.join(', ')}`
  return [`${member} is a member of ${role}${through}: ${remedy}`]
}
