// Before: src/wechat/client.ts, and src/tasks/access_tokens.ts ahead of a token's end. After: the row of
// sql/schema/auth_private/wechat_access_tokens.sql, and WeChat where this process is the one to fetch.
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Database } from '../db/database.ts'
import {
  failAccessToken,
  forceAccessToken,
  putAccessToken,
  type TokenFailure,
  type TokenFetch,
  takeAccessToken,
} from '../db/statements.ts'
import { AppError } from '../errors.ts'
import { AccessToken } from './answers.ts'
import type { Request } from './http.ts'

/**
 * So long before its end a token is replaced. WeChat hands out the next stable token in the last five minutes, and an old
 * one of either kind works for five minutes beside the new one; the worker comes first, so that no request has to.
 */
export const WORKER_MARGIN_MS = 5 * 60_000
const NODE_MARGIN_MS = 3 * 60_000
/** A token is remembered for so long; then the row is read again, in case somebody had to replace it. */
const RECHECK_MS = 60_000
const POLL_MS = 100
/** After a failure that only an operator can mend, whoever met it does not try again for so long. */
const MISCONFIGURED_WAIT_MS = 30_000

/**
 * How often WeChat may be made to replace a token that it refuses. stable: by force, WeChat's own limit. legacy: every fetch
 * makes a new one, of 2,000 a day; half of them are left for whatever else fetches.
 */
const FORCE = { stable: { intervalMs: 30_000, aDay: 20 }, legacy: { intervalMs: 1_000, aDay: 1_000 } }

export interface AccessTokenOptions {
  db: Pick<Database, 'one'>
  ask(request: Request): Promise<Record<string, unknown>>
  apiUrl: string
  kind: 'stable' | 'legacy'
  secretOf(appid: string): string
  /** Milliseconds for one fetch; the lease of the fetching process is two seconds longer. */
  timeoutMs: number
  /** Milliseconds before its end at which a token is replaced. */
  marginMs?: number | undefined
}

/** A token that WeChat has just refused, and with which words. */
export interface Dead {
  token: string
  wechat: AppError['wechat']
}

export interface Given {
  token: string
  /** It was fetched since it was asked for; else it may have died unseen. */
  isNew: boolean
}

/** The app's access token: in memory while it lasts, else from the row that all processes share, else from WeChat. */
export interface AccessTokens {
  /**
   * Raises `wechat_unavailable`, `wechat_misconfigured`, `database_unavailable`. It may outlast the caller's time limit:
   * others wait for the same fetch.
   */
  get(appid: string, dead?: Dead): Promise<Given>
  /** What the last fetch of anybody failed with, as far as this process has read: while the old token lives nobody else notices. */
  trouble(appid: string): TokenFailure | undefined
  /** Waits for the fetches of this process: nobody may, because the old token still works, or because his time is up. */
  settle(): Promise<void>
}

export function createAccessTokens(options: AccessTokenOptions): AccessTokens {
  const { db, kind, timeoutMs, marginMs = NODE_MARGIN_MS } = options
  const leaseMs = timeoutMs + 2_000
  const known = new Map<string, { token: string; until: number; readAt: number }>()
  const running = new Map<string, Promise<Given>>()
  /** What WeChat has refused this process: its secret or its address, which others may have better. */
  const refusals = new Map<string, { error: AppError; until: number }>()
  const troubles = new Map<string, TokenFailure | null>()
  const fetches = new Set<Promise<unknown>>()

  /** One fetch of this process at a time; whoever needs the token meanwhile awaits the same one. */
  function shared(appid: string, dead: Dead | undefined): Promise<Given> {
    const same = running.get(appid)
    if (same) return same
    const promise = obtain(appid, dead).finally(() => running.delete(appid))
    running.set(appid, promise)
    return promise
  }

  async function obtain(appid: string, dead: Dead | undefined): Promise<Given> {
    // By then the lease of any other process has run out.
    const deadline = Date.now() + leaseMs
    for (let isNew = false; ; isNew = true) {
      const fetch = { appid, kind, fetchId: randomUUID() }
      const refusal = refusalOf(appid)
      const asked = refusal ? { ...fetch, fetchId: null } : fetch
      const row = await takeAccessToken(db, asked, { dead: dead?.token, leaseMs, marginMs })
      const token = row.access_token
      troubles.set(appid, row.failure)
      if (row.must_fetch) {
        const fetched = fetchAndShare(fetch, row.dead_token, dead?.wechat)
        const quiet = fetched.catch(() => {}).finally(() => fetches.delete(quiet))
        fetches.add(quiet)
        // Else the old token still works: nobody waits for the next one. A failure is in the log and in the row by then.
        if (token === null) return { token: await fetched, isNew: true }
      }
      if (token !== null) {
        // A token has its end: a constraint of the table.
        known.set(appid, { token, until: row.expires_at!.getTime(), readAt: Date.now() })
        return { token, isNew }
      }
      if (row.retry_ms !== null) throw toldBy(row.failure!, row.retry_ms)
      if (refusal && !row.is_being_fetched) throw refusal
      if (Date.now() > deadline) throw new AppError('wechat_unavailable')
      await sleep(POLL_MS)
    }
  }

  async function fetchAndShare(
    fetch: TokenFetch,
    dead: string | null,
    refusal: AppError['wechat'],
  ): Promise<string> {
    const limit = new AbortController()
    const timer = setTimeout(() => limit.abort(new AppError('wechat_unavailable')), timeoutMs)
    try {
      const token = await fetchLiving(options, fetch, dead, refusal, limit.signal)
      const expiresAt = await putAccessToken(db, fetch, token)
      if (expiresAt) {
        const until = expiresAt.getTime()
        troubles.delete(fetch.appid)
        known.set(fetch.appid, { token: token.access_token, until, readAt: Date.now() })
      }
      return token.access_token
    } catch (error) {
      // Where this fails too, the lease runs out; what matters is why there is no token.
      if (error instanceof AppError) await giveUp(fetch, error).catch(() => {})
      throw error
    } finally {
      clearTimeout(timer)
    }
  }

  function giveUp(fetch: TokenFetch, error: AppError) {
    const { code, wechat, advice } = error
    const failure = { code, errcode: wechat?.errcode, rid: wechat?.rid, advice }
    // Nobody of the fleet gets another one for a while.
    if (error instanceof DeadTokenError) return failAccessToken(db, fetch, failure, MISCONFIGURED_WAIT_MS)
    if (code !== 'wechat_misconfigured') return failAccessToken(db, fetch, failure, null)
    refusals.set(fetch.appid, { error, until: Date.now() + MISCONFIGURED_WAIT_MS })
    return failAccessToken(db, fetch, failure, 0)
  }

  function refusalOf(appid: string): AppError | undefined {
    const refusal = refusals.get(appid)
    return refusal && refusal.until > Date.now() ? refusal.error : undefined
  }

  return {
    async get(appid, dead) {
      // Who comes meanwhile shall not send his code with it.
      if (known.get(appid)?.token === dead?.token) known.delete(appid)
      const mine = known.get(appid)
      const isLiving = mine && mine.until > Date.now()
      const old = isLiving ? { token: mine.token, isNew: false } : undefined
      const isFresh = old && mine!.until - marginMs > Date.now() && mine!.readAt + RECHECK_MS > Date.now()
      if (isFresh) return old
      const given = await shared(appid, dead).catch((error: unknown) => {
        // Where the row cannot be read, what was read before is still good.
        if (old && error instanceof AppError && error.code === 'database_unavailable') return old
        throw error
      })
      // Somebody else's fetch, begun before our token died, may have brought the dead one.
      return given.token === dead?.token ? shared(appid, dead) : given
    },
    trouble: appid => troubles.get(appid) ?? undefined,
    async settle() {
      await Promise.all(fetches)
    },
  }
}

