import pg from 'pg'
import { bindEntrances, phoneCode, post, type SignedIn, signIn } from '../support/client.ts'
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
  whoIs,
} from './admin_fixture.ts'

// Deleting softly (the row stays and forgets who it was) and hard (it goes), and what refers to it.

let bench: AdminBench
let user: SignedIn
/** As the user has it now, by a code of a tap. */
let phone: string
let code: string

beforeAll(async () => {
  bench = await startAdminBench()
})
beforeEach(async () => {
  user = await signIn(bench.node, bench.simulator)
  phone = freshE164()
  code = await phoneCode(bench.simulator, phone.slice(3))
  await bindEntrances.GraphQL!(bench.node, code, user.accessToken)
  await bench.db.rows(`update auth.users set wechat_unionid = $2 where id = $1`, [
    user.userId,
    `u-${user.openid}`,
  ])
  await bench.db.rows(`update auth.identities set unionid = $2 where user_id = $1`, [
    user.userId,
    `u-${user.openid}`,
  ])
  await bench.admin('PUT', `/users/${user.userId}`, {
    user_metadata: { name: 'a name' },
    app_metadata: { plan: 'gold' },
  })
})
afterAll(() => bench.close())

const remove = (id: string, body?: object) => bench.admin('DELETE', `/users/${id}`, body)
const softly = (id: string) => remove(id, { should_soft_delete: true, reason: `asked from ${phone}` })
const rowsOf = (id: string) =>
  bench.db.row(
    `select (select count(*)::integer from auth.users where id = $1) as users,
       (select count(*)::integer from auth.identities where user_id = $1) as identities,
       (select count(*)::integer from auth.sessions where user_id = $1) as sessions,
       (select count(*)::integer from auth_private.wechat_codes where user_id = $1) as codes`,
    [id],
  )
const refresh = async () =>
  (
    await post(`${bench.node.url}/auth/v1/token?grant_type=refresh_token`, {
      refresh_token: user.refreshToken,
    })
  ).body.error_code

describe('softly', () => {
  test('his tokens are dead at once, and an audit entry and an event tell of it', async () => {
    const answer = await softly(user.userId)
    expect([answer.status, answer.body]).toEqual([200, {}])
    expect(await whoIs(bench.node, user)).toEqual(['session_not_found', 'session_not_found'])
    expect(await refresh()).toBe('refresh_token_not_found')
    expect(await bindEntrances.GraphQL!(bench.node, code, user.accessToken)).toMatchObject({
      code: 'session_not_found',
    })
    expect((await auditOf(bench.db, user.userId)).at(-1)).toEqual({
      action: 'user_deleted',
      actor: 'admin:authenticator',
      details: { reason: `asked from ****${phone.slice(-4)}`, hard: false },
    })
    expect((await eventsOf(bench.db, user.userId)).at(-1)).toEqual({
      type: 'user.deleted',
      data: { hard: false },
    })
  })

  test('what remains says nothing about him, to administrators either', async () => {
    await softly(user.userId)
    const { status, body } = await bench.admin('GET', `/users/${user.userId}`)
    const [identity] = body.identities
    const name = `deleted-${identity.identity_id}`
    expect({ status, body }).toEqual({
      status: 200,
      body: expect.objectContaining({
        id: user.userId,
        deleted_at: expect.any(String),
        phone: '',
        wechat_id: '',
        wechat_unionid: '',
        app_metadata: {},
        user_metadata: {},
        identities: [
          expect.objectContaining({ id: name, identity_data: { sub: name, appid: expect.any(String) } }),
        ],
      }),
    })
    const rows = await bench.db.row(
      `select to_jsonb(u)::text || (select jsonb_agg(i) from auth.identities i where i.user_id = u.id)::text as text
       from auth.users u where u.id = $1`,
      [user.userId],
    )
    for (const part of [user.openid, phone.slice(3), 'a name', 'gold']) expect(rows.text).not.toContain(part)
    expect(await rowsOf(user.userId)).toEqual({ users: 1, identities: 1, sessions: 0, codes: 1 })
  })

  test('the same openid signs in as a new user, and binds the same phone', async () => {
    await softly(user.userId)
    const again = await signIn(bench.node, bench.simulator, user.openid)
    expect(again.userId).not.toBe(user.userId)
    expect(await whoIs(bench.node, again)).toEqual([again.userId, again.userId])
    const tap = await phoneCode(bench.simulator, phone.slice(3))
    expect(await bindEntrances['REST POST']!(bench.node, tap, again.accessToken)).toMatchObject({ phone })
    expect(await whoIs(bench.node, user)).toEqual(['session_not_found', 'session_not_found'])
    // The code that the deleted user had redeemed is nobody's.
    expect(await bindEntrances.GraphQL!(bench.node, code, again.accessToken)).toMatchObject({
      code: 'wechat_code_used',
    })
  })

  test('the same phone goes to another user', async () => {
    await softly(user.userId)
    const other = await signIn(bench.node, bench.simulator)
    const { status, body } = await bench.admin('PUT', `/users/${other.userId}`, { phone })
    expect([status, body.phone]).toEqual([200, phone.slice(3)])
  })

  test('twice is once', async () => {
    await softly(user.userId)
    const before = await everything(bench.db)
    expect((await softly(user.userId)).status).toBe(200)
    expect(await everything(bench.db)).toEqual(before)
  })

  test('a banned user: whoever he becomes is not banned', async () => {
    await bench.admin('PUT', `/users/${user.userId}`, { ban_duration: '24h' })
    expect((await softly(user.userId)).status).toBe(200)
    await signIn(bench.node, bench.simulator, user.openid)
  })
})

