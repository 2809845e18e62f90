import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { TestDatabase } from '../support/database.ts'

/** Waits until something holds; fails after half a minute. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const giveUpAt = Date.now() + 30_000
  while (!(await holds())) {
    if (Date.now() > giveUpAt) throw new Error(`Waited in vain: ${holds}`)
    await sleep(20)
  }
}

export const PHONE = '+8613812345678'

/** Writes events as the definers do, and answers whom they are about, in order. `relayedAt`: null, or an expression. */
export async function writeEvents(
  db: Pick<TestDatabase, 'rows'>,
  count: number,
  relayedAt = 'null',
): Promise<string[]> {
  const users = Array.from({ length: count }, () => randomUUID())
  await db.rows(
    `insert into auth_private.events (type, user_id, data, relayed_at)
     select 'phone.bound', u::uuid, jsonb_build_object('phone', $2::text), ${relayedAt} from unnest($1::text[]) with ordinality t (u, n) order by n`,
    [users, PHONE],
  )
  return users
}

/** The jobs that wait, as graphile-worker keeps them, but for those that its clock makes. */
export const jobs = (db: TestDatabase) =>
  db.rows<{
    task: string
    payload: Record<string, unknown>
    attempts: number
    locked_by: string | null
    last_error: string | null
  }>(
    `select t.identifier as task, j.payload, j.attempts, j.locked_by, j.last_error
     from graphile_worker._private_jobs j join graphile_worker._private_tasks t on t.id = j.task_id
     where t.identifier <> 'clean_up' order by j.id`,
  )

/** Adds jobs of the task `chore`, one after the other, and answers whom they are about. */
export async function addChores(db: Pick<TestDatabase, 'rows'>, count: number, queue: string | null = null) {
  const users = Array.from({ length: count }, () => randomUUID())
  await db.rows(
    `select graphile_worker.add_job('chore', json_build_object('user_id', u), queue_name => $2,
       run_at => now() - interval '1 minute' + n * interval '1 millisecond')
     from unnest($1::text[]) with ordinality t (u, n) order by n`,
    [users, queue],
  )
  return users
}

export interface StoredDelivery {
  id: string
  webhook_id: string
  event_id: string
  user_id: string
  state: 'waiting' | 'failed'
  due_at: Date
  attempts: number
  last_status: number | null
  last_error: string | null
}

/** What subscribers have not been told. */
export const deliveries = (db: Pick<TestDatabase, 'rows'>) =>
  db.rows<StoredDelivery>('select * from auth_private.deliveries order by id')

/** Lets deliveries that failed be tried again now. */
export const hurry = (db: TestDatabase) =>
  db.rows(`update auth_private.deliveries set due_at = now() where state = 'waiting'`)

/** Everything has been relayed and delivered, but for what was given up. */
export const isDelivered = async (db: TestDatabase) =>
  (
    await db.row<{ done: boolean }>(
      `select not exists (select from auth_private.events where relayed_at is null)
         and not exists (select from auth_private.deliveries where state = 'waiting') as done`,
    )
  ).done