/** WeChat hands out a token that it refuses, and may not be made to replace it now. */
class DeadTokenError extends AppError {
  constructor(wechat: AppError['wechat']) {
    super('wechat_misconfigured', {
      wechat,
      advice:
        'WeChat refuses the access token that it hands out, and may not be asked for another one so soon. Does another program use this app with forced refreshes, or with an old secret?',
    })
  }
}

/** What another process has met, or this one before. */
const toldBy = ({ code, errcode, rid, advice }: TokenFailure, retryMs: number) =>
  new AppError(code, {
    ...(errcode !== undefined && { wechat: { errcode, rid } }),
    ...(code === 'wechat_unavailable' && { retryAfter: Math.ceil(retryMs / 1000) }),
    advice,
    cause: new Error('the last fetch of the access token failed'),
  })

/** A token that is not `dead`. WeChat's stable token stays the same until it ends, even where it is refused: only force helps. */
async function fetchLiving(
  options: AccessTokenOptions,
  fetch: TokenFetch,
  dead: string | null,
  refusal: AppError['wechat'],
  signal: AbortSignal,
): Promise<AccessToken> {
  const mayReplace = async (): Promise<boolean> => {
    for (;;) {
      const ms = await forceAccessToken(options.db, fetch, FORCE[fetch.kind])
      if (ms === 0) return true
      if (ms === null || ms > FORCE.legacy.intervalMs) return false
      await sleep(ms, undefined, { signal })
    }
  }
  const refused = () => new DeadTokenError(refusal)
  if (fetch.kind === 'legacy' && dead !== null && !(await mayReplace())) throw refused()
  const token = await fetchToken(options, fetch.appid, signal, false)
  if (token.access_token !== dead) return token
  if (!(await mayReplace())) throw refused()
  const forced = await fetchToken(options, fetch.appid, signal, true)
  if (forced.access_token === dead) throw refused()
  return forced
}

/** Asks WeChat, whatever the row says. A legacy token takes the place of the one before; a stable one, unless forced, of none. */
export async function fetchToken(
  { ask, apiUrl, kind, secretOf }: Pick<AccessTokenOptions, 'ask' | 'apiUrl' | 'kind' | 'secretOf'>,
  appid: string,
  signal: AbortSignal,
  force: boolean,
): Promise<AccessToken> {
  const secret = secretOf(appid)
  const request =
    kind === 'stable'
      ? ask({
          appid,
          endpoint: 'stable_token',
          method: 'POST',
          url: `${apiUrl}/cgi-bin/stable_token`,
          body: { grant_type: 'client_credential', appid, secret, ...(force && { force_refresh: true }) },
          signal,
          isCounted: force,
        })
      : ask({
          appid,
          endpoint: 'token',
          method: 'GET',
          url: `${apiUrl}/cgi-bin/token?${new URLSearchParams({ grant_type: 'client_credential', appid, secret })}`,
          signal,
        })
  const parsed = AccessToken.safeParse(await request.catch(aboutTheApp))
  if (!parsed.success)
    throw new AppError('wechat_unavailable', { cause: new Error(`WeChat ${kind} token: nonsense`) })
  return parsed.data
}

/** Here is no code, no user and no parameter of a caller's that WeChat could mean. */
function aboutTheApp(error: unknown): never {
  if (error instanceof AppError && !['wechat_unavailable', 'wechat_misconfigured'].includes(error.code)) {
    const { wechat, advice, cause } = error
    throw new AppError('wechat_misconfigured', { wechat, advice, cause })
  }
  throw error
}
