import { ROLES, roleFaults } from '../db/migrate/roles.ts'
import type { Context } from './context.ts'
import { type Finding, fault, need, ok } from './finding.ts'
import { isPooled, type Session } from './session.ts'
import { connection } from './web_login.ts'

export const ownerLoginChecks = (context: Context) => ({
  owner_connection: async () => connection(await context.owner),
  owner_direct: async () => direct(await need(context.owner)),
  owner_rights: async () => rights(await need(context.owner)),
  roles: async () => roles(await need(context.owner)),
  jobs_schema: async () => jobsSchema(await need(context.owner)),
})

export const MIGRATE = 'Run "postgraphile-wechat migrate" with DATABASE_OWNER_URL.'

async function direct(session: Session): Promise<Finding> {
  if (!(await isPooled(session))) return ok('nothing in between')
  return fault(
    'a pooler is in between',
    'Let DATABASE_OWNER_URL name PostgreSQL itself: migrate holds a lock and worker LISTENs in a session, which a transaction pooler takes away.',
  )
}

async function rights({ row }: Session): Promise<Finding> {
  const { login, creates, owner, owns } = await row<{
    login: string
    creates: boolean
    owner: string | null
    owns: boolean | null
  }>(
    `select session_user as login, r.rolcreaterole or r.rolsuper as creates, n.nspowner::regrole::text as owner,
       pg_has_role(r.oid, n.nspowner, 'usage') as owns
     from pg_roles r left join pg_namespace n on n.nspname = 'auth_private' where r.rolname = session_user`,
  )
  if (owns === false)
    return fault(
      `the schema belongs to ${owner}, and ${login} is not a member of it`,
      `Log in as ${owner} in DATABASE_OWNER_URL.`,
    )
  if (!creates)
    return fault(
      `${login} has no CREATEROLE, which migrate needs`,
      `As an administrator: alter role "${login}" createrole;`,
    )
  return ok(`${login} ${owns ? 'owns the schema and ' : ''}may create roles`)
}

async function roles({ alone, rows }: Session): Promise<Finding[]> {
  const missing = await rows<{ role: string }>(
    'select r as role from unnest($1::name[]) r where to_regrole(quote_ident(r)) is null',
    [ROLES],
  )
  const harmful = await alone(roleFaults)
  if (missing.length + harmful.length === 0)
    return [ok(`all ${ROLES.length}, and none may do more than it should`)]
  return [
    ...(missing.length > 0
      ? [fault(`not there: ${missing.map(({ role }) => role).join(', ')}`, MIGRATE)]
      : []),
    ...harmful.map(text => {
      const [what, statement] = text.split(/: (.*)/)
      return fault(what!, `Where nothing else relies on it, as an administrator: ${statement}`)
    }),
  ]
}

async function jobsSchema({ row }: Session): Promise<Finding> {
  const { there, usable } = await row<{ there: boolean; usable: boolean | null }>(
    `select count(*) > 0 as there, bool_and(has_schema_privilege(n.oid, 'usage')
         and has_table_privilege(c.oid, 'select, insert, update, delete')) as usable
       from pg_class c join pg_namespace n on n.oid = c.relnamespace
       where n.nspname = 'graphile_worker' and c.relname = '_private_jobs'`,
  )
  if (!there) return fault("graphile-worker's schema is not there", MIGRATE)
  if (!usable)
    return fault(
      "graphile-worker's tables are not this login's",
      'Log in as their owner in DATABASE_OWNER_URL: it is the one that ran migrate first.',
    )
  return ok("graphile-worker's schema is there")
}
