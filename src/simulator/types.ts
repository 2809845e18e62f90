/** What the simulator's files share: the names of its endpoints, what a call leaves behind, what can be made to fail. */

export const ENDPOINTS = [
  'token',
  'stable_token',
  'jscode2session',
  'checksession',
  'resetusersessionkey',
  'getuserphonenumber',
  'getwxacodeunlimit',
] as const

/** One of WeChat's endpoints, by the last part of its path. */
export type Endpoint = (typeof ENDPOINTS)[number]

/** One call of a WeChat endpoint, kept from its arrival and completed when it is answered. Never a code, token or secret. */
export interface Call {
  endpoint: Endpoint
  /** Whose credentials or token it carried; null where they were not (yet) accepted. */
  appid: string | null
  /** 0 for success; null while unanswered, and for ever where a fault took WeChat's answer away. */
  errcode: number | null
  /** When it arrived by the simulator's clock: Unix milliseconds. */
  at: number
  /** How long it took to answer, in real milliseconds; null while unanswered. */
  ms: number | null
  /** Which kind of fault befell it, if any. */
  fault: FaultKind | null
}

/**
 * What befalls a call instead of, or on the way to, WeChat's answer:
 * an error as WeChat words it, on demand with a hint before the rid; an HTTP answer that is not WeChat's; a wait in
 * milliseconds, after which the call goes on, with `hang` only if its sender is still there (`true`: there is no answer at
 * all); a torn connection (ECONNRESET); the true answer cut off after so many bytes (`true`: half of them), and with `tear`
 * the connection with it; a valid JSON answer of so many bytes; an answer without a body; fields laid over `phone_info` of
 * a successful getuserphonenumber (`undefined` removes one).
 */
export type Fault =
  | { errcode: number; errmsg?: string | undefined; hint?: boolean | undefined }
  | { status: number; body: string | object; contentType?: string | undefined }
  | { latency: number }
  | { hang: number | true }
  | { reset: true }
  | { truncate: number | true; tear?: boolean | undefined }
  | { huge: number }
  | { empty: true }
  | { phoneInfo: Record<string, unknown> }

export const FAULT_KINDS = [
  'errcode',
  'status',
  'latency',
  'hang',
  'reset',
  'truncate',
  'huge',
  'empty',
  'phoneInfo',
] as const
export type FaultKind = (typeof FAULT_KINDS)[number]

/** A fault, and which calls it befalls. */
export interface FaultPlan {
  /** `*`: all of them. */
  endpoint: Endpoint | '*'
  fault: Fault
  /** It strikes once the call has taken effect (code spent, token issued). */
  after: boolean
  /** How many more calls; Infinity: until it is removed. */
  times: number
  /** Only calls with the credentials or a token of this app. */
  appid?: string | undefined
  /** 0 to 1: of the calls that it could befall, which share. */
  probability: number
}
