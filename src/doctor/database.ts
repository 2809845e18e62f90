import { codeVersion } from '../db/migrate.ts'
import { VERSIONS } from './catalogue.ts'
import type { Context } from './context.ts'
import { type Finding, fault, need, ok, Skipped, warning } from './finding.ts'
import { MIGRATE } from './owner_login.ts'
import type { Session } from './session.ts'

export const databaseChecks = ({ database }: Context) => ({
  version: async () => version(await need(database)),
  encoding: async () => encoding(await need(database)),
  writable: async () => writable(await need(database)),
  schema: async () => schema(await need(database)),
  durability: async () => durability(await need(database)),
})

async function version({ row }: Session): Promise<Finding> {
  const { text, number } = await row<{ text: string; number: number }>(
    `select current_setting('server_version') as text, current_setting('server_version_num')::integer as number`,
  )
  const major = Math.floor(number / 10_000)
  const { least, newest } = VERSIONS
  if (major < least)
    return fault(
      `PostgreSQL ${text}`,
      `${least} is the least: upgrade the server (pg_upgrade, or a dump into a newer one).`,
    )
  if (major > newest)
    return warning(
      `PostgreSQL ${text}`,
      `${newest} is the newest that was tried: look for a newer postgraphile-wechat.`,
    )
  return ok(`PostgreSQL ${text}`)
}

async function encoding({ row }: Session): Promise<Finding> {
  const { encoding } = await row<{ encoding: string }>(
    `select current_setting('server_encoding') as encoding`,
  )
  if (encoding === 'UTF8') return ok(encoding)
  return fault(
    `the database has the encoding ${encoding}: names and metadata of users do not fit into it`,
    `Make another one, with "create database … template template0 encoding 'UTF8'", and restore a dump into it.`,
  )
}

async function writable({ row }: Session): Promise<Finding> {
  const { standby, read_only } = await row<{ standby: boolean; read_only: boolean }>(
    `select pg_is_in_recovery() as standby, current_setting('transaction_read_only')::boolean as read_only`,
  )
  if (standby)
    return fault(
      'the server is a standby',
      'Name the primary: after a failover, the address that follows it.',
    )
  if (read_only)
    return fault(
      'transactions are read-only',
      'Look for default_transaction_read_only: "alter role … reset", "alter database … reset", or the provider, where the disk is full.',
    )
  return ok('it can be written to')
}

async function schema({ row, rows }: Session): Promise<Finding> {
  const { ours, taken } = await row<{ ours: boolean; taken: boolean }>(
    `select to_regclass('auth_private.migrations') is not null as ours,
       to_regnamespace('auth') is not null or to_regnamespace('auth_private') is not null as taken`,
  ).catch(withoutRights)
  if (!ours && taken)
    return fault(
      'the database has a schema "auth" or "auth_private" of something else (Supabase, say)',
      'Use a database of its own, and import the users into it (docs/moving_in.md).',
    )
  if (!ours) return fault('the schema is not there', MIGRATE)
  const [{ version }] = (await rows<{ version: number }>(
    'select coalesce(max(version), 0) as version from auth_private.migrations',
  ).catch(withoutRights)) as [{ version: number }]
  const needed = codeVersion()
  if (version < needed) return fault(`version ${version}, and this code needs ${needed}`, MIGRATE)
  if (version > needed)
    return ok(`version ${version}, newer than this code (${needed}), which goes on with it`)
  return ok(`version ${version}, that of this code`)
}

function withoutRights(error: Error & { code?: string }): never {
  if (error.code === '42501') throw new Skipped('the login may not look at it')
  throw error
}

/** What makes a commit mean less, and what is lost by it. */
const PROMISES = {
  fsync: 'a crash of the machine may destroy the database',
  full_page_writes: 'a crash of the machine may destroy the database',
  synchronous_commit: 'a crash may take back binds that were answered',
}

async function durability({ row }: Session): Promise<Finding[]> {
  const names = Object.keys(PROMISES) as (keyof typeof PROMISES)[]
  const settings = await row<Record<string, string>>(
    `select ${names.map(name => `current_setting('${name}') as ${name}`).join(', ')}`,
  )
  const off = names.filter(name => settings[name] === 'off')
  if (off.length === 0) return [ok('an answer means that it is on the disk')]
  return off.map(name =>
    warning(
      `${name} is off: ${PROMISES[name]}`,
      name === 'synchronous_commit'
        ? 'Reset it, for the server, the database, and the roles ("alter role … reset synchronous_commit").'
        : `Set ${name} = on, and let the server read its configuration again.`,
    ),
  )
}
