// Before: graphile-worker's clock (src/tasks/worker.ts). After: nothing.
import type { Task } from 'graphile-worker'

const BATCH = 10_000

/**
 * In the keys' order and past what is being counted at this moment: nobody who counts waits for this, nor this for him.
 * A batch a transaction.
 */
const ENDED_WINDOWS = `
  delete from auth_private.rate_limits where key in (
    select key from auth_private.rate_limits where ends_at < clock_timestamp()
    order by key limit ${BATCH} for update skip locked)`

/** Deletes what is good for nothing any more: the counters of windows that have ended. */
export const cleanUpTask: Task = async (_payload, { query, abortSignal }) => {
  let deleted = BATCH
  while (deleted === BATCH && !abortSignal?.aborted) deleted = (await query(ENDED_WINDOWS)).rowCount ?? 0
}
