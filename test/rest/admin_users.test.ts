import { randomUUID } from 'node:crypto'
import { bindEntrances, phoneCode, type SignedIn, send, signIn } from '../support/client.ts'
import {
  type AdminBench,
  auditOf,
  eventsOf,
  everything,
  freshE164,
  mergeInto,
  NOBODY,
  startAdminBench,
  told,
} from './admin_fixture.ts'

// Making, reading and changing users.

let bench: AdminBench
let user: SignedIn

beforeAll(async () => {
  bench = await startAdminBench()
})
beforeEach(async () => {
  user = await signIn(bench.node, bench.simulator)
})
afterAll(() => bench.close())

const put = (id: string, body: object) => bench.admin('PUT', `/users/${id}`, body)
const get = (id: string) => bench.admin('GET', `/users/${id}`)
const masked = (phone: string) => phone.replace(/\d{4}(\d{4})$/, '****$1')

/** Answers an error, and changes nothing. */
async function refuses(call: () => ReturnType<typeof put>, status: number, code: string) {
  const before = await everything(bench.db)
  expect(told(await call())).toMatchObject({ status, code })
  expect(await everything(bench.db)).toEqual(before)
}

describe('GET', () => {
  test('shows the user as he sees himself', async () => {
    const { body: own } = await send(`${bench.node.url}/auth/v1/user`, { token: user.accessToken })
    const { status, body } = await get(user.userId)
    expect({ status, body }).toEqual({ status: 200, body: own })
    expect(body).toMatchObject({
      id: user.userId,
      wechat_id: user.openid,
      phone: '',
      identities: [{ id: user.openid }],
    })
    for (const name of ['banned_until', 'deleted_at', 'merged_into']) expect(body).not.toHaveProperty(name)
  })

  test('finds an id in capitals', async () => {
    expect((await get(user.userId.toUpperCase())).body.id).toBe(user.userId)
  })
})

describe('POST', () => {
  test('makes a user with all that can be said of one', async () => {
    const [id, phone] = [randomUUID(), freshE164()]
    const { status, body } = await bench.admin('POST', '/users', {
      id,
      phone: phone.slice(1),
      phone_confirm: true,
      user_metadata: { name: '小明', gone: null },
      app_metadata: { plan: 'gold' },
      ban_duration: '24h',
      role: 'authenticated',
      email: null,
      reason: `moved here from ${phone}`,
    })
    expect(status).toBe(200)
    expect(body).toEqual({
      id,
      aud: 'authenticated',
      role: 'authenticated',
      email: '',
      phone: phone.slice(3),
      phone_confirmed_at: expect.any(String),
      wechat_id: '',
      wechat_unionid: '',
      last_sign_in_at: null,
      app_metadata: { plan: 'gold' },
      user_metadata: { name: '小明' },
      identities: [],
      created_at: expect.any(String),
      updated_at: expect.any(String),
      is_anonymous: false,
      banned_until: expect.any(String),
    })
    expect((await get(id)).body).toEqual(body)
    const actor = 'admin:authenticator'
    const reason = `moved here from ****${phone.slice(-4)}`
    expect(await auditOf(bench.db, id)).toEqual([
      { action: 'user_created', actor, details: { reason } },
      { action: 'user_updated', actor, details: { reason } },
      { action: 'user_banned', actor, details: { reason, until: expect.any(String) } },
      { action: 'phone_bound', actor, details: { source: 'admin', reason, phone: masked(phone) } },
    ])
    expect(await eventsOf(bench.db, id)).toEqual([
      { type: 'user.created', data: { provider: null } },
      { type: 'phone.bound', data: { phone } },
    ])
  })

  test.each<[string, object | undefined]>([
    ['nothing', undefined],
    ['an empty object', {}],
    [
      'nulls',
      { id: null, phone: null, user_metadata: null, app_metadata: null, ban_duration: null, reason: null },
    ],
  ])('makes a user of %s', async (_what, body) => {
    const answer = await bench.admin('POST', '/users', body)
    expect(answer.status).toBe(200)
    expect(answer.body).toMatchObject({ phone: '', user_metadata: {}, app_metadata: {}, identities: [] })
    expect(await auditOf(bench.db, answer.body.id)).toMatchObject([
      { action: 'user_created', details: { reason: 'over REST, with the service-role key' } },
    ])
  })

  test('refuses the phone of another user, and makes nobody', async () => {
    const phone = freshE164()
    await put(user.userId, { phone })
    await refuses(
      () => bench.admin('POST', '/users', { id: randomUUID(), phone, user_metadata: { a: 1 } }),
      422,
      'phone_exists',
    )
  })

  test('refuses an id that is taken, also by a deleted or merged user', async () => {
    const gone = await signIn(bench.node, bench.simulator)
    await bench.admin('DELETE', `/users/${gone.userId}`, { should_soft_delete: true })
    const merged = await signIn(bench.node, bench.simulator)
    await mergeInto(bench.db, merged.userId, user.userId)
    for (const { userId: id } of [user, gone, merged]) {
      await refuses(() => bench.admin('POST', '/users', { id }), 400, 'validation_failed')
    }
  })
})

