// Before: events, written by sql/schema/auth_private/*.sql. After: jobs of src/tasks/subscriber.ts.
import type pg from 'pg'
import type { Logger } from '../log.ts'

/** Two seconds is the promise; half of it is the rhythm. */
const EVERY_MS = 1_000
const BATCH = 500

/**
 * Makes deliveries of events, in batches, and jobs for subscribers that have some waiting, by
 * sql/schema/auth_private/relay_events.sql. Any number of workers may try at once. Answers a function that ends it.
 */
export function startRelay(pool: pg.Pool, log: Logger): () => Promise<void> {
  let stopped = false
  let wake = () => {}
  const pause = () =>
    new Promise<void>(resolve => {
      const timer = setTimeout(resolve, EVERY_MS)
      wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })

  const running = (async () => {
    while (!stopped) {
      const moved = await relay(pool).catch((err: unknown) => {
        log.warn({ err }, 'events could not be relayed; they wait')
        return 0
      })
      if (moved < BATCH && !stopped) await pause()
    }
  })()

  return () => {
    stopped = true
    wake()
    return running
  }
}

/** Events, and WeChat's pushes, which become jobs of src/tasks/wechat_push.ts. */
const RELAYS = ['relay_events', 'relay_pushes']

/** Answers the most that was moved of one kind. */
async function relay(pool: pg.Pool): Promise<number> {
  let most = 0
  for (const name of RELAYS) {
    const text = `select auth_private.${name}($1) as moved`
    const { rows } = await pool.query<{ moved: number }>({ name, text, values: [BATCH] })
    most = Math.max(most, rows[0]!.moved)
  }
  return most
}
