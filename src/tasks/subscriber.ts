// Before: graphile-worker, with a job that sql/schema/auth_private/relay_events.sql made.
// After: src/tasks/webhook.ts or src/tasks/auth_event.ts.
import { setTimeout as sleep } from 'node:timers/promises'
import type { JobHelpers, Task } from 'graphile-worker'
import { z } from 'zod'
import type { Logger } from '../log.ts'
import {
  type Deliveries,
  type Delivery,
  deliveriesOf,
  type Failure,
  type Query,
  type Subscriber,
} from './deliveries.ts'
import { delayAfter, SCHEDULE } from './retries.ts'

/** How patient deliveries are. */
export interface Pace {
  /** Milliseconds that a subscriber has for its answer. */
  requestMs: number
  /** So long a job takes up deliveries; then it is another subscriber's turn. */
  jobMs: number
  /** About so many users one subscriber is told at once. */
  atOnce: number
  /** Seconds after each failure until the next attempt. */
  schedule: readonly number[]
}

export const PACE: Pace = { requestMs: 15_000, jobMs: 20_000, atOnce: 10, schedule: SCHEDULE }
const LOOK_AGAIN_MS = 500

/** Tells a subscriber. Undefined: done; `stopped`: the worker ended before it was. */
export type Send = (
  subscriber: Subscriber,
  delivery: Delivery,
  helpers: JobHelpers,
) => Promise<Failure | 'stopped' | undefined>

export interface DeliverOptions {
  log: Logger
  pace: Pace
  /** Aborted when the worker stops: nothing more is taken up. */
  stopping: AbortSignal
  send: Send
}

const Payload = z.union([
  z.object({ subscriber_id: z.uuid() }),
  z.object({ event_id: z.coerce.string().regex(/^\d+$/) }),
])

/** What a relay of the version before left: a job for one event, which was the application's own. */
const FORMER_JOB = `
  insert into auth_private.deliveries (webhook_id, event_id, user_id)
  select w.id, e.id, e.user_id from auth_private.events e, auth_private.webhooks w
  where e.id = $1 and w.url is null on conflict do nothing`

/** The task of one subscriber: tells it what is due. What is not by then, the relay makes the next job for. */
export const subscriberTask =
  (options: DeliverOptions): Task =>
  async (payload, helpers) => {
    const parsed = Payload.parse(payload)
    if ('event_id' in parsed) {
      await helpers.query(FORMER_JOB, [parsed.event_id])
      return
    }
    const deliveries = deliveriesOf(helpers.query as Query, parsed.subscriber_id)
    const subscriber = await deliveries.subscriber()
    if (subscriber) await deliver(subscriber, deliveries, helpers, options)
  }

/** Several users at once, one user's deliveries one after the other. */
async function deliver(
  subscriber: Subscriber,
  deliveries: Deliveries,
  helpers: JobHelpers,
  { log, pace, stopping, send }: DeliverOptions,
): Promise<void> {
  const endAt = Date.now() + pace.jobMs
  const busy = new Map<string, Promise<void>>()
  const faults: unknown[] = []
  const isOver = () => faults.length > 0 || stopping.aborted || Date.now() >= endAt

  const begin = (delivery: Delivery) =>
    tell(delivery)
      .catch(error => void faults.push(error))
      .finally(() => busy.delete(delivery.user_id))

  async function tell(delivery: Delivery): Promise<void> {
    const failure = await send(subscriber, delivery, helpers)
    if (failure === 'stopped') return
    const { type: event, event_id, user_id } = delivery
    const about = { event, event_id, user_id, subscriber_id: subscriber.id }
    if (failure === undefined) {
      await deliveries.delivered(delivery)
      log.info(about, 'an event was delivered')
      return
    }
    const attempts = delivery.attempts + 1
    const delay = failure.isFinal ? null : delayAfter(attempts, failure.retryAfter, pace.schedule)
    await deliveries.failed(delivery, failure, delay)
    const { reason } = failure
    if (delay === null) log.error({ ...about, attempts, reason }, 'an event could not be delivered; given up')
    else log.warn({ ...about, attempts, reason }, 'an event could not be delivered; tried again later')
  }

  let isDone = false
  while (!isDone && !isOver()) {
    const due = await deliveries.due([...busy.keys()], pace.atOnce - busy.size)
    for (const delivery of due) busy.set(delivery.user_id, begin(delivery))
    isDone = busy.size === 0
    if (!isDone) await oneOf([...busy.values()], busy.size < pace.atOnce)
  }
  await Promise.all(busy.values())
  if (faults.length > 0) throw faults[0]
  if (isDone) await deliveries.holdBack()
}

/** Waits until one of them has ended or, where there is room for more, a moment has passed. */
async function oneOf(busy: Promise<void>[], hasRoom: boolean): Promise<void> {
  const end = new AbortController()
  const pause = hasRoom ? [sleep(LOOK_AGAIN_MS, undefined, { signal: end.signal }).catch(() => {})] : []
  await Promise.race([...busy, ...pause])
  end.abort()
}
