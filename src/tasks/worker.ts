import { parseCronItems, run } from 'graphile-worker'
import { orUnreachable } from '../db/errors.ts'
import type { Logger } from '../log.ts'
import { observe, RHYTHM, type Rhythm, startWatch } from './abandoned_jobs.ts'
import { authEventTask, type OnEvent } from './auth_event.ts'
import { cleanUpTask } from './clean_up.ts'
import { startRelay } from './relay.ts'
import { RETENTION, type Retention } from './retention.ts'
import { wechatPushTask } from './wechat_push.ts'
import { workerLogger } from './worker_log.ts'
import { openWorkerPool } from './worker_pool.ts'

export interface WorkerOptions {
  /** The owner's login, direct: a transaction pooler breaks LISTEN. */
  ownerUrl: string
  log: Logger
  /** An in-process subscriber. */
  onEvent?: OnEvent | undefined
  /** What is deleted, and when. */
  retention?: Retention
  /** How soon a job goes on whose worker died; tests are less patient. */
  rhythm?: Rhythm
}

const CLOCK = parseCronItems([{ task: 'clean_up', match: '*/10 * * * *', options: { maxAttempts: 1 } }])

export interface Worker {
  /** Ends after the jobs at hand are done and unlocked. */
  stop(): Promise<void>
}

/** The background of the service: the relay of events and the jobs they become. */
export async function startWorker({
  ownerUrl,
  log,
  onEvent,
  retention = RETENTION,
  rhythm = RHYTHM,
}: WorkerOptions): Promise<Worker> {
  const { pool, wait, hurry, end } = openWorkerPool(ownerUrl, log)
  await pool.query('select').catch(async (error: unknown) => {
    await end()
    return orUnreachable('DATABASE_OWNER_URL')(error)
  })
  const doing = observe()
  // Before anything else asks: graphile-worker remembers for good if its first look at the tasks fails.
  wait()
  const runner = await run({
    pgPool: pool,
    parsedCronItems: CLOCK,
    taskList: {
      auth_event: authEventTask(log, onEvent),
      clean_up: cleanUpTask(retention),
      wechat_push: wechatPushTask(log),
    },
    concurrency: 4,
    pollInterval: 1_000,
    noHandleSignals: true,
    logger: workerLogger(log),
    events: doing.events,
  }).catch(async error => {
    await end()
    throw error
  })
  const stopRelay = startRelay(pool, log)
  const stopWatch = startWatch({ ownerUrl, log, doing, rhythm })
  return {
    async stop() {
      hurry()
      await stopRelay()
      await runner.stop()
      await end()
      await stopWatch()
    },
  }
}
