import type { ErrorCode } from '../errors.ts'
import type { Database, Statement } from './database.ts'

/** A row of `auth.identities`, as `auth_private.user_json` gives it. */
export interface IdentityRow {
  id: string
  user_id: string
  provider: string
  appid: string
  provider_id: string
  unionid: string | null
  created_at: string
  updated_at: string
  last_sign_in_at: string | null
}

/** A user as `auth_private.user_json` gives it: the columns of `auth.users` that answers show, and the identities. */
export interface UserRow {
  id: string
  phone: string | null
  phone_confirmed_at: string | null
  wechat_id: string | null
  wechat_unionid: string | null
  app_metadata: Record<string, unknown>
  user_metadata: Record<string, unknown>
  created_at: string
  updated_at: string
  last_sign_in_at: string | null
  identities: IdentityRow[]
  /** These three for administrators only, where there is something to say. */
  banned_until?: string
  deleted_at?: string
  merged_into?: string
}

/** What came of a code, as the ledger keeps it and `auth_private.wechat_code_outcome` tells it. */
export type CodeOutcome =
  | 'bound'
  | 'phone_exists'
  | 'wechat_phone_unusable'
  | 'wechat_code_invalid'
  | 'wechat_code_used'

export interface CodeDone {
  state: 'done'
  outcome: CodeOutcome
  wechat_errcode: number | null
  wechat_rid: string | null
  user_json: UserRow
}

export type CodeClaim = CodeDone | { state: 'pending' } | { state: 'claimed'; openid: string | null }

/** Every statement of the web service but those for administrators (admin_statements.ts): each is one call of one SQL function, whose comment says more. */
export const statements = {
  getUser: { name: 'get_user', text: 'select auth_private.get_user($1) as user_json' },
  signIn: {
    name: 'wechat_sign_in',
    text: `select session_id, refresh_counter, signed_in_at, user_json,
             auth_private.access_token_claims(session_id, signed_in_at, user_json, $5) as claims
           from auth_private.wechat_sign_in($1, $2, $3, $4)`,
  },
  claimCode: {
    name: 'wechat_claim_code',
    text: 'select * from auth_private.wechat_claim_code($1, $2, $3, $4, $5)',
  },
  releaseCode: {
    name: 'wechat_release_code',
    text: 'select auth_private.wechat_release_code($1, $2, $3)',
  },
  bindPhone: {
    name: 'wechat_bind_phone',
    text: 'select * from auth_private.wechat_bind_phone($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)',
  },
  unbindPhone: {
    name: 'wechat_unbind_phone',
    text: 'select auth_private.wechat_unbind_phone($1) as user_json',
  },
  refreshSession: {
    name: 'refresh_session',
    text: `select state, refresh_counter, signed_in_at, user_json,
             case state when 'refreshed' then auth_private.access_token_claims($1, signed_in_at, user_json, $5) end as claims
           from auth_private.refresh_session($1, $2, $3, $4)`,
  },
  updateUser: { name: 'update_user', text: 'select auth_private.update_user($1, $2) as user_json' },
  bindAccount: {
    name: 'wechat_bind_account',
    text: 'select auth_private.wechat_bind_account($1, $2, $3, $4) as user_json',
  },
  unlinkIdentity: {
    name: 'unlink_identity',
    text: 'select auth_private.unlink_identity($1, $2) as user_json',
  },
  deleteUser: { name: 'delete_user', text: 'select auth_private.delete_user($1)' },
  receivePush: {
    name: 'wechat_receive_push',
    text: 'select auth_private.wechat_receive_push($1, $2, $3, $4, $5)',
  },
  signOut: { name: 'sign_out', text: 'select auth_private.sign_out($1, $2)' },
  takeAccessToken: {
    name: 'wechat_take_access_token',
    text: 'select * from auth_private.wechat_take_access_token($1, $2, $3, $4, $5, $6)',
  },
  putAccessToken: {
    name: 'wechat_put_access_token',
    text: 'select auth_private.wechat_put_access_token($1, $2, $3, $4, $5) as expires_at',
  },
  failAccessToken: {
    name: 'wechat_fail_access_token',
    text: 'select auth_private.wechat_fail_access_token($1, $2, $3, $4, $5)',
  },
  forceAccessToken: {
    name: 'wechat_force_access_token',
    text: 'select auth_private.wechat_force_access_token($1, $2, $3, $4, $5) as wait_ms',
  },
  countOperations: {
    name: 'count_operations',
    text: 'select key, points, ms_left from auth_private.count_operations($1, $2, $3)',
  },
  countCalls: {
    name: 'wechat_count_calls',
    text: 'select appid, month, taps, cost from auth_private.wechat_count_calls($1, $2, $3, $4, $5, $6, $7, $8)',
  },
  schemaVersion: {
    name: 'schema_version',
    text: 'select coalesce(max(version), 0) as version from auth_private.migrations',
  },
  metrics: { name: 'metrics', text: 'select name, labels, value from auth_private.metrics($1, $2)' },
  loginIsTooPowerful: {
    name: 'login_is_too_powerful',
    text: `select r.rolsuper or r.rolbypassrls or exists (
             select from pg_catalog.pg_roles s where s.rolname = 'service_role' and pg_has_role(r.oid, s.oid, 'usage')
           ) or exists (
             select from pg_catalog.pg_namespace n where n.nspname = 'auth' and pg_has_role(r.oid, n.nspowner, 'usage')
           ) as answer
           from pg_catalog.pg_roles r where r.rolname = session_user`,
  },
  setCaller: {
    name: 'set_caller',
    text: `select set_config('request.jwt.claims', $1, true), set_config('role', $2, true)`,
  },
  setUser: {
    name: 'set_user',
    text: `select set_config('request.jwt.claims', auth_private.request_claims($1), true), set_config('role', $2, true)`,
  },
} as const satisfies Record<string, Statement>

