// Before: graphile-worker's clock (src/tasks/worker.ts). After: nothing.
import { setTimeout as sleep } from 'node:timers/promises'
import type { JobHelpers, Task } from 'graphile-worker'
import { BATCH, type Retention, rules } from './retention.ts'

/**
 * In the keys' order and past what is being counted at this moment: nobody who counts waits for this, nor this for him.
 * A batch a transaction.
 */
const ENDED_WINDOWS = `
  delete from auth_private.rate_limits where key = any (array(
    select key from auth_private.rate_limits where ends_at < now()
    order by key limit ${BATCH} for update skip locked))`

/** Deletes what is good for nothing any more: the counters of windows that have ended, and what was kept long enough. */
export const cleanUpTask =
  (retention: Retention): Task =>
  async (_payload, helpers) => {
    const failures: unknown[] = []
    const attempt = (work: Promise<void>) => work.catch((error: unknown) => void failures.push(error))
    await attempt(inBatches(helpers, async () => (await helpers.query(ENDED_WINDOWS)).rowCount))
    for (const { text, days: daysOf, answers } of rules) {
      const days = daysOf(retention)
      if (days === null) continue
      const batch = async () => {
        const { rows, rowCount } = await helpers.query<{ deleted: number }>(text, [days])
        return answers ? rows[0]!.deleted : rowCount
      }
      await attempt(inBatches(helpers, batch))
    }
    // What cannot be deleted must not keep the rest from going.
    if (failures.length === 1) throw failures[0]
    if (failures.length > 1) throw new AggregateError(failures, failures.map(String).join('; '))
  }

/** Rests as long as it works, so that those who wait for answers have the greater part of the database. */
async function inBatches({ abortSignal }: JobHelpers, batch: () => Promise<number | null>): Promise<void> {
  for (;;) {
    const beganAt = performance.now()
    if (abortSignal?.aborted || !(await batch())) return
    await sleep(performance.now() - beganAt)
  }
}
