import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Database } from '../db/database.ts'
import { putAccessToken, takeAccessToken } from '../db/statements.ts'
import { AppError } from '../errors.ts'
import { AccessToken } from './answers.ts'
import type { Ask } from './http.ts'

/** A node in its last five minutes asks the database again: WeChat hands out the next token then. */
const MARGIN_MS = 5 * 60_000
const POLL_MS = 100

export interface AccessTokenOptions {
  db: Database
  ask: Ask
  apiUrl: string
  kind: 'stable' | 'legacy'
  secretOf(appid: string): string
  /** Milliseconds for one fetch; the lease of the fetching node is two seconds longer. */
  timeoutMs: number
}

/** The app's access token: in memory while it lasts, else from the row that all nodes share, else from WeChat. */
export interface AccessTokens {
  /**
   * `dead`: a token that WeChat has just refused. Raises `wechat_unavailable`, `wechat_misconfigured`,
   * `database_unavailable`. It may outlast the caller's time limit: others wait for the same fetch.
   */
  get(appid: string, dead?: string): Promise<string>
}

export function createAccessTokens(options: AccessTokenOptions): AccessTokens {
  const { db, kind, timeoutMs } = options
  const leaseMs = timeoutMs + 2_000
  const known = new Map<string, { token: string; until: number }>()
  const running = new Map<string, Promise<string>>()

  /** One fetch of this process at a time; whoever needs the token meanwhile awaits the same one. */
  function shared(appid: string, dead: string | undefined): Promise<string> {
    const same = running.get(appid)
    if (same) return same
    const promise = obtain(appid, dead).finally(() => running.delete(appid))
    running.set(appid, promise)
    return promise
  }

  async function obtain(appid: string, dead: string | undefined): Promise<string> {
    // By then the lease of any other node has run out.
    const deadline = Date.now() + leaseMs
    for (;;) {
      const fetchId = randomUUID()
      const row = await takeAccessToken(db, appid, kind, dead, fetchId, leaseMs)
      const token = row.access_token
      if (row.must_fetch) {
        const fetched = fetchAndShare(appid, fetchId, dead)
        if (token === null) return await fetched.catch(release(appid, fetchId))
        // The old token still works: nobody waits for the next one. A failure is in the log by then, and is tried again
        // when the lease runs out, not at once by everybody.
        fetched.catch(() => {})
      }
      if (token !== null) {
        // A token has its end: a constraint of the table.
        known.set(appid, { token, until: row.expires_at!.getTime() })
        return token
      }
      if (Date.now() > deadline) throw new AppError('wechat_unavailable')
      await sleep(POLL_MS)
    }
  }

  const release = (appid: string, fetchId: string) => async (error: unknown) => {
    // Where this fails too, the lease runs out; what matters is why there is no token.
    await putAccessToken(db, appid, kind, fetchId).catch(() => {})
    throw error
  }

  async function fetchAndShare(appid: string, fetchId: string, dead: string | undefined): Promise<string> {
    const signal = AbortSignal.timeout(timeoutMs)
    let token = await fetchToken(options, appid, signal, false)
    // WeChat's stable token stays the same until it ends, even where it is refused: only force helps.
    if (token.access_token === dead) token = await fetchToken(options, appid, signal, true)
    if (token.access_token === dead) throw new AppError('wechat_misconfigured')
    const expiresAt = await putAccessToken(db, appid, kind, fetchId, token)
    if (expiresAt) known.set(appid, { token: token.access_token, until: expiresAt.getTime() })
    return token.access_token
  }

  return {
    async get(appid, dead) {
      const mine = known.get(appid)
      if (mine && mine.token !== dead && mine.until - MARGIN_MS > Date.now()) return mine.token
      const token = await shared(appid, dead)
      // Somebody else's fetch, begun before our token died, may have brought the dead one.
      return token === dead ? shared(appid, dead) : token
    },
  }
}

async function fetchToken(
  { ask, apiUrl, kind, secretOf }: AccessTokenOptions,
  appid: string,
  signal: AbortSignal,
  force: boolean,
): Promise<AccessToken> {
  const secret = secretOf(appid)
  const answer =
    kind === 'stable'
      ? await ask({
          appid,
          endpoint: 'stable_token',
          method: 'POST',
          url: `${apiUrl}/cgi-bin/stable_token`,
          body: { grant_type: 'client_credential', appid, secret, ...(force && { force_refresh: true }) },
          signal,
        })
      : await ask({
          appid,
          endpoint: 'token',
          method: 'GET',
          url: `${apiUrl}/cgi-bin/token?${new URLSearchParams({ grant_type: 'client_credential', appid, secret })}`,
          signal,
        })
  const parsed = AccessToken.safeParse(answer)
  if (!parsed.success)
    throw new AppError('wechat_unavailable', { cause: new Error(`WeChat ${kind} token: nonsense`) })
  return parsed.data
}
