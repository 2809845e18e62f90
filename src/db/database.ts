import pg from 'pg'
import type { Logger } from '../log.ts'
import { fromDatabase, isUnavailable } from './errors.ts'

/** The web service's connections. */
export interface Database {
  readonly pool: pg.Pool
  /**
   * Runs one prepared statement on a connection of the pool and answers its only row. Raises the catalogue's errors
   * (`database_unavailable`, and what SQL raises by a private SQLSTATE).
   */
  one<Row extends object>(statement: Statement, values: unknown[]): Promise<Row>
  /** The same, with all its rows. */
  all<Row extends object>(statement: Statement, values: unknown[]): Promise<Row[]>
  close(): Promise<void>
}

/** A statement that is prepared once a connection; a test prepares each against the real schema. */
export interface Statement {
  readonly name: string
  readonly text: string
}

export interface DatabaseOptions {
  url: string
  /** The most connections at once. */
  poolSize: number
  /** Milliseconds to wait for a connection, and for one statement of ours. */
  timeoutMs: number
  log: Logger
}

/** Statements of the application's own, which PostGraphile makes, may take longer than ours. */
const APPLICATION_TIMEOUT_MS = 60_000

/** The driver takes the limit for a single statement, too; its types do not say so. */
type QueryConfig = pg.QueryConfig & { query_timeout: number }

export function openDatabase({ url, poolSize, timeoutMs, log }: DatabaseOptions): Database {
  const pool = new pg.Pool({
    connectionString: url,
    max: poolSize,
    connectionTimeoutMillis: timeoutMs,
    query_timeout: APPLICATION_TIMEOUT_MS,
    keepAlive: true,
    application_name: 'postgraphile-wechat',
  })
  // Without a listener a connection that the server closes ends the process: one while the connection is idle, one while
  // somebody has it, who hears of it from his statement.
  pool.on('error', error => log.warn({ err: error }, 'an idle database connection was lost'))
  pool.on('connect', client => void client.on('error', () => {}))

  async function all<Row extends object>({ name, text }: Statement, values: unknown[]): Promise<Row[]> {
    // Not pool.query: it ends the connection after any error, also one that our SQL raises.
    let isBroken = false
    const client = await pool.connect().catch(error => {
      throw fromDatabase(error)
    })
    try {
      return (await client.query<Row>({ name, text, values, query_timeout: timeoutMs } as QueryConfig)).rows
    } catch (error) {
      isBroken = isUnavailable(error)
      throw fromDatabase(error)
    } finally {
      client.release(isBroken)
    }
  }
  return {
    pool,
    all,
    one: async <Row extends object>(statement: Statement, values: unknown[]) =>
      (await all<Row>(statement, values))[0]!,
    close: () => pool.end(),
  }
}
