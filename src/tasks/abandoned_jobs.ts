// Before: src/tasks/worker.ts. After: graphile-worker, which takes the jobs that are given back here.
import { EventEmitter } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { WorkerEvents } from 'graphile-worker'
import pg from 'pg'
import type { Logger } from '../log.ts'

/**
 * graphile-worker gives a job back after four hours, whoever had it. Two things leave one locked that nobody does: a worker
 * that died, and an answer to "give me a job" that was lost on its way. So every worker shows that it lives, by an advisory
 * lock that ends with its connection, and looks again and again for jobs whose worker does not live, and for jobs of its
 * own that it knows nothing of.
 */
export interface Rhythm {
  /** Milliseconds between two looks. */
  everyMs: number
  /** How long nobody must have been seen with a job. A living worker that lost its connection is back long before. */
  graceMs: number
}

/** The third look that finds a job abandoned gives it back: 20 to 30 seconds after the worker's death. */
export const RHYTHM: Rhythm = { everyMs: 10_000, graceMs: 15_000 }
const AGAIN_MS = 1_000
const LIMIT_MS = 5_000

/** The first half of the lock's key, an arbitrary fixed number; the second is the hash of the worker's id. */
const KEY = 913_048

/**
 * Shared, so that it is never waited for, should the server still believe in a former connection. The server ends a session
 * that is silent for too long, as that of a machine that lost its power, and the lock with it.
 */
const SHOW = `select pg_advisory_lock_shared($1, hashtext($2)), set_config('idle_session_timeout', $3, false)`

/** How many workers show that they live. Anybody may ask. */
export const LIVING = `
  select count(distinct l.objid)::integer as workers from pg_locks l
  where l.locktype = 'advisory' and l.granted and l.classid = ${KEY} and l.objsubid = 2
    and l.database = (select d.oid from pg_database d where d.datname = current_database())`

/** Jobs whose worker shows nothing, and those of this worker. `lock` is another one when a job is locked anew. */
const LOOK = `
  select j.id, j.locked_by as worker, concat_ws(' ', j.id, j.locked_by, j.locked_at) as lock
  from graphile_worker.jobs j
  where j.locked_by = $2 or j.locked_by is not null and not exists (
    select from pg_locks l
    where l.locktype = 'advisory' and l.granted
      and l.database = (select d.oid from pg_database d where d.datname = current_database())
      and l.classid = $1 and l.objid = (hashtext(j.locked_by)::bigint & 4294967295)::oid and l.objsubid = 2)`

/** As graphile-worker's own, which gives back all jobs of a worker and not single ones. */
const GIVE_BACK = `
  with freed as (
    update graphile_worker._private_jobs set locked_by = null, locked_at = null
    where (id, locked_by) in (select * from unnest($1::bigint[], $2::text[]))
    returning job_queue_id
  )
  update graphile_worker._private_job_queues q set locked_by = null, locked_at = null
  from freed where q.id = freed.job_queue_id and q.locked_by = any ($2)`

interface LockedJob {
  id: string
  worker: string
  lock: string
}

/** What the workers of this process do, as they tell it. */
export function observe() {
  const events: WorkerEvents = new EventEmitter()
  const inHand = new Set<string>()
  const doing = { events, inHand, workerId: '' }
  events.on('pool:create', ({ workerPool }) => {
    doing.workerId = workerPool.id
  })
  events.on('job:start', ({ job }) => inHand.add(job.id))
  events.on('job:complete', ({ job }) => inHand.delete(job.id))
  return doing
}

export interface WatchOptions {
  ownerUrl: string
  log: Logger
  doing: ReturnType<typeof observe>
  rhythm: Rhythm
}

/** Shows that this worker lives, and gives back what nobody does. Answers a function that ends it. */
export function startWatch({ ownerUrl, log, doing, rhythm }: WatchOptions): () => Promise<void> {
  const end = new AbortController()
  const pause = (ms: number) => sleep(ms, undefined, { signal: end.signal }).catch(() => {})

  async function watch() {
    const client = new pg.Client({
      connectionString: ownerUrl,
      application_name: 'postgraphile-wechat worker',
      connectionTimeoutMillis: LIMIT_MS,
      query_timeout: LIMIT_MS,
      keepAlive: true,
    })
    const lost = new Promise<void>(resolve => client.once('end', resolve))
    client.on('error', () => {})
    try {
      await client.connect()
      await client.query(SHOW, [KEY, doing.workerId, String(3 * rhythm.everyMs)])
      // Anew with every connection: while this one was away, others may have been away as well.
      const seenSince = new Map<string, number>()
      while (!end.signal.aborted) {
        await look(client, seenSince)
        await Promise.race([pause(rhythm.everyMs), lost])
      }
    } finally {
      await client.end().catch(() => {})
    }
  }

  async function look(client: pg.Client, seenSince: Map<string, number>) {
    const now = Date.now()
    const { rows } = await client.query<LockedJob>(LOOK, [KEY, doing.workerId])
    const suspects = rows.filter(({ id, worker }) => worker !== doing.workerId || !doing.inHand.has(id))
    const locks = new Set(suspects.map(({ lock }) => lock))
    for (const lock of seenSince.keys()) if (!locks.has(lock)) seenSince.delete(lock)
    for (const lock of locks) if (!seenSince.has(lock)) seenSince.set(lock, now)
    const abandoned = suspects.filter(({ lock }) => now - seenSince.get(lock)! >= rhythm.graceMs)
    if (abandoned.length === 0) return
    await client.query(GIVE_BACK, [abandoned.map(({ id }) => id), abandoned.map(({ worker }) => worker)])
    log.warn({ jobs: abandoned.length }, 'jobs that nobody did any more were given back')
  }

  const running = (async () => {
    while (!end.signal.aborted) {
      await watch().catch((err: unknown) =>
        log.warn({ err }, 'the watch over abandoned jobs was interrupted'),
      )
      await pause(AGAIN_MS)
    }
  })()

  return () => {
    end.abort()
    return running
  }
}
