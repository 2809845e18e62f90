import { createHash, randomUUID } from 'node:crypto'
import * as admin from '../../src/db/admin_statements.ts'
import * as web from '../../src/db/statements.ts'
import { APP } from './calls.ts'
import { CLAIM_ID, codeOf, idOf, OTHER_APP, openidOf, phoneOf, unionidOf } from './plans_crowd.ts'
import type { Ask } from './plans_explain.ts'

/** What is asked; and before it, what a superuser does in the same transaction. */
export type Case = Ask | { before: string; ask: Ask }

const token = { iss: 'test', aud: 'authenticated', iat: 1, exp: 2 }
const session = (n: number) => idOf('session', n)
const user = (n: number) => idOf('user', n)
/** The code that the nth user has claimed, and a new one. */
const claimed = (n: number) => ({ sessionId: session(n), codeHashes: [codeOf(n)], claimId: CLAIM_ID })
const newCode = () => [createHash('sha256').update(randomUUID()).digest(), codeOf(0)]
const claim =
  (n: number, codeHashes: Buffer[]): Ask =>
  db =>
    web.claimCode(db, { ...claimed(n), codeHashes, claimId: randomUUID() }, APP, 1000)
const bind =
  (n: number, phone: string, mayMerge = false): Ask =>
  db =>
    web.bindPhone(db, claimed(n), APP, { verdict: 'phone', phone, raw: { phoneNumber: phone } }, mayMerge)
const refused = { verdict: 'wechat_code_invalid', errcode: 40029, rid: undefined } as const
const signIn =
  (openid: string, unionid?: string, isOnly = false, app = APP): Ask =>
  db =>
    web.signIn(db, app, { openid, unionid }, isOnly, token)
const refresh =
  (n: number, counter: bigint, timebox: number | null = null): Ask =>
  db =>
    web.refreshSession(db, session(n), counter, { timebox, inactivity: null }, token)
const fetched = { appid: APP, kind: 'stable', fetchId: CLAIM_ID } as const
const times = { dead: undefined, leaseMs: 1000, marginMs: 1000 }
const push = { appid: APP, event: 'user_info_modified', openid: 'o1', revokeInfo: [], createTime: new Date() }
const calls = [randomUUID(), 1, [APP], ['2030-01-01'], ['getuserphonenumber'], [0], [1], 1000]
const as =
  (role: string, text: string): Ask =>
  async (db, query) => {
    await db.one(web.statements.setUser, [{ session_id: session(1) }, role])
    await query(text)
  }
const ignoring =
  (ask: Ask): Ask =>
  (db, query) =>
    ask(db, query).catch(() => {})

/** Accounts that a merge can join: neither has an openid in an app of the other's. */
const withoutIdentity = (n: number) => `delete from auth.identities where user_id = '${user(n)}'`
const withoutPhone = (n: number) =>
  `update auth.users set phone = null, phone_confirmed_at = null where id = '${user(n)}'`