describe('hard', () => {
  const nothing = { users: 0, identities: 0, sessions: 0, codes: 0 }

  test.each<[string, object | undefined]>([
    ['nothing', undefined],
    ['an empty object', {}],
    ['false', { should_soft_delete: false, reason: 'asked' }],
    ['null', { should_soft_delete: null }],
  ])('by a body of %s: the row goes, with identities, sessions and codes', async (_what, body) => {
    expect(await rowsOf(user.userId)).toEqual({ users: 1, identities: 1, sessions: 1, codes: 1 })
    expect((await remove(user.userId, body)).status).toBe(200)
    expect(await rowsOf(user.userId)).toEqual(nothing)
    expect(await whoIs(bench.node, user)).toEqual(['session_not_found', 'session_not_found'])
    expect(await refresh()).toBe('refresh_token_not_found')
    expect(told(await bench.admin('GET', `/users/${user.userId}`))).toMatchObject({
      status: 404,
      code: 'user_not_found',
    })
    expect(told(await remove(user.userId))).toMatchObject({ status: 404, code: 'user_not_found' })
    expect((await auditOf(bench.db, user.userId)).at(-1)).toMatchObject({
      action: 'user_deleted',
      details: { hard: true },
    })
    expect((await eventsOf(bench.db, user.userId)).at(-1)).toEqual({
      type: 'user.deleted',
      data: { hard: true },
    })
    expect((await signIn(bench.node, bench.simulator, user.openid)).userId).not.toBe(user.userId)
  })

  test('of nobody', async () => {
    expect(told(await remove(NOBODY))).toMatchObject({ status: 404, code: 'user_not_found' })
  })

  test('of one who was deleted softly', async () => {
    await softly(user.userId)
    expect((await remove(user.userId)).status).toBe(200)
    expect(await rowsOf(user.userId)).toEqual(nothing)
  })

  test('takes along who was merged into him, however far back, and nobody else', async () => {
    const [middle, first, other] = await Promise.all([1, 2, 3].map(() => signIn(bench.node, bench.simulator)))
    await mergeInto(bench.db, first!.userId, middle!.userId)
    await mergeInto(bench.db, middle!.userId, user.userId)
    expect((await remove(user.userId)).status).toBe(200)
    for (const { userId } of [user, middle!, first!]) expect(await rowsOf(userId)).toEqual(nothing)
    expect(await rowsOf(other!.userId)).toMatchObject({ users: 1, sessions: 1 })
  })

  test('of one who was merged away leaves the other; no event tells that a user is gone', async () => {
    const merged = await signIn(bench.node, bench.simulator)
    await mergeInto(bench.db, merged.userId, user.userId)
    const before = await eventsOf(bench.db, merged.userId)
    expect((await remove(merged.userId)).status).toBe(200)
    expect(await rowsOf(merged.userId)).toEqual(nothing)
    expect(await rowsOf(user.userId)).toMatchObject({ users: 1 })
    expect(await eventsOf(bench.db, merged.userId)).toEqual(before)
  })
})

