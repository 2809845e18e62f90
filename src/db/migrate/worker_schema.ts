import { runMigrations } from 'graphile-worker'
import pg from 'pg'
import { workerLogger } from '../../tasks/worker_log.ts'
import { namedError } from './error.ts'
import { patiently, type Run } from './patience.ts'

const NAME = "graphile-worker's schema"

/** graphile-worker's own schema, by its own migrations: each is one transaction, and is skipped where it is done. */
export async function migrateWorker(run: Run): Promise<void> {
  const { lockTimeoutMs, statementTimeoutMs } = run.patience
  const pgPool = new pg.Pool({
    connectionString: run.ownerUrl,
    application_name: run.applicationName,
    max: 1,
    lock_timeout: lockTimeoutMs,
    statement_timeout: statementTimeoutMs,
  })
  pgPool.on('error', err => run.log.warn({ err }, 'the migrating connection was lost'))
  pgPool.on('connect', run.blockers.watch)
  const migrations = () =>
    runMigrations({ pgPool, logger: workerLogger(run.log) }).catch(error => {
      throw namedError(NAME, error)
    })
  try {
    await patiently(run, NAME, migrations)
  } finally {
    await pgPool.end()
  }
}
