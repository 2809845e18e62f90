// Before: src/metrics/metrics.ts. After: sql/schema/auth_private/metrics.sql.
import type { Config } from '../config.ts'
import type { Database } from '../db/database.ts'
import { type MetricRow, readMetrics } from '../db/statements.ts'
import type { Logger } from '../log.ts'
import { keepFresh } from './fresh.ts'

/** How often what is asked, and how long is waited. */
export interface Pace {
  /** Milliseconds for which an answer is given again as it was. */
  answerMs: number
  /** The same of what was read of the database. */
  databaseMs: number
  /** So long a scrape waits for the database; then it answers without. */
  waitMs: number
}

export const PACE: Pace = { answerMs: 1_000, databaseMs: 5_000, waitMs: 2_000 }

export interface DatabaseMetricsOptions {
  db: Database
  log: Logger
  wechat: Pick<Config['wechat'], 'apps' | 'tokenKind'>
  pace: Pace
}

/**
 * What the database says of itself; undefined: it does not answer, or not in time. One statement at a time and every few
 * seconds, on a connection of the pool: however many ask, and however long it hangs.
 */
export function readDatabase({ db, log, wechat, pace }: DatabaseMetricsOptions) {
  const appids = Object.keys(wechat.apps)
  let wasUp = true
  const read = keepFresh(pace.databaseMs, () =>
    readMetrics(db, appids, wechat.tokenKind).then(
      rows => {
        if (!wasUp) log.info('the metrics of the database can be read again')
        wasUp = true
        return rows
      },
      (err: unknown) => {
        if (wasUp) log.warn({ err }, 'the metrics of the database cannot be read')
        wasUp = false
        return undefined
      },
    ),
  )
  return async (): Promise<MetricRow[] | undefined> => {
    const late = Promise.withResolvers<undefined>()
    const timer = setTimeout(() => late.resolve(undefined), pace.waitMs)
    try {
      return await Promise.race([read(), late.promise])
    } finally {
      clearTimeout(timer)
    }
  }
}
