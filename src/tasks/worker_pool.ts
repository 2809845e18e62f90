import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { Logger } from '../log.ts'

const AGAIN_MS = 1_000

export interface WorkerPool {
  pool: pg.Pool
  /** From now on connecting waits while the database cannot be reached, instead of failing. */
  wait(): void
  /** Waits no longer: what cannot be done at once is left undone. */
  hurry(): void
  /** Ends the connections once nobody uses one. */
  end(): Promise<void>
}

/**
 * The connections of graphile-worker. It neither waits for the statement that ends a job nor tries it again where the
 * connection is lost: nobody would handle that rejection, which ends the process, and the job would stay locked for four
 * hours. So connecting waits for the database, and the statement that ends a job is repeated, which does no harm where it
 * was executed already.
 */
export function openWorkerPool(ownerUrl: string, log: Logger): WorkerPool {
  let isWaiting = false
  const lost = (error: Error) => log.warn({ err: error }, 'a worker connection was lost')

  async function persist<T>(attempt: () => Promise<T>, otherwise: T): Promise<T> {
    for (;;) {
      try {
        return await attempt()
      } catch (error) {
        if (!isLoss(error)) throw error
        if (!isWaiting) return otherwise
      }
      await sleep(AGAIN_MS)
    }
  }

  class WorkerClient extends pg.Client {
    // biome-ignore lint/suspicious/noExplicitAny: pg overloads this in many ways, and only promises matter here
    override query(...args: any[]): any {
      const result = Reflect.apply(super.query, this, args)
      if (!(result instanceof Promise) || !(endsJobs(args[0]) || looksAtTasks(args[0]))) return result
      return result.catch(error => {
        if (!isLoss(error)) throw error
        return persist<object>(() => queryOnce(ownerUrl, args[0]), { rows: [] })
      })
    }
  }

  const pool = new pg.Pool({
    connectionString: ownerUrl,
    max: 10,
    application_name: 'postgraphile-wechat worker',
    Client: WorkerClient as never,
  })
  pool.on('error', lost)
  pool.on('connect', client => void client.on('error', lost))

  let hasStarted = false
  const connect = pool.connect.bind(pool)
  const patient = (callback?: Parameters<typeof connect>[0]) => {
    if (callback) return connect(callback)
    return hasStarted ? persist<pg.PoolClient>(() => connect(), NO_CLIENT) : connect()
  }
  pool.connect = patient as typeof pool.connect

  return {
    pool,
    wait() {
      hasStarted = true
      isWaiting = true
    },
    hurry() {
      isWaiting = false
    },
    async end() {
      // Some statements that end jobs are still on their way; ending the pool before would leave a job locked.
      while (pool.waitingCount > 0 || pool.totalCount > pool.idleCount) await sleep(10)
      await pool.end()
    },
  }
}

/** graphile-worker's names of its prepared statements. */
const nameOf = (config: unknown) => (config as pg.QueryConfig)?.name ?? ''
const endsJobs = (config: unknown) => /^(complete|fail)_jobs?(_q)?\//.test(nameOf(config))
/** Its first statements, which have no name; what they fail with would be remembered for good. */
const looksAtTasks = (config: unknown) =>
  /^(insert into|select id, identifier from) .*_private_tasks as tasks\b/.test(
    (config as pg.QueryConfig)?.text ?? '',
  )
const takesJobs = (config: unknown) => /^get_job/.test(nameOf(config))

/** No answer of PostgreSQL's about the statement: the connection failed, or the server is going or coming. */
const isLoss = (error: unknown) =>
  !(error instanceof pg.DatabaseError) || /^(08|53|57P)/.test(error.code ?? '')

/** On a connection of its own: those of the pool may all be waiting for this. */
async function queryOnce(connectionString: string, config: pg.QueryConfig) {
  const client = new pg.Client({ connectionString, application_name: 'postgraphile-wechat worker' })
  client.on('error', () => {})
  await client.connect()
  try {
    return await client.query(config)
  } finally {
    await client.end()
  }
}

/**
 * Stands in where the worker stops while the database cannot be reached: there is no job, and none is ended. A task that
 * asks hears the truth; "no such event" would make it succeed, and its job be ended, should the database be back by then.
 */
const NO_CLIENT = {
  async query(config: unknown) {
    if (takesJobs(config) || endsJobs(config)) return { rows: [] }
    throw new Error('the worker stops, and the database cannot be reached')
  },
  release() {},
} as unknown as pg.PoolClient
