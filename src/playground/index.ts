// Hop before: src/start.ts, in development only. Hop after: watch.ts (what happens), routes.ts (the page).
import type { RequestHandler, Response, Router } from 'express'
import type { Services } from '../services.ts'
import type { Fetch } from '../wechat/http.ts'
import { playgroundRouter } from './routes.ts'
import { createSteps } from './steps.ts'
import { openTables } from './stored.ts'
import { watchFetch, watchPool, watchRequests } from './watch.ts'

export interface PlaygroundOptions {
  /** Reads the rows that the page shows; without it the page says that it cannot. */
  ownerUrl: string | undefined
  /** Whether WeChat is simulated by this process. */
  simulated: boolean
}

export interface Playground {
  /** The same fetch, looked at. */
  watchFetch(fetch: Fetch): Fetch
  /** Looks at the services' statements, and answers what src/app.ts mounts. */
  of(services: Services): { router: Router; watch: RequestHandler }
  /** Ends the pages' streams, which would keep the server from closing, and the connections. */
  close(): Promise<void>
}

/** A phone in the browser, and beside it what really happens: src/playground/page. */
export function createPlayground({ ownerUrl, simulated }: PlaygroundOptions): Playground {
  const steps = createSteps()
  const streams = new Set<Response>()
  let close = async () => {}
  return {
    watchFetch: fetch => watchFetch(steps, fetch),
    of(services) {
      watchPool(steps, services.db.pool)
      const tables = ownerUrl === undefined ? undefined : openTables(ownerUrl, services.log)
      close = async () => tables?.close()
      return {
        router: playgroundRouter({ services, steps, tables, simulated, streams }),
        watch: watchRequests(steps),
      }
    },
    close: () => {
      for (const stream of streams) stream.end()
      return close()
    },
  }
}
