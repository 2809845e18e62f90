// Before: graphile-worker's clock (src/tasks/worker.ts). After: src/wechat/access_token.ts.
import type { Task } from 'graphile-worker'
import type { Config } from '../config.ts'
import type { Database } from '../db/database.ts'
import { AppError } from '../errors.ts'
import type { Logger } from '../log.ts'
import { WORKER_MARGIN_MS } from '../wechat/access_token.ts'
import { createWechat } from '../wechat/client.ts'
import type { Observe } from '../wechat/http.ts'

/** The apps whose access tokens a worker keeps, and where WeChat is. */
export interface WorkerWechat {
  config: Config['wechat']
  /** Base URL of WeChat's server API, without a slash at the end. */
  apiUrl: string
  /** Told of every call of WeChat once it has ended. */
  observe?: Observe | undefined
}

/**
 * Replaces each app's access token some minutes before its end, so that no request has to; where there is none, it fetches
 * the first. Any number of workers may try. What WeChat refuses is in the log and in the row by then, and a failure here is no
 * reason to try again before the clock does.
 */
export function accessTokensTask(
  { config, apiUrl, observe }: WorkerWechat,
  db: Pick<Database, 'one'>,
  log: Logger,
): Task {
  const { token } = createWechat({ config, apiUrl, db, log, observe, marginMs: WORKER_MARGIN_MS })
  return async () => {
    await Promise.all(
      Object.keys(config.apps).map(appid =>
        token.get(appid).catch((error: unknown) => {
          if (!(error instanceof AppError)) throw error
        }),
      ),
    )
    await token.settle()
  }
}
