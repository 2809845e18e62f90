import { parseCronItems, run } from 'graphile-worker'
import type pg from 'pg'
import type { Database, Statement } from '../db/database.ts'
import { orUnreachable } from '../db/errors.ts'
import type { Logger } from '../log.ts'
import { createUsage, type Usage } from '../wechat/usage.ts'
import { observe, RHYTHM, type Rhythm, startWatch } from './abandoned_jobs.ts'
import { accessTokensTask, type WorkerWechat } from './access_tokens.ts'
import { startRelay } from './relay.ts'
import { RETENTION, type Retention } from './retention.ts'
import { PACE, type Pace } from './subscriber.ts'
import { taskList, type WorkerTasks } from './tasks.ts'
import { createSender } from './webhook.ts'
import { workerLogger } from './worker_log.ts'
import { openWorkerPool } from './worker_pool.ts'

export interface WorkerOptions {
  /** The owner's login, direct: a transaction pooler breaks LISTEN. */
  ownerUrl: string
  log: Logger
  /** Tasks of the application; `auth_event` makes it a subscriber. */
  tasks?: WorkerTasks | undefined
  /** Deliver to private and loopback addresses: WEBHOOK_ALLOW_PRIVATE. */
  webhookAllowPrivate?: boolean
  /** What is deleted, and when. */
  retention?: Retention
  /** The apps whose access tokens it replaces ahead of their end; undefined: the nodes do that on demand. */
  wechat?: WorkerWechat | undefined
  /** How soon a job goes on whose worker died; tests are less patient. */
  rhythm?: Rhythm
  /** How patient deliveries are; tests are less patient. */
  pace?: Partial<Pace>
}

/**
 * Jobs at once. One that delivers waits for somebody else's server most of the time, and holds no connection: so many
 * subscribers have to be slow at once before another has to wait for a job's time (Pace) to be over.
 */
const CONCURRENCY = 16

/** The application is a subscriber like others, but for the URL; there is one such row. */
const SUBSCRIBE = 'insert into auth_private.webhooks default values on conflict do nothing'

const CLEAN_UP = { task: 'clean_up', match: '*/10 * * * *', options: { maxAttempts: 1 } }
const ACCESS_TOKENS = {
  task: 'access_tokens',
  match: '* * * * *',
  options: { maxAttempts: 1, jobKey: 'access_tokens' },
}

export interface Worker {
  /** Ends after the jobs at hand are done and unlocked. */
  stop(): Promise<void>
}

/** The background of the service: the relay of events and the jobs they become. */
export async function startWorker({
  ownerUrl,
  log,
  tasks = {},
  webhookAllowPrivate: allowPrivate = false,
  retention = RETENTION,
  wechat,
  rhythm = RHYTHM,
  pace: givenPace,
}: WorkerOptions): Promise<Worker> {
  const pace = { ...PACE, ...givenPace }
  const stopping = new AbortController()
  const send = createSender({ allowPrivate, requestMs: pace.requestMs })
  const { pool, wait, hurry, end } = openWorkerPool(ownerUrl, log)
  const db = statementsOn(pool)
  const usage = createUsage({ query: db.all, log })
  const accessTokens = wechat && accessTokensTask(counted(wechat, usage), db, log)
  const list = taskList({ tasks, log, pace, retention, send, accessTokens, stopping: stopping.signal })
  await pool.query(tasks.auth_event ? SUBSCRIBE : 'select').catch(async (error: unknown) => {
    await end()
    return orUnreachable('DATABASE_OWNER_URL')(error)
  })
  const doing = observe()
  // Before anything else asks: graphile-worker remembers for good if its first look at the tasks fails.
  wait()
  const runner = await run({
    pgPool: pool,
    parsedCronItems: parseCronItems(wechat ? [CLEAN_UP, ACCESS_TOKENS] : [CLEAN_UP]),
    taskList: list,
    concurrency: CONCURRENCY,
    pollInterval: 2_000,
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
      stopping.abort()
      hurry()
      await stopRelay()
      await runner.stop()
      await usage.close()
      await end()
      await stopWatch()
    },
  }
}

/** Its calls of WeChat are counted as those of a node. */
const counted = (wechat: WorkerWechat, usage: Usage): WorkerWechat => ({
  ...wechat,
  observe(call) {
    usage.observe(call)
    wechat.observe?.(call)
  },
})

/** The web service's statements, as the owner. */
function statementsOn(pool: pg.Pool): Pick<Database, 'one' | 'all'> {
  const all = async <Row extends object>({ name, text }: Statement, values: unknown[]) =>
    (await pool.query<Row>({ name, text, values })).rows
  return {
    all,
    one: async <Row extends object>(statement: Statement, values: unknown[]) =>
      (await all<Row>(statement, values))[0]!,
  }
}
