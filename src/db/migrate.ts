import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { runMigrations } from 'graphile-worker'
import pg from 'pg'
import type { Logger } from '../log.ts'
import { workerLogger } from '../tasks/worker_log.ts'
import { orUnreachable } from './errors.ts'

const sqlDir = new URL('../../sql/', import.meta.url)

/** Session-level, so that nodes which start together wait for each other; our own number. */
const LOCK = 0x77_78_6d_69

/** The database cannot be migrated; the message names the remedy. */
export class MigrationError extends Error {}

interface Migration {
  version: number
  name: string
  text: string
  sha256: string
}

const migrations = (): Migration[] =>
  readdirSync(new URL('migrations/', sqlDir))
    .filter(name => /^\d{4}_.*\.sql$/.test(name))
    .sort()
    .map(name => {
      const text = readFileSync(new URL(`migrations/${name}`, sqlDir), 'utf8')
      return {
        version: Number(name.slice(0, 4)),
        name,
        text,
        sha256: createHash('sha256').update(text).digest('hex'),
      }
    })

/** The version of the schema that this code needs: that of the newest migration. */
export const codeVersion = () => Math.max(0, ...migrations().map(({ version }) => version))

/** The readable files of `sql/schema.sql`, in its order. */
export const schemaFiles = (): { name: string; text: string }[] =>
  readFileSync(new URL('schema.sql', sqlDir), 'utf8')
    .split('\n')
    .flatMap(line => /^\\ir (\S+)$/.exec(line)?.[1] ?? [])
    .map(name => ({ name, text: readFileSync(new URL(name, sqlDir), 'utf8') }))

/**
 * Brings the database to the schema of this code, as the owner (a login with CREATEROLE; no superuser). An empty
 * database is built from `sql/schema/`; a live one runs the migrations that it lacks. Nodes that start together wait for
 * one another. Everything of one step happens in one transaction or not at all. Raises MigrationError where the database
 * is not ours, is newer than the code, or ran a migration that differs from the file.
 */
export async function migrate({ ownerUrl, log }: { ownerUrl: string; log: Logger }): Promise<void> {
  const client = new pg.Client({
    connectionString: ownerUrl,
    application_name: 'postgraphile-wechat migrate',
  })
  client.on('error', error => log.warn({ err: error }, 'the migrating connection was lost'))
  await client.connect().catch(orUnreachable('DATABASE_OWNER_URL'))
  try {
    await client.query('select pg_advisory_lock($1)', [LOCK])
    const isOurs = await examine(client)
    const known = migrations()
    const missing = isOurs ? await pending(client, known) : known
    // Not before the database is known to be ours: this is the first thing that changes it.
    await runMigrations({ connectionString: ownerUrl, logger: workerLogger(log) }).catch(mayNot)
    if (isOurs) await applyMissing(client, missing, log)
    else await build(client, known, log)
  } finally {
    await client.end()
  }
}

function mayNot(error: unknown): never {
  if ((error as { code?: unknown }).code !== '42501') throw error
  const message = `${(error as Error).message}: DATABASE_OWNER_URL must log in as the owner of the database`
  throw new MigrationError(message, { cause: error })
}

/** Whether the schema is there; refuses one that is not ours. */
async function examine(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ ours: boolean; taken: boolean }>(
    `select to_regclass('auth_private.migrations') is not null as ours,
            to_regnamespace('auth') is not null or to_regnamespace('auth_private') is not null as taken`,
  )
  const { ours, taken } = rows[0]!
  if (!ours && taken) {
    throw new MigrationError(
      'This database has a schema "auth" or "auth_private" that is not of postgraphile-wechat (of Supabase, say). ' +
        'Nothing was changed. Use a database of its own, and import the users into it.',
    )
  }
  return ours
}

async function build(client: pg.Client, known: Migration[], log: Logger) {
  await inTransaction(client, async () => {
    for (const file of schemaFiles()) await apply(client, `sql/${file.name}`, file.text)
    for (const migration of known) await record(client, migration)
  })
  log.info({ version: codeVersion() }, 'the schema was built')
}

async function applyMissing(client: pg.Client, missing: Migration[], log: Logger) {
  if (missing.length === 0) log.info({ version: codeVersion() }, 'the schema is up to date')
  for (const migration of missing) {
    await inTransaction(client, async () => {
      await apply(client, `sql/migrations/${migration.name}`, migration.text)
      await record(client, migration)
    })
    log.info({ migration: migration.name }, 'a migration was applied')
  }
}

async function pending(client: pg.Client, known: Migration[]): Promise<Migration[]> {
  const { rows } = await client.query<{ version: number; sha256: string }>(
    'select version, sha256 from auth_private.migrations',
  )
  const applied = new Map(rows.map(({ version, sha256 }) => [version, sha256]))
  for (const [version, sha256] of applied) {
    const file = known.find(migration => migration.version === version)
    if (!file)
      throw new MigrationError(
        `The database has migration ${version}, which this code does not know: run a newer version of postgraphile-wechat.`,
      )
    if (file.sha256 !== sha256)
      throw new MigrationError(
        `sql/migrations/${file.name} was edited after it was applied: restore it, and put the change into a new one.`,
      )
  }
  return known.filter(({ version }) => !applied.has(version))
}

async function inTransaction(client: pg.Client, work: () => Promise<void>) {
  await client.query('begin')
  try {
    await work()
    await client.query('commit')
  } catch (error) {
    await client.query('rollback').catch(() => {})
    throw error
  }
}

/** Runs a file. What the login may not do is for a person to mend, with the hint that PostgreSQL gives. */
async function apply(client: pg.Client, name: string, text: string) {
  await client.query(text).catch((error: pg.DatabaseError) => {
    const message = [`${name}: ${error.message}`, error.hint].filter(Boolean).join('. ')
    if (error.code === '42501') throw new MigrationError(message, { cause: error })
    throw new Error(message, { cause: error })
  })
}

const record = (client: pg.Client, { version, name, sha256 }: Migration) =>
  client.query('insert into auth_private.migrations (version, name, sha256) values ($1, $2, $3)', [
    version,
    name,
    sha256,
  ])
