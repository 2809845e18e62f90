import { randomBytes } from 'node:crypto'
import { WechatError } from './errors.ts'

/** How long old and new token are good side by side, and how long before its end a stable token is replaced. */
const OVERLAP_MS = 5 * 60_000
const FORCE_INTERVAL_MS = 30_000
const FORCES_A_DAY = 20
const DAY_MS = 86_400_000
/** The page says "a day", not where: Beijing's is assumed. */
const BEIJING_MS = 8 * 3_600_000

/** Only what looks like a token can be "not latest" (40001); anything else is 40014. */
const TOKEN_SHAPE = /^\d+_[\w-]{128}$/

type TokenKind = 'token' | 'stable_token'
/** The answer of both token endpoints; `expires_in` in seconds. */
export type TokenAnswer = { access_token: string; expires_in: number }

interface Token {
  readonly value: string
  /** End of the lifetime that was announced. */
  readonly expiresAt: number
  /** End of use: `expiresAt`, or five minutes after a newer one was issued. */
  readonly diesAt: number
}

/** The tokens of one kind of one app. Only the newest two can be good: a second replacement kills the first token. */
interface Line {
  readonly appid: string
  current?: Token
  previous?: Token
  forcedAt: number
  forcedDay: number
  forcedCount: number
}

/**
 * Access tokens of all apps, in memory. The two kinds share nothing.
 * Source: pages of getAccessToken and getStableAccessToken.
 */
export class TokenStore {
  readonly #now: () => number
  readonly #lifeMs: number
  readonly #lines = new Map<string, Line>()

  /** `now` in Unix milliseconds. Of a life under 300 s every stable token is in its last five minutes at once. */
  constructor(now: () => number, lifeSeconds: number) {
    this.#now = now
    this.#lifeMs = lifeSeconds * 1000
  }

  /** GET /cgi-bin/token: always a new token; the one before lives five more minutes. */
  renew(appid: string): TokenAnswer {
    const now = this.#now()
    return answer(issue(this.#line(appid, 'token'), now, this.#lifeMs), now)
  }

  /**
   * POST /cgi-bin/stable_token: the same token until its last five minutes, then a new one. `force` makes a new one
   * earlier, unless it comes within 30 s of the last forced one or is the day's 21st: then it is ignored.
   */
  stable(appid: string, force: boolean): TokenAnswer {
    // Read once: a tick between issuing and answering would announce a second too few.
    const now = this.#now()
    const line = this.#line(appid, 'stable_token')
    const forced = force && mayForce(line, now)
    const { current } = line
    const fresh = current !== undefined && current.expiresAt - now >= OVERLAP_MS
    return answer(fresh && !forced ? current : issue(line, now, this.#lifeMs), now)
  }

  /**
   * The app of a good token. Throws WechatError: 41001 none given, 42001 outlived, 40001 replaced or unknown, 40014 not
   * even the form of a token (WeChat does not document how it tells 40014 from 40001).
   */
  appOf(value: string | null): string {
    if (!value) throw new WechatError(41001)
    for (const { appid, current, previous } of this.#lines.values()) {
      const token = [current, previous].find(candidate => candidate?.value === value)
      if (!token) continue
      if (this.#now() < token.diesAt) return appid
      throw new WechatError(this.#now() >= token.expiresAt ? 42001 : 40001)
    }
    throw new WechatError(TOKEN_SHAPE.test(value) ? 40001 : 40014)
  }

  /** Forgets every token of every app: all become 40001. */
  kill(): void {
    this.#lines.clear()
  }

  #line(appid: string, kind: TokenKind): Line {
    const key = `${kind} ${appid}`
    const line = this.#lines.get(key) ?? { appid, forcedAt: -Infinity, forcedDay: 0, forcedCount: 0 }
    this.#lines.set(key, line)
    return line
  }
}

function issue(line: Line, now: number, lifeMs: number): Token {
  const old = line.current
  // An expired token is not brought back to life by its successor.
  if (old) line.previous = now < old.diesAt ? { ...old, diesAt: now + OVERLAP_MS } : old
  const expiresAt = now + lifeMs
  line.current = { value: `86_${randomBytes(96).toString('base64url')}`, expiresAt, diesAt: expiresAt }
  return line.current
}

/** Whether a forced call may take effect now; if so it is counted. */
function mayForce(line: Line, now: number): boolean {
  const day = Math.floor((now + BEIJING_MS) / DAY_MS)
  const countToday = line.forcedDay === day ? line.forcedCount : 0
  if (now - line.forcedAt < FORCE_INTERVAL_MS || countToday >= FORCES_A_DAY) return false
  Object.assign(line, { forcedAt: now, forcedDay: day, forcedCount: countToday + 1 })
  return true
}

function answer(token: Token, now: number): TokenAnswer {
  return { access_token: token.value, expires_in: Math.floor((token.expiresAt - now) / 1000) }
}
