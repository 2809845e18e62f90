import { createHmac } from 'node:crypto'
import type { Config } from '../config.ts'
import type { Database } from '../db/database.ts'
import { AppError } from '../errors.ts'
import { createCounters, SharedLimiter } from './counters.ts'
import { type Key, type Rule, rules } from './rules.ts'

export interface Limits {
  /**
   * Counts one operation by whoever is known of its caller. Raises `over_request_rate_limit` where that was one too many,
   * `database_unavailable` where it cannot be counted.
   */
  count(operation: string, who: Partial<Record<Key, string | undefined>>): Promise<void>
}

const off: Limits = { count: async () => {} }

/**
 * The rate limits of src/limits/rules.ts and of the application's own operations, shared by all nodes by
 * sql/schema/auth_private/count_operations.sql. `onRefusal` is told of what was one too many.
 */
export function createLimits(
  { rateLimits, dataKeys }: Config,
  db: Database,
  onRefusal: (operation: string) => void = () => {},
  own: readonly { name: string; limits?: readonly Rule[] }[] = [],
): Limits {
  if (!rateLimits) return off
  const counters = createCounters(db)
  const all: [operation: string, list: readonly Rule[]][] = [
    ...Object.entries(rules),
    ...own.map(({ name, limits = rules.request }): [string, readonly Rule[]] => [name, limits]),
  ]
  const limiters = all.flatMap(([operation, list]) =>
    list.map(({ by, points, seconds }) => ({
      operation,
      by,
      limiter: new SharedLimiter(counters, {
        keyPrefix: `${operation} by ${by} in ${seconds} s`,
        points,
        duration: seconds,
      }),
    })),
  )
  // Neither users nor addresses are to be read in the table.
  const hide = (who: string) =>
    createHmac('sha256', dataKeys[0]!).update(`limit:${who}`).digest('base64url').slice(0, 22)

  return {
    async count(operation, who) {
      const counts = limiters.flatMap(({ operation: name, by, limiter }) =>
        name === operation && who[by] !== undefined ? [{ limiter, key: hide(`${by}:${who[by]}`) }] : [],
      )
      // Whoever is over one limit must not use up another, that of his carrier's address for one.
      refuse(
        operation,
        counts.map(({ limiter, key }) => limiter.getInMemoryBlockMsBeforeExpire(limiter.getKey(key))),
      )
      const outcomes = await Promise.allSettled(counts.map(({ limiter, key }) => limiter.consume(key)))
      const refusals = outcomes.flatMap(outcome => (outcome.status === 'rejected' ? [outcome.reason] : []))
      const failure = refusals.find(reason => reason instanceof Error)
      if (failure) throw failure
      refuse(
        operation,
        refusals.map(({ msBeforeNext }) => msBeforeNext),
      )
    },
  }

  /** `waits`: milliseconds until each limit is open again. */
  function refuse(operation: string, waits: number[]): void {
    const ms = Math.max(0, ...waits)
    if (ms === 0) return
    onRefusal(operation)
    throw new AppError('over_request_rate_limit', { retryAfter: Math.ceil(ms / 1000) })
  }
}
