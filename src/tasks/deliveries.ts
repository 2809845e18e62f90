// Before: sql/schema/auth_private/relay_events.sql. After: src/tasks/subscriber.ts.
import type { EventBody } from './auth_event.ts'

/** A query as the owner, on a connection that is given back at once: none is held while a subscriber is told. */
export type Query = <Row extends object>(
  text: string,
  values: unknown[],
) => Promise<{ rows: Row[]; rowCount: number | null }>

export interface Subscriber {
  id: string
  /** Null: the application's own task. */
  url: string | null
  secret: string | null
}

/** An event that a subscriber is to be told of now. */
export interface Delivery {
  id: string
  event_id: string
  /** How often it has failed. */
  attempts: number
  type: string
  user_id: string
  data: object
  created_at: Date
}

/** What went wrong: for people, without secrets. */
export interface Failure {
  status?: number | undefined
  reason: string
  /** Seconds that the subscriber wants to be left alone. */
  retryAfter?: number
  /** It will not be otherwise next time. */
  isFinal?: boolean
}

const SUBSCRIBER = 'select id, url, secret from auth_private.webhooks where id = $1'

/**
 * One of a user at a time, the earliest that waits; of those about whom somebody is telling already ($2), none. What a failed
 * delivery holds back is due when that is (FAILED), so that it is not looked at in vain.
 */
export const DUE = `
  select d.id, d.event_id, d.attempts, e.type, e.user_id, e.data, e.created_at
  from auth_private.deliveries d join auth_private.events e on e.id = d.event_id
  where d.webhook_id = $1 and d.state = 'waiting' and d.due_at <= now() and d.user_id <> all ($2::uuid[])
    and not exists (
      select from auth_private.deliveries f
      where f.webhook_id = d.webhook_id and f.user_id = d.user_id and f.state = 'waiting' and f.event_id < d.event_id)
  order by d.due_at, d.event_id limit $3`

const DELIVERED = 'delete from auth_private.deliveries where id = $1'

/** $4: seconds until the next attempt; null: it is given up, and those after it go on. */
const FAILED = `
  with failed as (
    update auth_private.deliveries d
    set attempts = d.attempts + 1, last_attempt_at = now(), last_status = $2, last_error = left($3, 500),
        state = case when $4::float8 is null then 'failed' else d.state end,
        due_at = coalesce(now() + $4 * interval '1 second', d.due_at)
    where d.id = $1 and d.state = 'waiting'
    returning d.webhook_id, d.user_id, d.event_id, d.state, d.due_at
  )
  update auth_private.deliveries d set due_at = f.due_at from failed f
  where f.state = 'waiting' and d.webhook_id = f.webhook_id and d.user_id = f.user_id and d.state = 'waiting'
    and d.event_id > f.event_id and d.due_at < f.due_at`

/** The same for those that were relayed while it failed. */
const HOLD_BACK = `
  update auth_private.deliveries d set due_at = h.due_at
  from auth_private.deliveries w cross join lateral (
    select f.due_at from auth_private.deliveries f
    where f.webhook_id = w.webhook_id and f.user_id = w.user_id and f.state = 'waiting' and f.event_id < w.event_id
    order by f.event_id limit 1) h
  where w.webhook_id = $1 and w.state = 'waiting' and w.due_at <= now() and h.due_at > now() and d.id = w.id`

/** The deliveries of one subscriber, as the database has them. */
export const deliveriesOf = (query: Query, subscriberId: string) => ({
  async subscriber(): Promise<Subscriber | undefined> {
    return (await query<Subscriber>(SUBSCRIBER, [subscriberId])).rows[0]
  },
  async due(busyUsers: string[], limit: number): Promise<Delivery[]> {
    return (await query<Delivery>(DUE, [subscriberId, busyUsers, limit])).rows
  },
  async delivered({ id }: Delivery): Promise<void> {
    await query(DELIVERED, [id])
  },
  async failed({ id }: Delivery, { status, reason }: Failure, delay: number | null): Promise<void> {
    await query(FAILED, [id, status ?? null, reason, delay])
  },
  async holdBack(): Promise<void> {
    await query(HOLD_BACK, [subscriberId])
  },
})

export type Deliveries = ReturnType<typeof deliveriesOf>

/** The nil UUID (RFC 9562): the event is about no user. */
const NOBODY = '00000000-0000-0000-0000-000000000000'

/** What a subscriber is told; the same whenever it is told. */
export const bodyOf = ({ type, user_id, data, created_at }: Delivery): EventBody => ({
  type,
  timestamp: created_at.toISOString(),
  data: { ...data, ...(user_id !== NOBODY && { user_id }) },
})
