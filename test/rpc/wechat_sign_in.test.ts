import { randomUUID } from 'node:crypto'
import { decodeJwt } from 'jose'
import { freshOpenid, freshPhone, loginCode, phoneCode, post, signInEntrances } from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { type Node, startNode, startSimulator, type TestSimulator } from '../support/service.ts'

let db: TestDatabase
let simulator: TestSimulator
let node: Node
const secondApp = 'wx2222222222222222'

beforeAll(async () => {
  db = await createDatabase()
  const apps = { wx1111111111111111: 'first secret', [secondApp]: 'second secret' }
  simulator = await startSimulator({ apps })
  node = await startNode({
    db,
    wechatUrl: simulator.url,
    env: {
      WECHAT_APP_ID: 'wx1111111111111111',
      WECHAT_APP_SECRET: 'first secret',
      WECHAT_APPS: JSON.stringify({ [secondApp]: 'second secret' }),
    },
  })
})
afterAll(async () => {
  await node.close()
  await simulator.close()
  await db.drop()
})

describe.each(Object.entries(signInEntrances))('%s', (entrance, signIn) => {
  const statusOf = (rest: number) => (entrance === 'GraphQL' ? 200 : rest)

  test('creates the user at first sight, and finds him again', async () => {
    const openid = freshOpenid()
    const first = await signIn(node, await loginCode(simulator, openid))
    expect(first).toMatchObject({
      code: undefined,
      status: 200,
      userId: expect.stringMatching(/^[0-9a-f-]{36}$/),
    })
    expect(await signIn(node, await loginCode(simulator, openid))).toEqual(first)
    expect(
      await db.row('select wechat_id, wechat_unionid, app_metadata from auth.users where id = $1', [
        first.userId,
      ]),
    ).toEqual({
      wechat_id: openid,
      wechat_unionid: null,
      app_metadata: { provider: 'wechat_mini', providers: ['wechat_mini'] },
    })
    expect(
      await db.rows('select type from auth_private.events where user_id = $1 order by id', [first.userId]),
    ).toEqual([{ type: 'user.created' }, { type: 'user.signed_in' }, { type: 'user.signed_in' }])
    expect(
      await db.rows('select action from auth.audit_log_entries where user_id = $1 order by id', [
        first.userId,
      ]),
    ).toEqual([{ action: 'user_signed_up' }, { action: 'user_signed_in' }])
  })

  test('notes a unionid that arrives later', async () => {
    const openid = freshOpenid()
    const unionid = randomUUID()
    const { userId } = await signIn(node, await loginCode(simulator, openid))
    await signIn(node, await loginCode(simulator, openid, { unionid }))
    expect(await db.row('select wechat_unionid from auth.users where id = $1', [userId])).toEqual({
      wechat_unionid: unionid,
    })
    expect(await db.row('select unionid from auth.identities where user_id = $1', [userId])).toEqual({
      unionid,
    })
    // Once known it stays, also where WeChat does not tell it again.
    await signIn(node, await loginCode(simulator, openid))
    expect(await db.row('select wechat_unionid from auth.users where id = $1', [userId])).toEqual({
      wechat_unionid: unionid,
    })
  })

  test('finds the person of another app by the unionid', async () => {
    const unionid = randomUUID()
    const first = await signIn(node, await loginCode(simulator, freshOpenid(), { unionid }))
    const second = await signIn(
      node,
      await loginCode(simulator, freshOpenid(), { unionid, appid: secondApp }),
      undefined,
      {
        'x-wechat-appid': secondApp,
      },
    )
    expect(second.userId).toBe(first.userId)
    expect(
      await db.rows('select appid from auth.identities where user_id = $1 order by appid', [first.userId]),
    ).toEqual([{ appid: 'wx1111111111111111' }, { appid: secondApp }])
  })

  test('refuses a banned user', async () => {
    const openid = freshOpenid()
    const { userId } = await signIn(node, await loginCode(simulator, openid))
    await db.owner.query(`update auth.users set banned_until = now() + interval '1 hour' where id = $1`, [
      userId,
    ])
    expect(await signIn(node, await loginCode(simulator, openid))).toMatchObject({
      code: 'user_banned',
      status: statusOf(403),
    })
    await db.owner.query(`update auth.users set banned_until = now() - interval '1 second' where id = $1`, [
      userId,
    ])
    expect(await signIn(node, await loginCode(simulator, openid))).toMatchObject({ code: undefined })
  })

  test('a code signs in once', async () => {
    const code = await loginCode(simulator, freshOpenid())
    await signIn(node, code)
    expect(await signIn(node, code)).toMatchObject({
      code: 'wechat_code_invalid',
      status: statusOf(400),
      wechat: { errcode: 40163, rid: expect.any(String) },
    })
  })

  test.each<[string, Parameters<TestSimulator['failNext']>[1], string, number]>([
    ['-1', { errcode: -1 }, 'wechat_unavailable', 503],
    ['40029', { errcode: 40029 }, 'wechat_code_invalid', 400],
    ['40226', { errcode: 40226 }, 'wechat_user_blocked', 403],
    ['45011', { errcode: 45011 }, 'wechat_unavailable', 503],
    ['40013', { errcode: 40013 }, 'wechat_misconfigured', 500],
    ['40125', { errcode: 40125 }, 'wechat_misconfigured', 500],
    ['40164', { errcode: 40164 }, 'wechat_misconfigured', 500],
    ['an answer without openid', { status: 200, body: '{"session_key":"abc"}' }, 'wechat_unavailable', 503],
    ['a reset', { reset: true }, 'wechat_unavailable', 503],
  ])('says what WeChat means by %s', async (_case, fault, expected, status) => {
    simulator.failNext('jscode2session', fault)
    const openid = freshOpenid()
    expect(await signIn(node, await loginCode(simulator, openid))).toMatchObject({
      code: expected,
      status: statusOf(status),
    })
    expect(await db.rows('select from auth.users where wechat_id = $1', [openid])).toEqual([])
  })

  test.each([
    ['missing', undefined],
    ['empty', ''],
    ['too long', 'x'.repeat(5_000)],
    ['an emoji', '😀'],
  ])('refuses a code that is %s', async (_case, code) => {
    const refused = await signIn(node, code)
    expect(refused).toMatchObject({
      code: 'validation_failed',
      status: code === undefined ? 400 : statusOf(400),
    })
  })

  test('a phone code is no login code', async () => {
    const code = await phoneCode(simulator, freshPhone())
    expect(await signIn(node, code)).toMatchObject({ code: 'wechat_code_invalid', status: statusOf(400) })
  })

  test('a bad token is an error, never nobody', async () => {
    const refused = await signIn(node, await loginCode(simulator, freshOpenid()), 'garbage')
    expect(refused).toMatchObject({ code: 'bad_jwt', status: 403 })
  })
})

