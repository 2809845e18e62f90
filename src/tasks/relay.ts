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
      const moved = await relayAll(pool).catch((err: unknown) => {
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

/** WeChat's pushes become jobs as events do: of src/tasks/wechat_push.ts. Answers the most that was moved of one kind. */
async function relayAll(pool: pg.Pool): Promise<number> {
  const events = await relay(pool)
  const { rows } = await pool.query<{ moved: number }>({
    name: 'relay_pushes',
    text: 'select auth_private.relay_pushes($1) as moved',
    values: [BATCH],
  })
  return Math.max(events, rows[0]!.moved)
}

async function relay(pool: pg.Pool): Promise<number> {
  const { rows } = await pool.query<{ moved: number }>({
    name: 'relay_events',
    text: 'select auth_private.relay_events($1) as moved',
    values: [BATCH],
  })
  return rows[0]!.moved
}
