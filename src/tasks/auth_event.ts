// Before: src/tasks/subscriber.ts. After: the application's own task.
import type { JobHelpers, Task } from 'graphile-worker'
import { type Logger, maskPhones } from '../log.ts'
import { bodyOf } from './deliveries.ts'
import type { Send } from './subscriber.ts'

/** What subscribers are told. */
export interface EventBody {
  type: string
  /** When it happened, ISO 8601. */
  timestamp: string
  /** Whom it is about, and more; `wechat.budget_warning` is about nobody. */
  data: { user_id?: string; [member: string]: unknown }
}

/** An event as the application's own task sees it. */
export interface AuthEvent extends EventBody {
  /** The same whenever it is called with this event. */
  id: string
}

/**
 * The application's task `auth_event`: called at least once for every event, in the order of the events of one user; may throw,
 * and is called again later.
 */
export type EventTask = (event: AuthEvent, helpers: JobHelpers) => unknown

/** Tells the application's own task. */
export const sendToTask =
  (task: EventTask, log: Logger): Send =>
  async (_subscriber, delivery, helpers) => {
    try {
      await task({ id: delivery.event_id, ...bodyOf(delivery) }, helpers)
      return undefined
    } catch (error) {
      log.warn({ err: error, task: 'auth_event' }, 'a task of the application failed')
      return { reason: maskedError(error).message }
    }
  }

/** A task of the application whose errors may be kept and logged: graphile-worker does both. */
export const masked =
  (task: Task): Task =>
  async (payload, helpers) => {
    try {
      return await task(payload, helpers)
    } catch (error) {
      throw maskedError(error)
    }
  }

function maskedError(error: unknown): Error {
  const { message, stack = '' } = error instanceof Error ? error : new Error(String(error))
  return Object.assign(new Error(maskPhones(message)), { stack: maskPhones(stack) })
}
