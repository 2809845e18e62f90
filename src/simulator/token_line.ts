const FORCE_INTERVAL_MS = 30_000
const FORCES_A_DAY = 20
const DAY_MS = 86_400_000
/** The page says "a day", not where: Beijing's is assumed. */
const BEIJING_MS = 8 * 3_600_000

export const TOKEN_KINDS = ['token', 'stable_token'] as const
export type TokenKind = (typeof TOKEN_KINDS)[number]

export interface Token {
  readonly value: string
  /** End of the lifetime that was announced. */
  readonly expiresAt: number
  /** End of use: `expiresAt`, or five minutes after a newer one was issued, or when it was killed. */
  readonly diesAt: number
}

/** The tokens of one kind of one app. Only the newest two can be good: a second replacement kills the first token. */
export interface Line {
  readonly appid: string
  readonly kind: TokenKind
  current?: Token | undefined
  previous?: Token | undefined
  /** The current token is given out although it is dead, until a forced call replaces it. */
  stuck: boolean
  forcedAt: number
  forcedDay: number
  forcedCount: number
}

export const newLine = (appid: string, kind: TokenKind): Line => ({
  ...{ appid, kind, stuck: false },
  ...{ forcedAt: -Infinity, forcedDay: 0, forcedCount: 0 },
})

/** Whether a forced call may take effect now; if so it is counted. */
export function mayForce(line: Line, now: number): boolean {
  const day = Math.floor((now + BEIJING_MS) / DAY_MS)
  const countToday = line.forcedDay === day ? line.forcedCount : 0
  if (now - line.forcedAt < FORCE_INTERVAL_MS || countToday >= FORCES_A_DAY) return false
  Object.assign(line, { forcedAt: now, forcedDay: day, forcedCount: countToday + 1 })
  return true
}
