import type pg from 'pg'
import { codeVersion } from '../db/migrate.ts'
import { connect } from './connect.ts'
import { ImportError, named } from './error.ts'

export const TARGET = 'The database of DATABASE_OWNER_URL'

/** Session-level: two imports into one database wait for each other; our own number. */
export const TURN = 0x77_78_69_6d

/** The owner's connection to our database, which must have our schema, and which no other import is writing. */
export async function openTarget(ownerUrl: string): Promise<{ client: pg.Client; close(): Promise<void> }> {
  const client = await connect(ownerUrl, TARGET)
  try {
    await requireSchema(client)
    await takeTurn(client)
    await client.query(
      `set timezone = 'UTC'; set statement_timeout = 0; set idle_in_transaction_session_timeout = 0; set row_security = off`,
    )
    return { client, close: () => client.end().catch(() => {}) }
  } catch (error) {
    await client.end().catch(() => {})
    throw named(TARGET, error)
  }
}

async function requireSchema(client: pg.Client) {
  const { rows } = await client.query<{ ours: boolean }>(
    `select to_regclass('auth_private.migrations') is not null as ours`,
  )
  if (!rows[0]!.ours)
    throw new ImportError(`${TARGET} does not have our schema yet: run npx postgraphile-wechat migrate first`)
  const { rows: migrations } = await client.query<{ version: number }>(
    'select max(version)::integer as version from auth_private.migrations',
  )
  if (migrations[0]!.version < codeVersion())
    throw new ImportError(
      `${TARGET} has the schema of an older version: run npx postgraphile-wechat migrate first`,
    )
}

/** An import that was killed keeps its turn until the server notices, which is soon. */
async function takeTurn(client: pg.Client) {
  await client.query(`set lock_timeout = '60s'`)
  await client.query('select pg_advisory_lock($1)', [TURN]).catch(error => {
    if (error.code !== '55P03') throw error
    throw new ImportError('Another import into this database has not ended for a minute', { cause: error })
  })
  await client.query('set lock_timeout = 0')
}
