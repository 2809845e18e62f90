import {
  bindEntrances,
  freshPhone,
  loginCode,
  type Outcome,
  phoneCode,
  send,
  signIn,
  signInEntrances,
} from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { startProxy } from '../support/proxy.ts'
import { type Node, startNode, startSimulator, type TestSimulator } from '../support/service.ts'

let db: TestDatabase
let simulator: TestSimulator
let node: Node
let other: Node

beforeAll(async () => {
  db = await createDatabase()
  simulator = await startSimulator()
  node = await startNode({ db, wechatUrl: simulator.url })
  other = await startNode({ db, wechatUrl: simulator.url })
})
afterAll(async () => {
  await node.close()
  await other.close()
  await simulator.close()
  await db.drop()
})

const phoneOf = async (userId: string) =>
  (await db.row<{ phone: string | null }>('select phone from auth.users where id = $1', [userId])).phone
const exchanges = () => simulator.callCounts.getuserphonenumber
/** What everybody may learn, without the parts that only one entrance has. */
const essence = ({ code, phone, userId, wechat }: Outcome) => ({ code, phone, userId, wechat })

describe.each(Object.entries(bindEntrances))('%s', (entrance, bind) => {
  const statusOf = (rest: number) => (entrance === 'GraphQL' ? 200 : rest)

  test('binds the phone of the tap: user, audit entry and event in one transaction', async () => {
    const user = await signIn(node, simulator)
    const phone = freshPhone()
    expect(await bind(node, await phoneCode(simulator, phone), user.accessToken)).toEqual({
      code: undefined,
      status: 200,
      phone: `+86${phone}`,
      userId: user.userId,
    })
    expect(
      await db.row(
        `select phone, phone_raw, phone_confirmed_at = updated_at as confirmed, phone_revision
         from auth.users where id = $1`,
        [user.userId],
      ),
    ).toEqual({
      phone: `+86${phone}`,
      phone_raw: { phoneNumber: phone, purePhoneNumber: phone, countryCode: '86' },
      confirmed: true,
      phone_revision: 1,
    })
    const masked = `+86${phone.slice(0, 3)}****${phone.slice(-4)}`
    expect(
      await db.rows(
        `select action, actor, details from auth.audit_log_entries where user_id = $1 and action ~ '^phone'`,
        [user.userId],
      ),
    ).toEqual([
      {
        action: 'phone_bound',
        actor: 'user',
        details: { source: 'wechat', appid: node.services.config.wechat.defaultAppid, phone: masked },
      },
    ])
    expect(
      await db.rows(`select type, data from auth_private.events where user_id = $1 and type ~ '^phone'`, [
        user.userId,
      ]),
    ).toEqual([{ type: 'phone.bound', data: { phone: `+86${phone}` } }])
    // One transaction wrote them all: they carry the same transaction id.
    const { ids } = await db.row<{ ids: string[] }>(
      `select array_agg(distinct x::text) as ids from (
         select xmin from auth_private.wechat_codes where user_id = $1
         union all select xmin from auth.audit_log_entries where user_id = $1 and action = 'phone_bound'
         union all select xmin from auth_private.events where user_id = $1 and type = 'phone.bound') t (x)`,
      [user.userId],
    )
    expect(ids).toHaveLength(1)
  })

  test('keeps a number outside the mainland apart from its Chinese twin', async () => {
    const [chinese, american] = [await signIn(node, simulator), await signIn(node, simulator)]
    const national = freshPhone()
    await bind(node, await phoneCode(simulator, national), chinese.accessToken)
    const code = await phoneCode(simulator, '2015550123', { country_code: '1' })
    expect(await bind(node, code, american.accessToken)).toMatchObject({ phone: '+12015550123' })
    await db.owner.query(
      'update auth.users set phone = null, phone_confirmed_at = null, phone_raw = null where id = $1',
      [american.userId],
    )
  })

  test('gives the same code the same outcome, on another node and from another session, and asks WeChat once', async () => {
    const user = await signIn(node, simulator)
    const code = await phoneCode(simulator, freshPhone())
    const before = exchanges()
    const first = await bind(node, code, user.accessToken)
    const again = await signIn(other, simulator, user.openid)
    expect(await bind(other, code, again.accessToken)).toEqual(first)
    expect(await bind(node, code, user.accessToken)).toEqual(first)
    expect(exchanges() - before).toBe(1)
    const events = await db.rows(
      `select from auth_private.events where user_id = $1 and type = 'phone.bound'`,
      [user.userId],
    )
    expect(events).toHaveLength(1)
  })

  test('tells another user that the code is used, and gives him nothing', async () => {
    const [owner, thief] = [await signIn(node, simulator), await signIn(node, simulator)]
    const code = await phoneCode(simulator, freshPhone())
    await bind(node, code, owner.accessToken)
    expect(await bind(node, code, thief.accessToken)).toMatchObject({
      code: 'wechat_code_used',
      status: statusOf(409),
    })
    expect(await phoneOf(thief.userId)).toBeNull()
  })

  test('does not answer "bound" when the phone has left the user since', async () => {
    const user = await signIn(node, simulator)
    const first = await phoneCode(simulator, freshPhone())
    await bind(node, first, user.accessToken)
    await db.owner.query(`select auth.admin_unbind_phone($1, 'lost phone')`, [user.userId])
    expect(await bind(node, first, user.accessToken)).toMatchObject({
      code: 'wechat_code_used',
      status: statusOf(409),
    })
    const second = await phoneCode(simulator, freshPhone())
    expect(await bind(node, second, user.accessToken)).toMatchObject({ code: undefined })
    expect(await bind(node, first, user.accessToken)).toMatchObject({ code: 'wechat_code_used' })
    expect(await bind(node, second, user.accessToken)).toMatchObject({ code: undefined })
  })

  test('refuses the phone of another user, remembers that, and changes nothing else', async () => {
    const [owner, late] = [await signIn(node, simulator), await signIn(node, simulator)]
    const phone = freshPhone()
    await bind(node, await phoneCode(simulator, phone), owner.accessToken)
    const code = await phoneCode(simulator, phone)
    const before = exchanges()
    expect(await bind(node, code, late.accessToken)).toMatchObject({
      code: 'phone_exists',
      status: statusOf(422),
    })
    expect(await bind(other, code, late.accessToken)).toMatchObject({
      code: 'phone_exists',
      status: statusOf(422),
    })
    expect(exchanges() - before).toBe(1)
    expect(await phoneOf(owner.userId)).toBe(`+86${phone}`)
    expect(await phoneOf(late.userId)).toBeNull()
    expect(
      await db.rows(
        `select action, details ->> 'reason' as reason from auth.audit_log_entries where user_id = $1 and action ~ '^phone'`,
        [late.userId],
      ),
    ).toEqual([{ action: 'phone_refused', reason: 'phone_exists' }])
  })

  test('takes the same phone again: new confirmation, audit entry, no event', async () => {
    const user = await signIn(node, simulator)
    const phone = freshPhone()
    await bind(node, await phoneCode(simulator, phone), user.accessToken)
    const { phone_confirmed_at: before } = await db.row<{ phone_confirmed_at: Date }>(
      'select phone_confirmed_at from auth.users where id = $1',
      [user.userId],
    )
    await bind(node, await phoneCode(simulator, phone), user.accessToken)
    const after = await db.row<{ phone_confirmed_at: Date; phone_revision: number }>(
      'select phone_confirmed_at, phone_revision from auth.users where id = $1',
      [user.userId],
    )
    expect(after.phone_confirmed_at.getTime()).toBeGreaterThan(before.getTime())
    expect(after.phone_revision).toBe(1)
    const count = (table: string, condition: string) =>
      db.rows(`select from ${table} where user_id = $1 and ${condition}`, [user.userId])
    expect(await count('auth.audit_log_entries', `action = 'phone_bound'`)).toHaveLength(2)
    expect(await count('auth_private.events', `type = 'phone.bound'`)).toHaveLength(1)
  })

  test('another phone replaces the first, and frees it', async () => {
    const [user, next] = [await signIn(node, simulator), await signIn(node, simulator)]
    const [first, second] = [freshPhone(), freshPhone()]
    await bind(node, await phoneCode(simulator, first), user.accessToken)
    await bind(node, await phoneCode(simulator, second), user.accessToken)
    expect(await phoneOf(user.userId)).toBe(`+86${second}`)
    expect(await bind(node, await phoneCode(simulator, first), next.accessToken)).toMatchObject({
      phone: `+86${first}`,
    })
  })

  describe.each([
    ['no token', 'no_authorization', 401, undefined],
    ['the anon key', 'no_authorization', 401, () => node.services.apiKeys.anon],
    ['the service-role key', 'no_authorization', 401, () => node.services.apiKeys.serviceRole],
    ['a token that is none', 'bad_jwt', 403, () => 'not.a.token'],
  ])('refuses %s', (_case, code, status, token) => {
    test('before WeChat is asked', async () => {
      const before = exchanges()
      const refused = await bind(node, await phoneCode(simulator, freshPhone()), token?.())
      expect(refused.code).toBe(code)
      // A bad token is refused before GraphQL executes anything.
      expect(refused.status).toBe(code === 'bad_jwt' ? status : statusOf(status))
      expect(exchanges()).toBe(before)
    })
  })

  test.each<[string, string, string, number]>([
    ['whose session has ended', 'delete from auth.sessions where user_id = $1', 'session_not_found', 403],
    ['who is banned', `update auth.users set banned_until = 'infinity' where id = $1`, 'user_banned', 403],
    ['who is deleted', 'update auth.users set deleted_at = now() where id = $1', 'session_not_found', 403],
  ])('refuses a user %s, before WeChat is asked', async (_case, change, code, status) => {
    const user = await signIn(node, simulator)
    await db.owner.query(change, [user.userId])
    const before = exchanges()
    const refused = await bind(node, await phoneCode(simulator, freshPhone()), user.accessToken)
    expect(refused).toMatchObject({ code, status: statusOf(status) })
    expect(exchanges()).toBe(before)
  })

  test('says that the database is away, and when to come back', async () => {
    const proxy = await startProxy(db.webUrl)
    const shaky = await startNode({ db: { ...db, webUrl: proxy.url }, wechatUrl: simulator.url })
    try {
      const user = await signIn(shaky, simulator)
      proxy.cut()
      const refused = await bind(shaky, await phoneCode(simulator, freshPhone()), user.accessToken)
      expect(refused).toMatchObject({ code: 'database_unavailable', status: statusOf(503) })
      expect(Number(refused.retryAfter)).toBeGreaterThan(0)
      const signing = signInEntrances[entrance]!(shaky, await loginCode(simulator, user.openid))
      expect(await signing).toMatchObject({ code: 'database_unavailable', status: statusOf(503) })
    } finally {
      await shaky.close()
      await proxy.close()
    }
  })

  test('masks what nobody foresaw, with an id for the report', async () => {
    const user = await signIn(node, simulator)
    const code = await phoneCode(simulator, freshPhone())
    await db.owner.query('alter function auth_private.hold_session(uuid, boolean) rename to gone')
    try {
      const refused = await bind(node, code, user.accessToken)
      expect(refused).toMatchObject({ code: 'unexpected_failure', status: statusOf(500) })
      expect(refused.message).not.toMatch(/hold_session|function/)
    } finally {
      await db.owner.query('alter function auth_private.gone(uuid, boolean) rename to hold_session')
    }
    expect(await bind(node, code, user.accessToken)).toMatchObject({ code: undefined })
  })

  test.each([
    ['empty', ''],
    ['too long', 'x'.repeat(513)],
    ['with a line break', 'abc\ndef'],
    ['with NUL', 'abc\u0000'],
    ['an emoji', '😀'],
  ])('refuses a code that is %s', async (_case, code) => {
    const user = await signIn(node, simulator)
    const before = exchanges()
    expect(await bind(node, code, user.accessToken)).toMatchObject({
      code: 'validation_failed',
      status: statusOf(400),
    })
    expect(exchanges()).toBe(before)
  })

  test('refuses a missing code', async () => {
    const user = await signIn(node, simulator)
    expect(await bind(node, undefined, user.accessToken)).toMatchObject({
      code: 'validation_failed',
      status: 400,
    })
  })

  test.each<[string, Parameters<TestSimulator['failNext']>[1], string, number]>([
    ['40029', { errcode: 40029 }, 'wechat_code_invalid', 400],
    ['40163', { errcode: 40163 }, 'wechat_code_invalid', 400],
    ['-1', { errcode: -1 }, 'wechat_unavailable', 503],
    ['45009', { errcode: 45009 }, 'wechat_unavailable', 503],
    ['45011', { errcode: 45011 }, 'wechat_unavailable', 503],
    ['40013', { errcode: 40013 }, 'wechat_misconfigured', 500],
    ['48001', { errcode: 48001 }, 'wechat_misconfigured', 500],
    ['an unknown errcode', { errcode: 99999 }, 'wechat_unavailable', 503],
    ['HTML', { status: 200, body: '<html>502</html>' }, 'wechat_unavailable', 503],
    ['HTTP 502', { status: 502, body: 'bad gateway' }, 'wechat_unavailable', 503],
    ['a reset', { reset: true }, 'wechat_unavailable', 503],
    [
      'no phone',
      { phoneInfo: { phoneNumber: undefined, purePhoneNumber: undefined } },
      'wechat_phone_unusable',
      422,
    ],
    [
      'a phone that is none',
      { phoneInfo: { phoneNumber: '12', purePhoneNumber: '12' } },
      'wechat_phone_unusable',
      422,
    ],
    [
      "another app's watermark",
      { phoneInfo: { watermark: { appid: 'wx0000000000000000', timestamp: 1 } } },
      'wechat_phone_unusable',
      422,
    ],
  ])('says what WeChat means by %s', async (_case, fault, expected, status) => {
    const user = await signIn(node, simulator)
    const code = await phoneCode(simulator, freshPhone())
    simulator.failNext('getuserphonenumber', fault)
    const refused = await bind(node, code, user.accessToken)
    expect(refused).toMatchObject({ code: expected, status: statusOf(status) })
    if ('errcode' in fault) {
      expect(refused.wechat).toEqual({ errcode: fault.errcode, rid: expect.stringMatching(/^[0-9a-f]{8}-/) })
    }
    if (status === 503) expect(Number(refused.retryAfter)).toBeGreaterThan(0)
    expect(await phoneOf(user.userId)).toBeNull()

    // What WeChat said for good is remembered; where the code may still be good, the next attempt takes it.
    const before = exchanges()
    const again = await bind(node, code, user.accessToken)
    if (['wechat_unavailable', 'wechat_misconfigured'].includes(expected)) {
      expect(again).toMatchObject({ code: undefined })
      expect(exchanges() - before).toBe(1)
    } else {
      expect(essence(again)).toEqual(essence(refused))
      expect(exchanges() - before).toBe(0)
    }
  })

  test('an odd watermark age costs nobody a phone', async () => {
    const user = await signIn(node, simulator)
    const phone = freshPhone()
    const code = await phoneCode(simulator, phone)
    const watermark = { appid: node.services.config.wechat.defaultAppid, timestamp: 86_400 }
    simulator.failNext('getuserphonenumber', { phoneInfo: { watermark } })
    expect(await bind(node, code, user.accessToken)).toMatchObject({ code: undefined, phone: `+86${phone}` })
  })

  test('a code that WeChat refused tells everybody to tap again, not that somebody used it', async () => {
    const [one, two] = [await signIn(node, simulator), await signIn(node, simulator)]
    const code = `bogus-${entrance.replace(/\W/g, '')}`
    expect(await bind(node, code, one.accessToken)).toMatchObject({ code: 'wechat_code_invalid' })
    expect(await bind(node, code, two.accessToken)).toMatchObject({ code: 'wechat_code_invalid' })
  })

  test('refuses an app that is not configured', async () => {
    const user = await signIn(node, simulator)
    const headers = { 'x-wechat-appid': 'wx1111111111111111' }
    const refused = await bind(node, await phoneCode(simulator, freshPhone()), user.accessToken, headers)
    expect(refused).toMatchObject({ code: 'wechat_misconfigured', status: 500 })
  })
})

test('a doubled code parameter is no code', async () => {
  const user = await signIn(node, simulator)
  const code = await phoneCode(simulator, freshPhone())
  const answer = await send(`${node.url}/auth/v1/wechat_mini/bind_phone?code=${code}&code=${code}`, {
    token: user.accessToken,
  })
  expect(answer).toMatchObject({ status: 400, body: { code: 400, error_code: 'validation_failed' } })
  expect(answer.headers.get('x-sb-error-code')).toBe('validation_failed')
})

test('the ledger holds neither the code nor the phone', async () => {
  const user = await signIn(node, simulator)
  const phone = freshPhone()
  const code = await phoneCode(simulator, phone)
  await bindEntrances.GraphQL!(node, code, user.accessToken)
  const { text } = await db.row<{ text: string }>(
    `select string_agg(c::text, E'\\n') as text from auth_private.wechat_codes c where user_id = $1`,
    [user.userId],
  )
  expect(text).toContain(user.userId)
  expect(text).not.toContain(code)
  expect(text).not.toContain(phone)
})