describe("rows of the application's own", () => {
  const TABLE = 'public.orders'
  const create = async (reference: string, column = 'user_id uuid') => {
    await bench.db.rows(`create table ${TABLE} (id integer, ${column} references auth.users ${reference})`)
    await bench.db.rows(`insert into ${TABLE} values (1, $1)`, [user.userId])
  }
  afterEach(() => bench.db.rows(`drop table if exists ${TABLE}`))

  test.each([
    ['no action', '', 'user_id uuid'],
    ['restrict', 'on delete restrict', 'user_id uuid'],
    ['no action, looked at when the transaction ends', 'deferrable initially deferred', 'user_id uuid'],
    ['set null, where null is not allowed', 'on delete set null', 'user_id uuid not null'],
    ['set default, where that is nobody', 'on delete set default', `user_id uuid default '${NOBODY}'`],
  ])(
    'that refer to him, %s: an error names the table, and nothing is deleted',
    async (_name, reference, column) => {
      await create(reference, column)
      const before = await everything(bench.db)
      expect(told(await remove(user.userId))).toEqual({
        status: 400,
        code: 'validation_failed',
        message: expect.stringContaining(
          'Rows of the table public.orders refer to this user. Delete those first',
        ),
      })
      expect(await everything(bench.db)).toEqual(before)
      expect(await whoIs(bench.node, user)).toEqual([user.userId, user.userId])
      // Softly he goes, and they stay.
      expect((await softly(user.userId)).status).toBe(200)
      expect(await bench.db.rows(`select user_id from ${TABLE}`)).toEqual([{ user_id: user.userId }])
    },
  )

  test.each([
    ['cascade', 'on delete cascade', []],
    ['set null', 'on delete set null', [{ user_id: null }]],
    ['cascade, at the end of the transaction', 'on delete cascade deferrable initially deferred', []],
  ])('that let him go, %s', async (_name, reference, left) => {
    await create(reference)
    expect((await remove(user.userId)).status).toBe(200)
    expect(await bench.db.rows(`select user_id from ${TABLE}`)).toEqual(left)
  })

  test('that are being written: the answer is 503, and what it gave up is not done after all', async () => {
    await create('on delete cascade')
    const client = new pg.Client({ connectionString: bench.db.ownerUrl })
    await client.connect()
    try {
      await client.query('begin')
      await client.query(`insert into ${TABLE} values (2, $1)`, [user.userId])
      const answer = await remove(user.userId)
      expect(told(answer)).toMatchObject({ status: 503, code: 'database_unavailable' })
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
      await client.query('commit')
      // Whoever still waited for this row would have it now.
      await client.query('begin')
      await client.query('select from auth.users where id = $1 for update', [user.userId])
      await client.query('commit')
      expect(await rowsOf(user.userId)).toMatchObject({ users: 1, sessions: 1 })
      expect(await whoIs(bench.node, user)).toEqual([user.userId, user.userId])
    } finally {
      await client.end()
    }
    expect((await remove(user.userId)).status).toBe(200)
    expect(await bench.db.rows(`select from ${TABLE}`)).toEqual([])
  })
})
