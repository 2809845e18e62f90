import type { ErrorCode } from '../../src/errors.ts'
import { deleteCurrentUser } from '../../src/rpc/delete_current_user.ts'
import { refreshSession } from '../../src/rpc/refresh_session.ts'
import type { Rpc } from '../../src/rpc/rpc.ts'
import { signOut } from '../../src/rpc/sign_out.ts'
import { unlinkIdentity } from '../../src/rpc/unlink_identity.ts'
import { updateCurrentUser } from '../../src/rpc/update_current_user.ts'
import { wechatBindAccount } from '../../src/rpc/wechat_bind_account.ts'
import { wechatBindPhone } from '../../src/rpc/wechat_bind_phone.ts'
import { wechatSignIn } from '../../src/rpc/wechat_sign_in.ts'
import { wechatUnbindPhone } from '../../src/rpc/wechat_unbind_phone.ts'
import { wechatUnlimitedQrcode } from '../../src/rpc/wechat_unlimited_qrcode.ts'

/** What somebody who calls a route has to know. */
export interface Told {
  takes: string
  answers: string
  /** The operation behind it, which says what it does, its errors and its limits … */
  // biome-ignore lint/suspicious/noExplicitAny: its name and description are read, whatever it takes
  rpc?: Rpc<any, any>
  /** … or these. */
  does?: string
  errors?: ErrorCode[]
  limits?: 'request'
}

const NOTHING = 'nothing'
const IN_QUERY = 'query: `code`'
const IN_BODY = 'body: `code`'

const signedIn: Record<string, Told> = {
  'GET /wechat_mini/login': { rpc: wechatSignIn, takes: IN_QUERY, answers: 'the session' },
  'POST /wechat_mini/login': { rpc: wechatSignIn, takes: IN_BODY, answers: 'the session' },
  'GET /wechat_mini/bind_phone': { rpc: wechatBindPhone, takes: IN_QUERY, answers: 'the user' },
  'POST /wechat_mini/bind_phone': { rpc: wechatBindPhone, takes: IN_BODY, answers: 'the user' },
  'POST /wechat_mini/unbind_phone': { rpc: wechatUnbindPhone, takes: NOTHING, answers: 'the user' },
  'GET /wechat_mini/bind_account': { rpc: wechatBindAccount, takes: IN_QUERY, answers: 'the user' },
  'POST /wechat_mini/bind_account': { rpc: wechatBindAccount, takes: IN_BODY, answers: 'the user' },
  'POST /wechat_mini/unlimited_qrcode': {
    rpc: wechatUnlimitedQrcode,
    takes:
      'body: `scene`, `page`, `check_path`, `env_version`, `width`, `auto_color`, `line_color`, `is_hyaline`',
    answers: '`{imgBase64}`',
  },
  'POST /token': {
    rpc: refreshSession,
    takes: 'query: `grant_type=refresh_token`; body: `refresh_token`',
    answers: 'the session',
  },
  'POST /logout': { rpc: signOut, takes: 'query: `scope`', answers: '204' },
  'GET /user': {
    does: 'The signed-in user as he is now.',
    takes: NOTHING,
    answers: 'the user',
    errors: [
      'no_authorization',
      'session_not_found',
      'user_banned',
      'over_request_rate_limit',
      'database_unavailable',
    ],
    limits: 'request',
  },
  'PUT /user': { rpc: updateCurrentUser, takes: 'body: `data`, the metadata', answers: 'the user' },
  'DELETE /user': { rpc: deleteCurrentUser, takes: NOTHING, answers: '204' },
  'DELETE /user/identities/{identity_id}': { rpc: unlinkIdentity, takes: NOTHING, answers: 'the user' },
}

const open: Record<string, Told> = {
  'GET /.well-known/jwks.json': {
    does: 'The public keys that verify access tokens: [keys.md](../keys.md).',
    takes: NOTHING,
    answers: 'a JWK set',
  },
  'GET /.well-known/openid-configuration': {
    does: 'Where the keys are, for libraries that find them by the issuer.',
    takes: NOTHING,
    answers: 'the metadata of OpenID Connect Discovery',
  },
  'GET /settings': {
    does: "GoTrue's settings: signing in is by `wechat_mini` alone.",
    takes: NOTHING,
    answers: 'the settings',
  },
  'GET /health': { does: 'Name and version.', takes: NOTHING, answers: '`{version, name, description}`' },
}

const PAGE = '`page`, `per_page`'
const changed: ErrorCode[] = ['validation_failed', 'user_not_found', 'phone_exists']

const admin: Record<string, Told> = {
  'GET /admin/users': {
    does: 'Lists living users, or searches for them.',
    takes: `query: ${PAGE}, \`phone\`, \`openid\`, \`id\`, \`filter\``,
    answers: '`{users, aud}`',
    errors: ['validation_failed'],
  },
  'POST /admin/users': {
    does: 'Makes a user.',
    takes: 'body: `id`, `phone`, `user_metadata`, `app_metadata`, `ban_duration`, `reason`',
    answers: 'the user',
    errors: ['validation_failed', 'phone_exists'],
  },
  'GET /admin/users/{id}': {
    does: 'Shows a user, a deleted or merged one too.',
    takes: NOTHING,
    answers: 'the user',
    errors: ['validation_failed', 'user_not_found'],
  },
  'PUT /admin/users/{id}': {
    does: 'Changes a living user.',
    takes: 'body: `phone`, `user_metadata`, `app_metadata`, `ban_duration`, `reason`',
    answers: 'the user',
    errors: changed,
  },
  'DELETE /admin/users/{id}': {
    does: 'Deletes a user, for good or softly.',
    takes: 'body: `should_soft_delete`, `reason`',
    answers: '`{}`',
    errors: ['validation_failed', 'user_not_found'],
  },
  'GET /admin/users/{id}/sessions': {
    does: 'Lists his sessions.',
    takes: NOTHING,
    answers: '`{sessions}`',
    errors: ['validation_failed', 'user_not_found'],
  },
  'DELETE /admin/users/{id}/sessions': {
    does: 'Ends all of his sessions.',
    takes: 'body: `reason`',
    answers: '`{ended}`',
    errors: ['validation_failed', 'user_not_found'],
  },
  'DELETE /admin/users/{id}/sessions/{session_id}': {
    does: 'Ends one of them.',
    takes: 'body: `reason`',
    answers: '`{ended}`',
    errors: ['validation_failed', 'user_not_found', 'session_not_found'],
  },
  'GET /admin/audit': {
    does: 'Reads the audit log.',
    takes: `query: ${PAGE}, \`user_id\`, \`action\``,
    answers: 'a list of `{id, created_at, payload}`',
    errors: ['validation_failed'],
  },
}

/** Every route under `/auth/v1`, by method and path; what is missing or too much fails (scripts/reference/rest.ts). */
export const told = { signedIn, open, admin }
