// Before: src/tasks/relay.ts. After: the subscriber of this process.
import type { Task } from 'graphile-worker'
import { z } from 'zod'
import { type Logger, maskPhones } from '../log.ts'

/** An event as subscribers see it. */
export interface AuthEvent {
  type: string
  /** When it happened, ISO 8601. */
  timestamp: string
  data: { user_id: string; [member: string]: unknown }
}

/** Called at least once for every event; may throw, and is called again later. */
export type OnEvent = (event: AuthEvent) => void | Promise<void>

const Payload = z.object({ event_id: z.coerce.string().regex(/^\d+$/) })

/**
 * The task of one event. The job holds the event's id alone, so that a phone which has to be forgotten is forgotten in
 * one place; an event that is gone is nobody's business any more.
 */
export const authEventTask =
  (log: Logger, onEvent: OnEvent | undefined): Task =>
  async (payload, { query }) => {
    const { event_id } = Payload.parse(payload)
    const { rows } = await query<{ type: string; user_id: string; data: object; created_at: Date }>(
      'select type, user_id, data, created_at from auth_private.events where id = $1',
      [event_id],
    )
    const row = rows[0]
    if (!row) return
    try {
      await onEvent?.({
        type: row.type,
        timestamp: row.created_at.toISOString(),
        data: { ...row.data, user_id: row.user_id },
      })
    } catch (error) {
      // graphile-worker keeps the message beside the job, and logs it.
      const { message, stack = '' } = error instanceof Error ? error : new Error(String(error))
      throw Object.assign(new Error(maskPhones(message)), { stack: maskPhones(stack) })
    }
    log.info({ event: row.type, event_id, user_id: row.user_id }, 'an event was delivered')
  }