describe('PUT', () => {
  test('merges metadata key by key, and null takes a key away', async () => {
    await put(user.userId, { user_metadata: { a: 1, b: { c: 1 } }, app_metadata: { plan: 'gold' } })
    const { body } = await put(user.userId, {
      user_metadata: { a: null, b: { d: 2 }, constructor: 'x' },
      app_metadata: { plan: null, seats: 2 },
    })
    expect(body).toMatchObject({
      user_metadata: { b: { d: 2 }, constructor: 'x' },
      app_metadata: { provider: 'wechat_mini', providers: ['wechat_mini'], seats: 2 },
    })
    expect(body.user_metadata).not.toHaveProperty('a')
    expect(body.app_metadata).not.toHaveProperty('plan')
  })

  test.each<[string, object | undefined]>([
    ['an empty object', {}],
    ['null', { phone: null, user_metadata: null, app_metadata: null, ban_duration: null }],
    [
      'what nobody knows',
      { nickname: 'x', deleted_at: '2020-01-01', banned_until: 'infinity', phone_revision: 9 },
    ],
    ['a confirmation of no phone', { phone_confirm: true, role: 'authenticated', email: null }],
  ])('%s changes nothing', async (_what, body) => {
    const before = await everything(bench.db)
    expect((await put(user.userId, body ?? {})).body).toEqual((await get(user.userId)).body)
    expect(await everything(bench.db)).toEqual(before)
  })

  test.each([
    ['with plus', (phone: string) => phone],
    ['digits only', (phone: string) => phone.slice(1)],
  ])('sets a phone, %s', async (_what, spell) => {
    const phone = freshE164()
    const { status, body } = await put(user.userId, { phone: spell(phone), phone_confirm: true })
    expect([status, body.phone]).toEqual([200, phone.slice(3)])
    expect(
      await bench.db.row('select phone, phone_raw from auth.users where id = $1', [user.userId]),
    ).toEqual({
      phone,
      phone_raw: null,
    })
    expect((await eventsOf(bench.db, user.userId)).at(-1)).toEqual({ type: 'phone.bound', data: { phone } })
  })

  test('an empty phone takes it away, and a code that had bound it says so', async () => {
    const code = await phoneCode(bench.simulator, freshE164().slice(3))
    await bindEntrances.GraphQL!(bench.node, code, user.accessToken)
    expect((await put(user.userId, { phone: '' })).body).toMatchObject({ phone: '' })
    expect((await eventsOf(bench.db, user.userId)).at(-1)).toMatchObject({ type: 'phone.unbound' })
    expect(await bindEntrances.GraphQL!(bench.node, code, user.accessToken)).toMatchObject({
      code: 'wechat_code_used',
    })
  })

  test('a phone that another user has: 422, and nothing else of the request is done', async () => {
    const phone = freshE164()
    await put((await signIn(bench.node, bench.simulator)).userId, { phone })
    await refuses(
      () => put(user.userId, { phone, user_metadata: { a: 1 }, app_metadata: { b: 1 }, ban_duration: '1h' }),
      422,
      'phone_exists',
    )
  })

  test('metadata that has become too large: nothing else of the request is done', async () => {
    await put(user.userId, { user_metadata: { a: 'x'.repeat(4_000) } })
    await refuses(
      () => put(user.userId, { phone: freshE164(), user_metadata: { b: 'x'.repeat(200) } }),
      400,
      'validation_failed',
    )
    // Smaller it may become.
    expect((await put(user.userId, { user_metadata: { a: 'x' } })).status).toBe(200)
  })
})

describe('every route with an id', () => {
  type Row = [
    method: string,
    path: string,
    body: object | undefined,
    unknown: number,
    deleted: number,
    merged: number,
  ]
  const rows: Row[] = [
    ['GET', '', undefined, 404, 200, 200],
    ['PUT', '', { user_metadata: { a: 1 } }, 404, 404, 404],
    ['PUT', '', { phone: '+8617000000001' }, 404, 404, 404],
    ['PUT', '', { ban_duration: '1h' }, 404, 404, 404],
    ['PUT', '', {}, 404, 404, 404],
    ['GET', '/sessions', undefined, 404, 200, 200],
    ['DELETE', '/sessions', undefined, 404, 404, 404],
    ['DELETE', `/sessions/${randomUUID()}`, undefined, 404, 404, 404],
    ['DELETE', '', { should_soft_delete: true }, 404, 200, 404],
  ]
  test.each(rows)('%s /users/:id%s %j: unknown %d, deleted %d, merged %d', async (...row) => {
    const [method, path, body, unknown, deleted, merged] = row
    await bench.admin('DELETE', `/users/${user.userId}`, { should_soft_delete: true })
    const other = await signIn(bench.node, bench.simulator)
    await mergeInto(bench.db, other.userId, (await signIn(bench.node, bench.simulator)).userId)
    const before = await everything(bench.db)
    for (const [id, status] of [
      [NOBODY, unknown],
      [user.userId, deleted],
      [other.userId, merged],
    ] as const) {
      const answer = await bench.admin(method, `/users/${id}${path}`, body)
      expect([answer.status, answer.body.error_code]).toEqual([
        status,
        status === 404 ? 'user_not_found' : undefined,
      ])
    }
    expect(await everything(bench.db)).toEqual(before)
  })
})
