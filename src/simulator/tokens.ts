import { randomBytes } from 'node:crypto'
import { WechatError } from './errors.ts'
import { type Line, mayForce, newLine, type Token, type TokenKind } from './token_line.ts'

/** How long old and new token are good side by side, and how long before its end a stable token is replaced. */
const OVERLAP_MS = 5 * 60_000

/** Only what looks like a token can be "not latest" (40001); anything else is 40014. */
const TOKEN_SHAPE = /^\d+_[\w-]{128}$/

/** Which tokens are meant: undefined members mean all. */
export interface Which {
  appid?: string | undefined
  kind?: TokenKind | undefined
}
/** What can be changed while tokens live, in seconds. */
export interface TokenTimes {
  token_life_seconds: number
  /** How long a token of the kind `token` outlives its successor's issue. */
  legacy_overlap_seconds: number
}
/** The answer of both token endpoints; `expires_in` in seconds. */
export type TokenAnswer = { access_token: string; expires_in: number }

/**
 * Access tokens of all apps, in memory. The two kinds share nothing.
 * Source: pages of getAccessToken and getStableAccessToken.
 */
export class TokenStore {
  readonly #now: () => number
  readonly #times: () => TokenTimes
  readonly #lines = new Map<string, Line>()

  /** `now` in Unix milliseconds. Of a life under 300 s every stable token is in its last five minutes at once. */
  constructor(now: () => number, times: () => TokenTimes) {
    this.#now = now
    this.#times = times
  }

  /** GET /cgi-bin/token: always a new token; the one before lives five more minutes. */
  renew(appid: string): TokenAnswer {
    const now = this.#now()
    return answer(this.#issue(this.#line(appid, 'token'), now), now)
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
    const isGood = current !== undefined && (now < current.diesAt || line.stuck)
    const fresh = isGood && current.expiresAt - now >= OVERLAP_MS
    return answer(fresh && !forced ? current : this.#issue(line, now), now)
  }

  /** Whose token this is or was; undefined: nobody's that is still known. */
  ownerOf(value: string | null): string | undefined {
    return this.#find(value)?.line.appid
  }

  /**
   * The app of a good token. Throws WechatError: 41001 none given, 42001 outlived, 40001 replaced or unknown, 40014 not
   * even the form of a token (WeChat does not document how it tells 40014 from 40001).
   */
  appOf(value: string | null): string {
    if (!value) throw new WechatError(41001)
    const found = this.#find(value)
    if (!found) throw new WechatError(TOKEN_SHAPE.test(value) ? 40001 : 40014)
    const { token, line } = found
    if (this.#now() < token.diesAt) return line.appid
    throw new WechatError(this.#now() >= token.expiresAt ? 42001 : 40001)
  }

  /**
   * Makes the tokens that were issued so far invalid (40001); how many of them were good. The next call for one gets a new
   * one; with `stuck` stable_token goes on giving out the dead one, until `force_refresh` or its announced end.
   */
  kill(which: Which = {}, stuck = false): number {
    return this.#end(which, (token, now) => ({ ...token, diesAt: now }), stuck)
  }

  /** Makes the tokens that were issued so far outlived (42001); how many of them were good. */
  expire(which: Which = {}): number {
    return this.#end(which, (token, now) => ({ ...token, diesAt: now, expiresAt: now }), false)
  }

  #end({ appid, kind }: Which, end: (token: Token, now: number) => Token, stuck: boolean): number {
    const now = this.#now()
    let ended = 0
    const ifGood = (token: Token | undefined) => {
      if (!token || now >= token.diesAt) return token
      ended += 1
      return end(token, now)
    }
    for (const line of this.#lines.values()) {
      if ((appid ?? line.appid) !== line.appid || (kind ?? line.kind) !== line.kind) continue
      line.current = ifGood(line.current)
      line.previous = ifGood(line.previous)
      line.stuck = stuck
    }
    return ended
  }

  #find(value: string | null): { token: Token; line: Line } | undefined {
    for (const line of this.#lines.values()) {
      const token = [line.current, line.previous].find(candidate => candidate?.value === value)
      if (token) return { token, line }
    }
    return undefined
  }

  #issue(line: Line, now: number): Token {
    const { token_life_seconds, legacy_overlap_seconds } = this.#times()
    const overlap = line.kind === 'token' ? legacy_overlap_seconds * 1000 : OVERLAP_MS
    const old = line.current
    // A token that is dead or outlived is not brought back to life by its successor.
    if (old) line.previous = now < old.diesAt ? { ...old, diesAt: now + overlap } : old
    const expiresAt = now + token_life_seconds * 1000
    line.current = { value: `86_${randomBytes(96).toString('base64url')}`, expiresAt, diesAt: expiresAt }
    line.stuck = false
    return line.current
  }

  #line(appid: string, kind: TokenKind): Line {
    const key = `${kind} ${appid}`
    const line = this.#lines.get(key) ?? newLine(appid, kind)
    this.#lines.set(key, line)
    return line
  }
}

function answer(token: Token, now: number): TokenAnswer {
  return { access_token: token.value, expires_in: Math.floor((token.expiresAt - now) / 1000) }
}
