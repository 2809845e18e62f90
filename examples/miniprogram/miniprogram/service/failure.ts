/**
 * Whatever goes wrong, under one name: those of the service's catalogue (docs/errors.md), and a few that only a phone knows
 * (network, phone sheet). What a name means to a person stands in texts/.
 */
export interface Failure extends Error {
  code: string
  /** Seconds after which it is worth trying again, where the service says so. */
  retryAfter?: number
  /** What an operator looks for: the id in the service's log, or WeChat's rid. */
  id?: string
}

type Details = Pick<Failure, 'retryAfter' | 'id'>

export const failure = (code: string, details: Details = {}): Failure =>
  Object.assign(new Error(code), { code, ...details })

/** Of what was thrown; a mistake in this program has a name, too. */
export function asFailure(thrown: unknown): Failure {
  if (typeof (thrown as Partial<Failure> | undefined)?.code === 'string') return thrown as Failure
  return failure('unexpected_failure', { id: String(thrown) })
}

/** Of `fail` of wx.request: no answer, so nobody knows whether the service has heard the question. */
export function noAnswer(errMsg: string): Failure {
  // The service's address is not among the request domains (request 合法域名).
  if (/domain list/i.test(errMsg)) return failure('wechat_misconfigured', { id: errMsg })
  return failure(/time ?out/i.test(errMsg) ? 'timeout' : 'offline')
}

/** Of an answer that is not the service's: what stands before it (a gateway, a captive portal) has spoken. */
export const notOurs = (): Failure => failure('unreachable')

const SESSION_GONE = new Set([
  'no_authorization',
  'bad_jwt',
  'session_not_found',
  'session_expired',
  'refresh_token_not_found',
  'refresh_token_already_used',
])
/** The session has ended: wx.login makes another, without a word to the user. */
export const isSessionGone = ({ code }: Failure) => SESSION_GONE.has(code)

const PASSING = new Set([
  'timeout',
  'unreachable',
  'wechat_unavailable',
  'database_unavailable',
  'over_request_rate_limit',
])
/** It passes by itself, and the same code is still good: the service answers a code the same way as often as it comes. */
export const isPassing = ({ code }: Failure) => PASSING.has(code)

const AGAIN = new Set([...PASSING, 'offline', 'login_failed', 'unexpected_failure', ...SESSION_GONE])
/** Worth doing the same once more when the user says so. A phone code is sent again: another tap would cost another ¥0.03. */
export const isWorthAnotherTry = ({ code }: Failure) => AGAIN.has(code)

const SUPPORT = new Set([
  'phone_exists',
  'user_banned',
  'wechat_user_blocked',
  'wechat_misconfigured',
  'unexpected_failure',
  'phone_not_offered',
])
/** Nothing that the user does helps: somebody else has to. */
export const isForSupport = ({ code }: Failure) => SUPPORT.has(code)
