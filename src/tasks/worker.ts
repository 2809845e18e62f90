import { run } from 'graphile-worker'
import { orUnreachable } from '../db/errors.ts'
import type { Logger } from '../log.ts'
import { authEventTask, type OnEvent } from './auth_event.ts'
import { startRelay } from './relay.ts'
import { workerLogger } from './worker_log.ts'
import { openWorkerPool } from './worker_pool.ts'

export interface WorkerOptions {
  /** The owner's login, direct: a transaction pooler breaks LISTEN. */
  ownerUrl: string
  log: Logger
  /** An in-process subscriber. */
  onEvent?: OnEvent | undefined
  /**
   * No other worker runs on this database: what is locked was left by one that was killed, and is unlocked now, where
   * graphile-worker would wait for four hours.
   */
  isAlone?: boolean
}

const UNLOCK = `select graphile_worker.force_unlock_workers(
  array(select distinct locked_by from graphile_worker.jobs where locked_by is not null))`

export interface Worker {
  /** Ends after the jobs at hand are done and unlocked. */
  stop(): Promise<void>
}

/** The background of the service: the relay of events and the jobs they become. */
export async function startWorker({
  ownerUrl,
  log,
  onEvent,
  isAlone = false,
}: WorkerOptions): Promise<Worker> {
  const { pool, wait, hurry, end } = openWorkerPool(ownerUrl, log)
  await pool.query(isAlone ? UNLOCK : 'select').catch(async (error: unknown) => {
    await end()
    return orUnreachable('DATABASE_OWNER_URL')(error)
  })
  const runner = await run({
    pgPool: pool,
    parsedCronItems: [],
    taskList: { auth_event: authEventTask(log, onEvent) },
    concurrency: 4,
    pollInterval: 1_000,
    noHandleSignals: true,
    logger: workerLogger(log),
  }).catch(async error => {
    await end()
    throw error
  })
  wait()
  const stopRelay = startRelay(pool, log)
  return {
    async stop() {
      hurry()
      await stopRelay()
      await runner.stop()
      await end()
    },
  }
}
