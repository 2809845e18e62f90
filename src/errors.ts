/** What a caller should do about an error. */
export type Remedy =
  | 'fix the request'
  | 'tap or log in again'
  | 'tap again'
  | 'sign in'
  | 'nobody here can'
  | 'resolve the conflict'
  | 'wait'
  | 'an operator'
  | 'report it'
  | 'retry later'

interface Entry {
  /** HTTP status of REST, and of GraphQL where the request itself is refused. */
  status: number
  /** Private SQLSTATE, where SQL raises it. */
  sqlstate?: string
  /** Default message, fit for the person who caused the error. */
  message: string
  remedy: Remedy
  /** Default seconds of Retry-After. */
  retryAfter?: number
}

/**
 * The one catalogue of errors: the same names in SQL, GraphQL (`extensions.code`) and REST (`error_code`).
 * GoTrue's names where it has one (https://supabase.com/docs/guides/auth/debugging/error-codes); ours begin with
 * `wechat_`.
 */
export const catalogue = {
  validation_failed: {
    status: 400,
    sqlstate: 'WX001',
    message: 'The request is not valid',
    remedy: 'fix the request',
  },
  wechat_code_invalid: {
    status: 400,
    message:
      'WeChat does not accept this code: it has expired, was used, or is of another kind. Tap or log in again.',
    remedy: 'tap or log in again',
  },
  refresh_token_not_found: {
    status: 400,
    message: 'This refresh token is not known. Sign in again.',
    remedy: 'sign in',
  },
  refresh_token_already_used: {
    status: 400,
    message: 'This refresh token was used before, so its session is ended. Sign in again.',
    remedy: 'sign in',
  },
  session_expired: {
    status: 400,
    message: 'This session has reached its limit of time. Sign in again.',
    remedy: 'sign in',
  },
  no_authorization: { status: 401, message: 'This needs a signed-in user. Sign in.', remedy: 'sign in' },
  bad_jwt: { status: 403, message: 'This access token is not valid. Sign in again.', remedy: 'sign in' },
  session_not_found: {
    status: 403,
    sqlstate: 'WX003',
    message: 'This session has ended. Sign in again.',
    remedy: 'sign in',
  },
  user_banned: { status: 403, sqlstate: 'WX004', message: 'This user is banned', remedy: 'sign in' },
  wechat_user_blocked: {
    status: 403,
    message: 'WeChat has blocked this user as high-risk; nobody here can change that',
    remedy: 'nobody here can',
  },
  not_admin: {
    status: 403,
    message: 'This needs the service-role key',
    remedy: 'sign in',
  },
  user_not_found: {
    status: 404,
    sqlstate: 'WX005',
    message: 'There is no such user',
    remedy: 'fix the request',
  },
  wechat_code_used: {
    status: 409,
    message: 'This code was redeemed by another user, or its phone has left this account since. Tap again.',
    remedy: 'tap again',
  },
  phone_exists: {
    status: 422,
    sqlstate: 'WX006',
    message: 'Another user has this phone',
    remedy: 'resolve the conflict',
  },
  identity_already_exists: {
    status: 422,
    sqlstate: 'WX007',
    message: 'This WeChat identity belongs to another account, or this account has another one of this app',
    remedy: 'resolve the conflict',
  },
  single_identity_not_deletable: {
    status: 422,
    sqlstate: 'WX008',
    message: 'The last identity stays: without it nobody could sign in to this account',
    remedy: 'resolve the conflict',
  },
  wechat_phone_unusable: {
    status: 422,
    message: 'WeChat answered without a phone number that can be used. Tap again.',
    remedy: 'tap again',
  },
  over_request_rate_limit: {
    status: 429,
    message: 'This was done too often. Wait a little.',
    remedy: 'wait',
  },
  wechat_misconfigured: {
    status: 500,
    message: 'The WeChat app of this service is not configured properly. Tell the operator.',
    remedy: 'an operator',
  },
  unexpected_failure: {
    status: 500,
    message: 'Something went wrong here. Please report it.',
    remedy: 'report it',
  },
  wechat_unavailable: {
    status: 503,
    message: 'WeChat does not answer properly at the moment. Try again in a moment.',
    remedy: 'retry later',
    retryAfter: 2,
  },
  database_unavailable: {
    status: 503,
    message: 'The service is busy or restarting. Try again in a moment.',
    remedy: 'retry later',
    retryAfter: 2,
  },
} as const satisfies Record<string, Entry>

export type ErrorCode = keyof typeof catalogue

export interface AppErrorOptions {
  /** Replaces the catalogue's message; never holds a phone, a code or a token. */
  message?: string
  /** Replaces the catalogue's HTTP status, where the same error has several. */
  status?: number
  /** What WeChat said, where it caused the error. */
  wechat?: { errcode: number; rid?: string | undefined } | undefined
  /** Seconds. */
  retryAfter?: number
  /** What an operator should do; for the log and for `/health/ready`, never for callers. */
  advice?: string | undefined
  cause?: unknown
}

/** An error of the catalogue: its message may be shown to whoever caused it. */
export class AppError extends Error {
  readonly code: ErrorCode
  readonly status: number
  readonly wechat: AppErrorOptions['wechat']
  readonly retryAfter: number | undefined
  readonly advice: string | undefined

  constructor(code: ErrorCode, options: AppErrorOptions = {}) {
    const entry: Entry = catalogue[code]
    super(options.message ?? entry.message, { cause: options.cause })
    this.code = code
    this.status = options.status ?? entry.status
    this.wechat = options.wechat
    this.retryAfter = options.retryAfter ?? entry.retryAfter
    this.advice = options.advice
  }
}

const bySqlstate = new Map<string, ErrorCode>(
  (Object.entries(catalogue) as [ErrorCode, Entry][]).flatMap(([code, entry]) =>
    entry.sqlstate === undefined ? [] : [[entry.sqlstate, code]],
  ),
)

/** The catalogue's name of a private SQLSTATE. */
export const codeOfSqlstate = (sqlstate: string): ErrorCode | undefined => bySqlstate.get(sqlstate)
