// When a delivery that failed is tried again, and when it is given up.

/** Seconds after each failure, those of the Standard Webhooks: ten attempts in a little more than three days. */
export const SCHEDULE: readonly number[] = [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]

/** So much of the time is added at most, at random: what failed together does not come back together. */
const JITTER = 0.2
const LONGEST_RETRY_AFTER = 86_400

/**
 * Seconds until the next attempt after so many that failed, null: there is none. `retryAfter`, the subscriber's wish, can only
 * make it later: one that says "in a second" over and over would use up all attempts in no time.
 */
export function delayAfter(
  failures: number,
  retryAfter = 0,
  schedule = SCHEDULE,
  random = Math.random,
): number | null {
  const planned = schedule[failures - 1]
  if (planned === undefined) return null
  return Math.max(planned * (1 + JITTER * random()), Math.min(retryAfter, LONGEST_RETRY_AFTER))
}

/** Seconds that the header Retry-After asks for: a number, or a date. Nonsense is no wish. */
export function parseRetryAfter(header: string | null, now = Date.now()): number {
  if (header === null) return 0
  const text = header.trim()
  if (/^\d{1,9}$/.test(text)) return Number(text)
  // A date of HTTP begins with a name of a day; Date.parse would take nearly anything.
  const date = /^[A-Z][a-z]{2,8},? /.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(date) ? 0 : Math.max(0, (date - now) / 1000)
}
