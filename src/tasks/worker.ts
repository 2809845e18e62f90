import { setTimeout as sleep } from 'node:timers/promises'
import { run } from 'graphile-worker'
import pg from 'pg'
import type { Logger } from '../log.ts'
import { authEventTask, type OnEvent } from './auth_event.ts'
import { startRelay } from './relay.ts'
import { workerLogger } from './worker_log.ts'

export interface WorkerOptions {
  /** The owner's login, direct: a transaction pooler breaks LISTEN. */
  ownerUrl: string
  log: Logger
  /** An in-process subscriber. */
  onEvent?: OnEvent | undefined
}

export interface Worker {
  /** Ends after the jobs at hand are done and unlocked. */
  stop(): Promise<void>
}

/** The background of the service: the relay of events and the jobs they become. */
export async function startWorker({ ownerUrl, log, onEvent }: WorkerOptions): Promise<Worker> {
  const pool = new pg.Pool({
    connectionString: ownerUrl,
    max: 6,
    application_name: 'postgraphile-wechat worker',
  })
  const lost = (error: Error) => log.warn({ err: error }, 'a worker connection was lost')
  pool.on('error', lost)
  pool.on('connect', client => void client.on('error', lost))
  const runner = await run({
    pgPool: pool,
    parsedCronItems: [],
    taskList: { auth_event: authEventTask(log, onEvent) },
    concurrency: 4,
    pollInterval: 1_000,
    noHandleSignals: true,
    logger: workerLogger(log),
  })
  const stopRelay = startRelay(pool, log)
  return {
    async stop() {
      await stopRelay()
      await runner.stop()
      // The runner gives its last connection back a moment later; ending the pool before would leave a job locked.
      while (pool.totalCount > pool.idleCount) await sleep(10)
      await pool.end()
    },
  }
}
