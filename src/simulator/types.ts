/** What the simulator's files share: the names of its endpoints, what a call leaves behind, what can be made to fail. */

export const ENDPOINTS = [
  'token',
  'stable_token',
  'jscode2session',
  'getuserphonenumber',
  'getwxacodeunlimit',
] as const

/** One of WeChat's endpoints, by the last part of its path. */
export type Endpoint = (typeof ENDPOINTS)[number]

/** One call of a WeChat endpoint, kept from its arrival and completed when it is answered. */
export interface Call {
  endpoint: Endpoint
  /** Whose credentials or token it carried; null where they were not (yet) accepted. */
  appid: string | null
  /** 0 for success; null while unanswered, and for ever where a fault took WeChat's answer away. */
  errcode: number | null
}

/**
 * What befalls a call instead of, or on the way to, WeChat's answer:
 * an error as WeChat words it; an HTTP answer that is not WeChat's; a wait in milliseconds, after which the call goes
 * on unless its sender has gone; a torn connection (ECONNRESET); fields laid over `phone_info` of a successful
 * getuserphonenumber (`undefined` removes one).
 */
export type Fault =
  | { errcode: number; errmsg?: string }
  | { status: number; body: string | object }
  | { hang: number }
  | { reset: true }
  | { phoneInfo: Record<string, unknown> }

/** A fault in the queue; `after`: it strikes once the call has taken effect (code spent, token issued). */
export interface PlannedFault {
  fault: Fault
  after: boolean
}