test('the session is what GoTrue gives: tokens, their end, claims, user', async () => {
  const openid = freshOpenid()
  const { body, headers } = await post(`${node.url}/auth/v1/wechat_mini/login`, {
    code: await loginCode(simulator, openid),
  })
  const now = Math.floor(Date.now() / 1000)
  expect(body).toEqual({
    access_token: expect.any(String),
    token_type: 'bearer',
    expires_in: 3600,
    expires_at: expect.any(Number),
    refresh_token: expect.any(String),
    user: {
      id: expect.any(String),
      aud: 'authenticated',
      role: 'authenticated',
      email: '',
      phone: '',
      wechat_id: openid,
      wechat_unionid: '',
      last_sign_in_at: expect.any(String),
      app_metadata: { provider: 'wechat_mini', providers: ['wechat_mini'] },
      user_metadata: {},
      identities: [
        expect.objectContaining({
          id: openid,
          provider: 'wechat_mini',
          user_id: body.user.id,
          identity_id: expect.any(String),
        }),
      ],
      created_at: expect.any(String),
      updated_at: expect.any(String),
      is_anonymous: false,
    },
  })
  const claims = decodeJwt(body.access_token)
  const session = await db.row<{ id: string }>('select id from auth.sessions where user_id = $1', [
    body.user.id,
  ])
  expect(claims).toEqual({
    iss: 'http://site.test/auth/v1',
    aud: 'authenticated',
    sub: body.user.id,
    exp: body.expires_at,
    iat: body.expires_at - 3600,
    phone: '',
    role: 'authenticated',
    aal: 'aal1',
    amr: [{ method: 'wechat_mini', timestamp: expect.any(Number) }],
    session_id: session.id,
    is_anonymous: false,
    app_metadata: { provider: 'wechat_mini', providers: ['wechat_mini'] },
    user_metadata: {},
  })
  expect(Math.abs(claims.iat! - now)).toBeLessThan(60)
  expect(headers.get('cache-control')).toBe('no-store')
  expect(headers.get('set-cookie')).toBeNull()
})

test('nothing in the database could be used as a token', async () => {
  const { body } = await post(`${node.url}/auth/v1/wechat_mini/login`, {
    code: await loginCode(simulator, freshOpenid()),
  })
  const { text } = await db.row<{ text: string }>(
    `select string_agg(s::text, E'\\n') as text from auth.sessions s`,
  )
  expect(text).toContain(body.user.id)
  expect(text).not.toContain(body.refresh_token)
  expect(text).not.toContain(Buffer.from(body.refresh_token, 'base64url').subarray(-32).toString('hex'))
})
