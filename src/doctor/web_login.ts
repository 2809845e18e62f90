import { NO_MEMBER, TOO_POWERFUL } from '../db/logins.ts'
import { statements } from '../db/statements.ts'
import type { Context } from './context.ts'
import { type Finding, fault, need, ok, warning } from './finding.ts'
import { isPooled, type Session } from './session.ts'

/** A request waits for two of them, and a poor network shows. */
const SLOW_MS = 50

export const webLoginChecks = (context: Context) => ({
  web_connection: async () => connection(await context.web),
  web_role: async () => role(await need(context.web), context),
  web_pool: async () => pool(await need(context.web), context),
  web_pooler: async () => pooler(await need(context.web), context),
})

/** The best of a few round trips. */
export async function connection({ place, alone }: Session): Promise<Finding> {
  const times: number[] = []
  await alone(async client => {
    for (let round = 0; round < 3; round++) {
      const started = performance.now()
      await client.query('select')
      times.push(performance.now() - started)
    }
  })
  const ms = Math.min(...times)
  const text = `${place}, ${ms.toFixed(1)} ms there and back`
  if (ms <= SLOW_MS) return ok(text)
  return warning(
    text,
    'Move the service nearer to its database: every request waits for two round trips or more.',
  )
}

async function role({ row }: Session, { config }: Context): Promise<Finding> {
  const { answer: isTooPowerful } = await row<{ answer: boolean }>(statements.loginIsTooPowerful.text)
  const { login, member } = await row<{ login: string; member: boolean | null }>(
    `select session_user as login, pg_has_role(session_user, to_regrole('authenticator'), 'usage') as member`,
  )
  if (isTooPowerful) return (config.production ? fault : warning)(TOO_POWERFUL.text, `${TOO_POWERFUL.help}.`)
  if (member === null)
    return fault(
      'there is no role authenticator in this cluster',
      'Run "postgraphile-wechat migrate" with DATABASE_OWNER_URL.',
    )
  if (!member) return fault(NO_MEMBER.text, `${NO_MEMBER.help}.`)
  return ok(login === 'authenticator' ? login : `${login}, as authenticator`)
}

const ROOM = `
  select current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer
      - coalesce(current_setting('reserved_connections', true)::integer, 0) as server,
    (select sum(numbackends)::integer from pg_stat_database) as used,
    nullif(d.datconnlimit, -1) as database, nullif(r.rolconnlimit, -1) as login
  from pg_database d, pg_roles r where d.datname = current_database() and r.rolname = session_user`

async function pool({ row }: Session, { config }: Context): Promise<Finding> {
  const size = config.databasePoolSize
  const room = await row<{ server: number; used: number; database: number | null; login: number | null }>(
    ROOM,
  )
  const most = Math.min(room.server, room.database ?? room.server, room.login ?? room.server)
  const help =
    'Lower DATABASE_POOL_SIZE, raise max_connections (or the CONNECTION LIMIT of the database or the login), or put PgBouncer in between (docs/operations.md).'
  if (size > most)
    return fault(`DATABASE_POOL_SIZE is ${size}, and PostgreSQL allows ${most} connections`, help)
  const text = `${room.used} of ${room.server} connections are in use; this node takes up to ${size}`
  // A node that runs already has its own among those.
  return room.server - room.used < size ? warning(text, help) : ok(text)
}

async function pooler(session: Session, { env }: Context): Promise<Finding> {
  if (!(await isPooled(session))) return ok('none in between')
  if (env.DATAPLAN_PG_PREPARED_STATEMENT_CACHE_SIZE?.trim() === '0') return ok('one is in between')
  return warning(
    'a pooler is in between, and DATAPLAN_PG_PREPARED_STATEMENT_CACHE_SIZE is not 0',
    'Set it to 0 for all nodes: else GraphQL requests fail once a connection has seen a hundred different ones (docs/operations.md, "PgBouncer").',
  )
}
