// Before: src/wechat/client.ts, src/wechat/access_token.ts. After: src/wechat/http.ts.
import pLimit, { type LimitFunction } from 'p-limit'
import pRetry from 'p-retry'
import { AppError } from '../errors.ts'
import { type Ask, ENDPOINTS, type Endpoint, type Request, Unanswered } from './http.ts'

/** Reasons for which nothing can have been sent: there was no connection. */
const NOT_SENT = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ECONNECTTIMEOUT',
])

/**
 * After which failures the same request may be sent again, and why.
 * unsent: only where no connection was made. The code is good once, and after anything else (a reset, HTML, even "system
 * busy") it may be spent: the next answer would be 40029, and be taken for the truth.
 * harmless: after what may pass: a broken connection, HTTP 5xx, system busy (-1). The stable token is the same one again; a legacy one
 * takes the place of the one whose answer was lost; an image is drawn once more; of others nobody knows. But a forced stable token: WeChat counts those.
 * docs/wechat.md has this table too; a test compares them.
 */
export const RETRIES: Record<Endpoint, 'unsent' | 'harmless'> = {
  jscode2session: 'unsent',
  getuserphonenumber: 'unsent',
  stable_token: 'harmless',
  token: 'harmless',
  getwxacodeunlimit: 'harmless',
  other: 'unsent',
}
const SYSTEM_BUSY = -1
/** Codes of the network and of node's streams, or a server's trouble. */
const MAY_PASS = /^(E[A-Z_]+|HTTP 5\d\d)$/
/** Two more attempts, 100 to 200 ms and 200 to 400 ms later. */
const PACE = { retries: 2, minTimeout: 100, factor: 2, randomize: true }

/** How many calls of one interface a process makes at once for an app, and how many more may wait; the rest is refused. */
export interface CallLimits {
  calls: number
  queue: number
}

export interface Calls {
  /** Asks, again where that is harmless. */
  ask: Ask
  /**
   * Does `work`, which asks `endpoint` for an app, once there is room for it. Raises `wechat_unavailable` where too many wait
   * already: WeChat hangs, and whoever came first waits for his own time limit. Each app has rooms of its own: while one
   * waits for its access token, the others go on. Only for apps that are configured: a room stays.
   */
  bounded<T>(appid: string, endpoint: Endpoint, work: () => Promise<T>): Promise<T>
  /** How many of each interface are with WeChat, and wait, at this moment. */
  load(): Record<Endpoint, { inFlight: number; queued: number }>
}

export function createCalls(
  once: Ask,
  { calls, queue }: CallLimits,
  onRefused: (endpoint: Endpoint) => void = () => {},
): Calls {
  const rooms = new Map(ENDPOINTS.map(endpoint => [endpoint, new Map<string, LimitFunction>()]))
  const roomOf = (endpoint: Endpoint, appid: string) => {
    const own = rooms.get(endpoint)!
    const room = own.get(appid) ?? pLimit(calls)
    own.set(appid, room)
    return room
  }
  const sum = (endpoint: Endpoint, count: 'activeCount' | 'pendingCount') =>
    [...rooms.get(endpoint)!.values()].reduce((total, room) => total + room[count], 0)
  return {
    ask: ((request: Request) =>
      pRetry(() => once(request), {
        ...PACE,
        signal: request.signal,
        shouldRetry: ({ error }) => mayAskAgain(request, error),
      })) as Ask,
    async bounded(appid, endpoint, work) {
      const room = roomOf(endpoint, appid)
      if (room.activeCount >= calls && room.pendingCount >= queue) {
        onRefused(endpoint)
        throw new AppError('wechat_unavailable', { cause: new Error(`WeChat ${endpoint}: too many wait`) })
      }
      return room(work)
    },
    load: () =>
      Object.fromEntries(
        ENDPOINTS.map(endpoint => [
          endpoint,
          { inFlight: sum(endpoint, 'activeCount'), queued: sum(endpoint, 'pendingCount') },
        ]),
      ) as ReturnType<Calls['load']>,
  }
}

export function mayAskAgain(
  { endpoint, isCounted }: Pick<Request, 'endpoint' | 'isCounted'>,
  error: unknown,
): boolean {
  if (!(error instanceof AppError)) return false
  const { cause, wechat } = error
  if (cause instanceof Unanswered && NOT_SENT.has(cause.reason)) return true
  if (isCounted || RETRIES[endpoint] === 'unsent') return false
  return (cause instanceof Unanswered && MAY_PASS.test(cause.reason)) || wechat?.errcode === SYSTEM_BUSY
}
