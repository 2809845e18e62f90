import { randomUUID } from 'node:crypto'
import { createRequire } from 'node:module'
import { freshOpenid, freshPhone, graphql, loginCode, phoneCode, post } from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { startProxy } from '../support/proxy.ts'
import { type Node, startNode, startSimulator, type TestSimulator } from '../support/service.ts'
import { createWx } from '../support/wx.ts'

// MemFire's mini-program SDK itself, unchanged, against the service.

const wx = createWx()
Object.assign(globalThis, { wx })
const { createClient } = createRequire(import.meta.url)('supabase-wechat-stable-v2')

let db: TestDatabase
let simulator: TestSimulator
let node: Node

beforeAll(async () => {
  db = await createDatabase()
  simulator = await startSimulator()
  node = await startNode({ db, wechatUrl: simulator.url })
})
afterAll(async () => {
  await node.close()
  await simulator.close()
  await db.drop()
})
beforeEach(() => {
  wx.requests.length = 0
})

/** A mini program on a phone of its own. */
const newClient = (at = node, key = at.services.apiKeys.anon) =>
  createClient(at.url, key, {
    auth: { autoRefreshToken: false, detectSessionInUrl: false, storageKey: randomUUID() },
  })

const paths = () => wx.requests.map(({ method, path }) => `${method} ${path.replace(/code=[^&]*/, 'code=…')}`)

test('signs in, binds, refreshes, reads and signs out; the phone is in the database', async () => {
  const client = newClient()
  const openid = freshOpenid()
  const signedIn = await client.auth.signInWithWechat({ code: await loginCode(simulator, openid) })
  expect(signedIn.error).toBeNull()
  const userId = signedIn.data.user.id
  expect(signedIn.data.session).toMatchObject({
    token_type: 'bearer',
    expires_in: 3600,
    user: { wechat_id: openid, phone: '' },
  })

  const phone = freshPhone()
  const bound = await client.auth.wechatBindPhone({ code: await phoneCode(simulator, phone) })
  expect(bound).toEqual({
    data: {
      user: {
        id: userId,
        aud: 'authenticated',
        role: 'authenticated',
        email: '',
        phone,
        phone_confirmed_at: expect.any(String),
        wechat_id: openid,
        wechat_unionid: '',
        last_sign_in_at: expect.any(String),
        app_metadata: { provider: 'wechat_mini', providers: ['wechat_mini'] },
        user_metadata: {},
        identities: expect.any(Array),
        created_at: expect.any(String),
        updated_at: expect.any(String),
        is_anonymous: false,
      },
    },
    error: null,
  })
  expect(await db.row('select id, phone from auth.users where phone = $1', [`+86${phone}`])).toEqual({
    id: userId,
    phone: `+86${phone}`,
  })
  const stored = await client.auth.getSession()
  expect(stored.data.session.user.phone).toBe(phone)

  const refreshed = await client.auth.refreshSession()
  expect(refreshed.error).toBeNull()
  expect(refreshed.data.session.user.phone).toBe(phone)
  expect(refreshed.data.session.refresh_token).not.toBe(signedIn.data.session.refresh_token)

  const read = await client.auth.getUser()
  expect(read.data.user).toMatchObject({ id: userId, phone })
  const seen = await graphql(node, '{ currentUser { phone } }', {}, refreshed.data.session.access_token)
  expect(seen.body.data.currentUser.phone).toBe(`+86${phone}`)

  expect(await client.auth.signOut()).toMatchObject({ error: null })
  expect((await client.auth.getSession()).data.session).toBeNull()
  expect(await db.rows('select from auth.sessions where user_id = $1', [userId])).toEqual([])
  expect(paths()).toEqual([
    'GET /auth/v1/wechat_mini/login?code=…',
    'GET /auth/v1/wechat_mini/bind_phone?code=…',
    'POST /auth/v1/token?grant_type=refresh_token',
    'GET /auth/v1/user',
    'POST /auth/v1/logout?scope=global',
  ])
})

test('works with an anon key that is no JWT', async () => {
  const opaque = await startNode({ db, wechatUrl: simulator.url, env: { ANON_KEY: 'an-opaque-anon-key' } })
  try {
    const client = newClient(opaque)
    const { error, data } = await client.auth.signInWithWechat({
      code: await loginCode(simulator, freshOpenid()),
    })
    expect(error).toBeNull()
    expect(data.session.access_token).toEqual(expect.any(String))
  } finally {
    await opaque.close()
  }
})

test.each([
  ['a refused code', async () => 'not-a-code-of-wechat', 400, 'wechat_code_invalid'],
  [
    'the phone of somebody else',
    async () => {
      const other = newClient()
      await other.auth.signInWithWechat({ code: await loginCode(simulator, freshOpenid()) })
      const phone = freshPhone()
      await other.auth.wechatBindPhone({ code: await phoneCode(simulator, phone) })
      return phoneCode(simulator, phone)
    },
    422,
    'phone_exists',
  ],
])('shows %s as an error with its status', async (_case, makeCode, status, code) => {
  const client = newClient()
  await client.auth.signInWithWechat({ code: await loginCode(simulator, freshOpenid()) })
  const { data, error } = await client.auth.wechatBindPhone({ code: await makeCode() })
  expect(data).toEqual({ user: null })
  expect(error.status).toBe(status)
  expect(error.message).toContain(code)
})

test('a database that is away does not cost the session: 503 on refresh keeps it', async () => {
  const proxy = await startProxy(db.webUrl)
  const shaky = await startNode({ db: { ...db, webUrl: proxy.url }, wechatUrl: simulator.url })
  try {
    const client = newClient(shaky)
    await client.auth.signInWithWechat({ code: await loginCode(simulator, freshOpenid()) })
    proxy.cut()
    const { error } = await client.auth.refreshSession()
    expect(error.status).toBe(503)
    expect((await client.auth.getSession()).data.session).not.toBeNull()
    proxy.mend()
    expect((await client.auth.refreshSession()).error).toBeNull()
  } finally {
    await shaky.close()
    await proxy.close()
  }
})

test('a session that has ended elsewhere can be logged out', async () => {
  const client = newClient()
  const { data } = await client.auth.signInWithWechat({ code: await loginCode(simulator, freshOpenid()) })
  await post(`${node.url}/auth/v1/logout`, {}, data.session.access_token)
  expect(await client.auth.signOut()).toMatchObject({ error: null })
  expect((await client.auth.getSession()).data.session).toBeNull()
})
