import pg from 'pg'
import type { Logger } from '../log.ts'
import { orUnreachable } from './errors.ts'
import { watchBlockers } from './migrate/blockers.ts'
import { MigrationError, namedError } from './migrate/error.ts'
import { type Migration, newest, readMigrations, SQL_DIR, schemaFiles } from './migrate/files.ts'
import { grantJobs } from './migrate/job_rights.ts'
import { PATIENCE, type Patience, type Run, step, takeTurn } from './migrate/patience.ts'
import { requireHarmlessRoles } from './migrate/roles.ts'
import { migrateWorker } from './migrate/worker_schema.ts'

export { MigrationError } from './migrate/error.ts'
export { codeVersion, schemaFiles } from './migrate/files.ts'

export interface MigrateOptions {
  /** The owner's login, direct: a transaction pooler breaks the lock. */
  ownerUrl: string
  log: Logger
  /**
   * Leaves a database that is newer than the code as it is, instead of refusing it: for a node of the old code that starts
   * again while the new one is being rolled out.
   */
  acceptNewer?: boolean
  /** What is waited for, and how long; for tests. */
  patience?: Partial<Patience>
  /** Another directory of the form of `sql/`; for tests. */
  sqlDir?: URL
}

/**
 * Brings the database to the schema of this code, as the owner (a login with CREATEROLE; no superuser). An empty
 * database is built from `sql/schema/`; a live one runs the migrations that it lacks. Nodes that start together wait for
 * one another. Everything of one step happens in one transaction or not at all, and no step waits long for a lock, so
 * that the live service goes on. Raises MigrationError where the database is not ours, is newer than the code, or ran a
 * migration that differs from the file; where roles may do more than they should; and where others keep their locks.
 */
export async function migrate(options: MigrateOptions): Promise<void> {
  const run = await open(options)
  try {
    await takeTurn(run)
    await bringUp(run, options)
  } finally {
    await run.blockers.close()
    await run.client.end()
  }
}

async function open({ ownerUrl, log, patience: given }: MigrateOptions): Promise<Run> {
  const applicationName = 'postgraphile-wechat migrate'
  const client = new pg.Client({ connectionString: ownerUrl, application_name: applicationName })
  client.on('error', error => log.warn({ err: error }, 'the migrating connection was lost'))
  await client.connect().catch(orUnreachable('DATABASE_OWNER_URL'))
  const patience = { ...PATIENCE, ...given }
  // Several looks in the time that one lock is waited for.
  const blockers = await watchBlockers(ownerUrl, patience.lockTimeoutMs / 5)
  blockers.watch(client)
  return { ownerUrl, applicationName, client, blockers, patience, log }
}

async function bringUp(run: Run, { sqlDir = SQL_DIR, acceptNewer = false }: MigrateOptions) {
  const { client, log } = run
  const known = readMigrations(sqlDir)
  const applied = await step(run, 'the state of the database', async () => {
    const found = await examine(client).catch(error => {
      throw error instanceof MigrationError ? error : namedError('auth_private.migrations', error)
    })
    await requireHarmlessRoles(client)
    return found
  })
  if (applied) requireUnedited(applied, known)
  const newer = applied?.find(({ version }) => version > newest(known))
  if (newer && !acceptNewer)
    throw new MigrationError(
      `The database has migration ${newer.version}, which this code does not know: run a newer version of postgraphile-wechat.`,
    )
  if (newer) {
    log.warn({ newer: newer.version }, 'the database is newer than this code, and is left as it is')
    return
  }
  // Not before the database is known to be ours: this is the first thing that changes it.
  await migrateWorker(run)
  if (applied) await applyMissing(run, known, applied)
  else await build(run, known, sqlDir)
  await step(run, 'rights on jobs', () => grantJobs(client, log))
}

async function applyMissing(run: Run, known: Migration[], applied: Applied[]) {
  const missing = known.filter(({ version }) => !applied.some(row => row.version === version))
  if (missing.length === 0) run.log.info({ version: newest(known) }, 'the schema is up to date')
  for (const migration of missing) await applyOne(run, migration)
}

interface Applied {
  version: number
  sha256: string
}

/** The migrations that the database has; undefined: the schema is not there. Refuses one that is not ours. */
async function examine(client: pg.Client): Promise<Applied[] | undefined> {
  const { rows } = await client.query<{ ours: boolean; taken: boolean }>(
    `select to_regclass('auth_private.migrations') is not null as ours,
            to_regnamespace('auth') is not null or to_regnamespace('auth_private') is not null as taken`,
  )
  const { ours, taken } = rows[0]!
  if (ours) return (await client.query<Applied>('select version, sha256 from auth_private.migrations')).rows
  if (!taken) return undefined
  throw new MigrationError(
    'This database has a schema "auth" or "auth_private" that is not of postgraphile-wechat (of Supabase, say). ' +
      'Nothing was changed. Use a database of its own, and import the users into it.',
  )
}

function requireUnedited(applied: Applied[], known: Migration[]) {
  for (const { version, sha256 } of applied) {
    const file = known.find(migration => migration.version === version)
    if (file && file.sha256 !== sha256)
      throw new MigrationError(
        `sql/migrations/${file.name} was edited after it was applied: restore it, and put the change into a new one.`,
      )
  }
}

async function build(run: Run, known: Migration[], sqlDir: URL) {
  await step(run, 'sql/schema', async () => {
    for (const { name, text } of schemaFiles(sqlDir)) await apply(run.client, `sql/${name}`, text)
    for (const migration of known) await record(run.client, migration)
  })
  run.log.info({ version: newest(known) }, 'the schema was built')
}

async function applyOne(run: Run, migration: Migration) {
  const name = `sql/migrations/${migration.name}`
  await step(run, name, async () => {
    await apply(run.client, name, migration.text)
    await record(run.client, migration)
  })
  run.log.info({ migration: migration.name }, 'a migration was applied')
}

const apply = (client: pg.Client, name: string, text: string) =>
  client.query(text).catch(error => {
    throw namedError(name, error)
  })

const record = (client: pg.Client, { version, name, sha256 }: Migration) =>
  client.query('insert into auth_private.migrations (version, name, sha256) values ($1, $2, $3)', [
    version,
    name,
    sha256,
  ])