/** As the web service. */
export const webCases: Record<string, Case> = {
  'current user': db => web.getUser(db, session(1)),
  'current user, whose session has ended': ignoring(db => web.getUser(db, randomUUID())),
  'GraphQL, as the user': as('authenticated', 'select id, phone from auth.users'),
  'sign in, known': signIn(openidOf(1)),
  'sign in, known, with unionid': signIn(openidOf(1), unionidOf(1)),
  'sign in, known, who gets his unionid': {
    before: `update auth.users set wechat_unionid = null where id = '${user(1)}'`,
    ask: signIn(openidOf(1), unionidOf(1)),
  },
  'sign in, new': signIn('o-new'),
  'sign in, new, with unionid': signIn('o-new', 'u-new'),
  'sign in, by unionid, from another app': signIn('p-new', unionidOf(2), false, OTHER_APP),
  'sign in, ending other sessions': signIn(openidOf(1), unionidOf(1), true),
  'sign in, merging by unionid': {
    before: `${withoutIdentity(2)}; ${withoutPhone(2)}`,
    ask: signIn(openidOf(1), unionidOf(2)),
  },
  'claim, new code': (db, query) => claim(1, newCode())(db, query),
  'claim, code with an outcome': claim(1, [codeOf(1001)]),
  'claim, code in use': claim(1, [codeOf(2)]),
  'release a code': db => web.releaseCode(db, claimed(1), false),
  'bind, new phone': bind(1, '+8613900000000'),
  'bind, same phone': bind(1, phoneOf(1)),
  'bind, phone of another': bind(1, phoneOf(2)),
  'bind, merging with the phone of another': { before: withoutIdentity(2), ask: bind(1, phoneOf(2), true) },
  'bind, refused code': db => web.bindPhone(db, claimed(1), APP, refused, false),
  'bind, written before': async (db, query) => {
    await bind(1, '+8613900000000')(db, query)
    await bind(1, '+8613900000000')(db, query)
  },
  unbind: db => web.unbindPhone(db, session(1)),
  refresh: refresh(1, 0n),
  'refresh, used before': {
    before: `update auth.sessions set refresh_counter = 9, refreshed_at = '2020-01-01' where id = '${session(1)}'`,
    ask: refresh(1, 3n),
  },
  'refresh, expired': refresh(1, 0n, 0),
  'sign out, everywhere': db => web.signOut(db, session(1), 'global'),
  'sign out, here': db => web.signOut(db, session(1), 'local'),
  'sign out, elsewhere': db => web.signOut(db, session(1), 'others'),
  'update user': db => web.updateUser(db, session(1), { a: 1 }),
  'link, new openid': db => web.bindAccount(db, session(2), OTHER_APP, { openid: 'p-new', unionid: 'u-new' }),
  'link, openid of another': ignoring(db => web.bindAccount(db, session(2), OTHER_APP, { openid: 'p1' })),
  unlink: db => web.unlinkIdentity(db, session(1), idOf('identity', 1)),
  'delete user': db => web.deleteUser(db, session(1)),
  'receive push': db => web.receivePush(db, push),
  'take access token': db => web.takeAccessToken(db, fetched, times),
  'put access token': db => web.putAccessToken(db, fetched, { access_token: 'a', expires_in: 7200 }),
  'fail access token': db => web.failAccessToken(db, fetched, { code: 'wechat_unavailable' }, 1000),
  'force access token': db => web.forceAccessToken(db, fetched, { intervalMs: 1000, aDay: 1 }),
  'set caller': db => db.one(web.statements.setCaller, ['{}', 'anon']),
  'schema version': db => web.schemaVersion(db),
  'look at the login': db => web.loginIsTooPowerful(db),
  'count operations': db => web.countOperations(db, ['key 1', 'key new'], [1, 1], [1000, 1000]),
  'count calls': db => db.all(web.statements.countCalls, calls),
  metrics: db => web.readMetrics(db, [APP], 'stable'),
}

const list =
  (filter: Partial<admin.UserFilter>, offset = 0): Ask =>
  db =>
    admin.adminListUsers(db, 50, offset, { id: null, phones: null, openid: null, ...filter })

/** The same, for administrators. */
export const adminCases: Record<string, Case> = {
  'admin, users, first page': list({}),
  'admin, users, page 100': list({}, 5000),
  'admin, users by id': list({ id: user(1) }),
  'admin, users by phone': list({ phones: [phoneOf(1), '+8613800000000'] }),
  'admin, users by openid': list({ openid: openidOf(1) }),
  'admin, user': db => admin.adminGetUser(db, user(1)),
  'admin, create user': db => admin.adminCreateUser(db, undefined, { phone: '+8613900000000' }, 'a test'),
  'admin, update user': db =>
    admin.adminUpdateUser(
      db,
      user(1),
      { phone: '+8613900000000', ban_seconds: 60, app_metadata: { a: 1 } },
      'a test',
    ),
  'admin, update user, without phone': db => admin.adminUpdateUser(db, user(1), { phone: '' }, 'a test'),
  'admin, delete user': db => admin.adminDeleteUser(db, user(1), 'a test', false),
  'admin, delete user for good': db => admin.adminDeleteUser(db, user(1), 'a test', true),
  'admin, sessions': db => admin.adminListSessions(db, user(1)),
  'admin, end sessions': db => admin.adminEndSessions(db, user(1), undefined, 'a test'),
  'admin, audit log': db => admin.adminListAudit(db, 50, 0, null, null),
  'admin, audit log of a user': db => admin.adminListAudit(db, 50, 0, user(1), null),
  'admin, audit log of an action': db => admin.adminListAudit(db, 50, 0, null, 'user_signed_in'),
  'admin, audit log of a rare action': db => admin.adminListAudit(db, 50, 0, null, 'user_banned'),
}