export interface OpenSession {
  session_id: string
  refresh_counter: string
  signed_in_at: Date
  user_json: UserRow
  /** Of the access token. */
  claims: Record<string, unknown>
}

/** Runs a statement whose answer is one user. */
export const userOf = async (db: Database, statement: Statement, values: unknown[]) =>
  (await db.one<{ user_json: UserRow }>(statement, values)).user_json

export const getUser = (db: Database, sessionId: string) => userOf(db, statements.getUser, [sessionId])

/** What the service says of an access token; the database adds the rest. Seconds since 1970. */
export interface TokenClaims {
  iss: string
  aud: string
  iat: number
  exp: number
}

/** Who WeChat says has logged in. */
export interface WechatLogin {
  openid: string
  unionid?: string | undefined
}

/** `isOnly`: the user's other sessions end. */
export const signIn = (
  db: Database,
  appid: string,
  { openid, unionid }: WechatLogin,
  isOnly: boolean,
  token: TokenClaims,
) => db.one<OpenSession>(statements.signIn, [appid, openid, unionid ?? null, isOnly, token])

export interface CodeKey {
  sessionId: string
  /** By the current DATA_KEY first, then by old ones. */
  codeHashes: Buffer[]
  claimId: string
}

export const claimCode = (db: Database, key: CodeKey, appid: string, leaseMs: number) =>
  db.one<CodeClaim>(statements.claimCode, [key.sessionId, key.codeHashes, appid, key.claimId, leaseMs])

/** `isSpent`: WeChat has answered, and there is nobody to write the answer for. */
export const releaseCode = (db: Database, { codeHashes, claimId }: CodeKey, isSpent: boolean) =>
  db.one(statements.releaseCode, [codeHashes, claimId, isSpent])

/** What WeChat said of a code, for good. */
export type Verdict =
  | { verdict: 'phone'; phone: string; raw: object }
  | { verdict: 'wechat_phone_unusable' }
  | { verdict: 'wechat_code_invalid'; errcode: number; rid: string | undefined }

/** `mayMerge`: an account whose phone another one has becomes part of that one. */
export const bindPhone = (db: Database, key: CodeKey, appid: string, answer: Verdict, mayMerge: boolean) =>
  db.one<CodeDone | { state: 'pending' }>(statements.bindPhone, [
    key.sessionId,
    key.codeHashes,
    key.claimId,
    appid,
    answer.verdict,
    answer.verdict === 'phone' ? answer.phone : null,
    answer.verdict === 'phone' ? answer.raw : null,
    answer.verdict === 'wechat_code_invalid' ? answer.errcode : null,
    answer.verdict === 'wechat_code_invalid' ? answer.rid : null,
    mayMerge,
  ])

export const unbindPhone = (db: Database, sessionId: string) =>
  userOf(db, statements.unbindPhone, [sessionId])

export type Refreshed =
  | ({ state: 'refreshed' } & Omit<OpenSession, 'session_id'>)
  | { state: 'refresh_token_not_found' | 'refresh_token_already_used' | 'session_expired' }

/** Seconds; null: no such limit. */
export interface SessionLimits {
  timebox: number | null
  inactivity: number | null
}

export const refreshSession = (
  db: Database,
  sessionId: string,
  counter: bigint,
  { timebox, inactivity }: SessionLimits,
  token: TokenClaims,
) => db.one<Refreshed>(statements.refreshSession, [sessionId, counter, timebox, inactivity, token])

