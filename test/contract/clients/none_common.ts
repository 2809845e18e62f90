import { randomUUID } from 'node:crypto'
import type { Entry } from './entry.ts'
import {
  factorsEntry,
  levelEntry,
  NO_FACTORS,
  NO_MESSAGES,
  NO_PASSWORDS,
  NO_PROVIDERS,
  nobody,
  none,
  noneEntry,
  oauthEntry,
  signIn,
} from './none.ts'
import { isMemfire, type Kind } from './world.ts'

// The methods of that sort that every GoTrue client has.

const email = 'a@example.com'
const password = 'a-password'
const phone = '+8613800138000'
const factorId = randomUUID()
const code = '123456'
const idToken = { provider: 'google', token: 'an-id-token' }

const rows = [
  signIn('signUp', 'POST /signup', NO_PASSWORDS, a => a.signUp({ email, password })),
  signIn('signInWithPassword', 'POST /token?grant_type=password', NO_PASSWORDS, a =>
    a.signInWithPassword({ email, password }),
  ),
  signIn('signInWithOtp', 'POST /otp', NO_MESSAGES, a => a.signInWithOtp({ phone })),
  signIn('verifyOtp', 'POST /verify', NO_MESSAGES, a => a.verifyOtp({ phone, token: code, type: 'sms' })),
  signIn('signInWithSSO', 'POST /sso', NO_PROVIDERS, a => a.signInWithSSO({ domain: 'example.com' }), null),
  none('resetPasswordForEmail', 'POST /recover', NO_PASSWORDS, a => a.resetPasswordForEmail(email)),
  none('mfa.enroll', 'POST /factors', NO_FACTORS, a => a.mfa.enroll({ factorType: 'totp' })),
  none('mfa.challenge', 'POST /factors/{id}/challenge', NO_FACTORS, a => a.mfa.challenge({ factorId })),
  none('mfa.verify', 'POST /factors/{id}/verify', NO_FACTORS, a =>
    a.mfa.verify({ factorId, challengeId: randomUUID(), code }),
  ),
  none('mfa.challengeAndVerify', 'POST /factors/{id}/challenge', NO_FACTORS, a =>
    a.mfa.challengeAndVerify({ factorId, code }),
  ),
  none('mfa.unenroll', 'DELETE /factors/{id}', NO_FACTORS, a => a.mfa.unenroll({ factorId })),
]

/** 2.0.8 is older than these. */
const newer = (kind: Kind) => [
  signIn('signInWithIdToken', 'POST /token?grant_type=id_token', NO_PROVIDERS, a =>
    a.signInWithIdToken(idToken),
  ),
  signIn('resend', 'POST /resend', NO_MESSAGES, a => a.resend({ type: 'sms', phone })),
  none('reauthenticate', 'GET /reauthenticate', NO_MESSAGES, a => a.reauthenticate(), nobody),
  none(
    'linkIdentity',
    'GET /user/identities/authorize?provider=github&skip_http_redirect=true',
    `${NO_PROVIDERS}; \`${isMemfire(kind) ? 'wechatBindAccount' : '/wechat_mini/bind_account'}\` links WeChat's`,
    a => a.linkIdentity({ provider: 'github' }),
    { provider: 'github', url: null, ...(kind === 'auth-js' && { flowId: null }) },
    { status: 405, code: 'validation_failed' },
  ),
]

const admin = [
  none(
    'admin.inviteUserByEmail',
    'POST /invite',
    'no e-mail addresses',
    admin => admin.inviteUserByEmail(email),
    { user: null },
  ),
  none(
    'admin.generateLink',
    'POST /admin/generate_link',
    'no e-mail addresses',
    admin => admin.generateLink({ type: 'magiclink', email }),
    { properties: null, user: null },
  ),
  none('admin.mfa.listFactors', 'GET /admin/users/{id}/factors', NO_FACTORS, (admin, userId) =>
    admin.mfa.listFactors({ userId }),
  ),
  none('admin.mfa.deleteFactor', 'DELETE /admin/users/{id}/factors/{id}', NO_FACTORS, (admin, userId) =>
    admin.mfa.deleteFactor({ userId, id: factorId }),
  ),
]

export const commonNoneEntries = (kind: Kind): Entry[] => [
  ...rows.map(row => noneEntry(kind, row)),
  ...(kind === '2.0.8' ? [] : newer(kind)).map(row => noneEntry(kind, row)),
  ...admin.map(row => noneEntry(kind, row, world => world.admin)),
  oauthEntry(kind),
  factorsEntry(kind),
  levelEntry(kind),
]