export const updateUser = (db: Database, sessionId: string, userMetadata: object) =>
  userOf(db, statements.updateUser, [sessionId, userMetadata])

export const bindAccount = (
  db: Database,
  sessionId: string,
  appid: string,
  { openid, unionid }: WechatLogin,
) => userOf(db, statements.bindAccount, [sessionId, appid, openid, unionid ?? null])

export const unlinkIdentity = (db: Database, sessionId: string, identityId: string) =>
  userOf(db, statements.unlinkIdentity, [sessionId, identityId])

export const deleteUser = (db: Database, sessionId: string) => db.one(statements.deleteUser, [sessionId])

export type SignOutScope = 'global' | 'local' | 'others'

export const signOut = (db: Database, sessionId: string, scope: SignOutScope) =>
  db.one(statements.signOut, [sessionId, scope])

/** One app's access token of one kind, and the fetch of it that one process has in hand. */
export interface TokenFetch {
  appid: string
  kind: 'stable' | 'legacy'
  fetchId: string
}

/** Why there is no token, as all processes are told. Of no secret. */
export interface TokenFailure {
  code: ErrorCode
  errcode?: number | undefined
  rid?: string | undefined
  advice?: string | undefined
}

export interface TakenToken {
  access_token: string | null
  expires_at: Date | null
  must_fetch: boolean
  dead_token: string | null
  failure: TokenFailure | null
  retry_ms: number | null
  is_being_fetched: boolean
}

/**
 * `fetchId` null: this process does not fetch. `dead`: a token that WeChat has refused. `marginMs`: so long before its end a
 * token is replaced.
 */
export const takeAccessToken = (
  db: Pick<Database, 'one'>,
  { appid, kind, fetchId }: Omit<TokenFetch, 'fetchId'> & { fetchId: string | null },
  { dead, leaseMs, marginMs }: { dead: string | undefined; leaseMs: number; marginMs: number },
) => db.one<TakenToken>(statements.takeAccessToken, [appid, kind, dead ?? null, fetchId, leaseMs, marginMs])

/** Ends a fetch. Answers when the token ends; null: the fetch came too late to count. */
export const putAccessToken = async (
  db: Pick<Database, 'one'>,
  { appid, kind, fetchId }: TokenFetch,
  token: { access_token: string; expires_in: number },
) => {
  const values = [appid, kind, fetchId, token.access_token, token.expires_in]
  return (await db.one<{ expires_at: Date | null }>(statements.putAccessToken, values)).expires_at
}

/** Ends a fetch that failed. `waitMs`: nobody tries again before; null: the more failures the longer. */
export const failAccessToken = (
  db: Pick<Database, 'one'>,
  { appid, kind, fetchId }: TokenFetch,
  failure: TokenFailure,
  waitMs: number | null,
) => db.one(statements.failAccessToken, [appid, kind, fetchId, failure, waitMs])

/** Milliseconds until WeChat may be asked to replace a token that it hands out although it refuses it; null: too late. */
export const forceAccessToken = async (
  db: Pick<Database, 'one'>,
  { appid, kind, fetchId }: TokenFetch,
  { intervalMs, aDay }: { intervalMs: number; aDay: number },
) => {
  const values = [appid, kind, fetchId, intervalMs, aDay]
  return (await db.one<{ wait_ms: number | null }>(statements.forceAccessToken, values)).wait_ms
}

/** A push of WeChat's for an app of ours; the same one again changes nothing. */
export const receivePush = (
  db: Database,
  push: { appid: string; event: string; openid: string; revokeInfo: string[]; createTime: Date },
) => db.one(statements.receivePush, [push.appid, push.event, push.openid, push.revokeInfo, push.createTime])

/** How often each key was counted in its window, these operations included, and how long the window still runs. */
export const countOperations = (db: Database, keys: string[], points: number[], windowMs: number[]) =>
  db.all<{ key: string; points: number; ms_left: number }>(statements.countOperations, [
    keys,
    points,
    windowMs,
  ])

export const schemaVersion = async (db: Database) =>
  (await db.one<{ version: number }>(statements.schemaVersion, [])).version

/** Whether the web service's login is above the policies: superuser, BYPASSRLS, inherits service_role, or owns the tables. */
export const loginIsTooPowerful = async (db: Database) =>
  (await db.one<{ answer: boolean }>(statements.loginIsTooPowerful, [])).answer

/** One number; `name` without the prefix of src/metrics/catalogue.ts. */
export interface MetricRow {
  name: string
  labels: Record<string, string>
  value: number
}

/** What the database knows of itself, and of the access tokens of these apps. */
export const readMetrics = (db: Database, appids: string[], tokenKind: string) =>
  db.all<MetricRow>(statements.metrics, [appids, tokenKind])
