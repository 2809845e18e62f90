import pg from 'pg'
import { SIMULATOR_APP_ID, SIMULATOR_APP_SECRET } from '../../src/simulator/app_id.ts'
import { freshOpenid, loginCode, post, type SignedIn, send, signIn } from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { type Node, startNode, startSimulator, type TestSimulator } from '../support/service.ts'

// Accounts where two things happen at one moment, or where somebody else made the row. One statement is held open, as if the
// machine were slow there, until another waits for it.

const OTHER_APP = 'wx00000000000000aa'

let db: TestDatabase
let simulator: TestSimulator
let node: Node
const clients: pg.Client[] = []

beforeAll(async () => {
  db = await createDatabase()
  simulator = await startSimulator({
    apps: { [SIMULATOR_APP_ID]: SIMULATOR_APP_SECRET, [OTHER_APP]: 'theothersapp5ecret' },
  })
  const env = { WECHAT_APPS: JSON.stringify({ [OTHER_APP]: 'theothersapp5ecret' }) }
  node = await startNode({ db, wechatUrl: simulator.url, env })
})
afterEach(() => Promise.all(clients.splice(0).map(client => client.end())))
afterAll(async () => {
  await node.close()
  await simulator.close()
  await db.drop()
})

/** Signs in without a word on whether it succeeds. */
async function login(
  openid: string,
  { appid = SIMULATOR_APP_ID, unionid }: { appid?: string; unionid?: string },
) {
  const code = await loginCode(simulator, openid, { appid, ...(unionid && { unionid }) })
  return post(`${node.url}/auth/v1/wechat_mini/login`, { code }, undefined, { 'x-wechat-appid': appid })
}
async function signInWith(openid: string, more: { appid?: string; unionid?: string }): Promise<SignedIn> {
  const { body } = await login(openid, more)
  return { openid, userId: body.user.id, accessToken: body.access_token, refreshToken: body.refresh_token }
}
const sessionOf = async ({ userId }: SignedIn) =>
  (await db.row<{ id: string }>('select id from auth.sessions where user_id = $1', [userId])).id
const identityOf = async ({ userId }: SignedIn, appid: string) =>
  (
    await db.row<{ id: string }>('select id from auth.identities where user_id = $1 and appid = $2', [
      userId,
      appid,
    ])
  ).id
const count = async (sql: string, values: unknown[]) =>
  (await db.row<{ count: number }>(`select count(*)::integer ${sql}`, values)).count

/** A transaction that has done this, and waits for the end. */
async function holding(url: string, text: string, values: unknown[]) {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  clients.push(client)
  await client.query('begin')
  await client.query(text, values)
  return { commit: () => client.query('commit') }
}
/** Until so many sessions of this database wait for a lock. */
const waiting = async (howMany: number) => {
  const blocked = `from pg_locks l join pg_stat_activity a using (pid)
                   where not l.granted and a.datname = current_database()`
  while ((await count(blocked, [])) < howMany) await db.row('select pg_sleep(0.01)')
}

describe('a sign-in that the unionid leads to a user who, this very moment,', () => {
  const cases: [
    what: string,
    url: () => string,
    text: string,
    valuesOf: (user: SignedIn) => Promise<unknown[]>,
  ][] = [
    [
      'deletes his account',
      () => db.webUrl,
      'select auth_private.delete_user($1)',
      async user => [await sessionOf(user)],
    ],
    [
      'is deleted for good',
      () => db.ownerUrl,
      `select auth.admin_delete_user($1, 'a reason', true)`,
      async ({ userId }) => [userId],
    ],
    [
      'links another openid of the same app',
      () => db.webUrl,
      `select auth_private.wechat_bind_account($1, '${OTHER_APP}', $2, null)`,
      async user => [await sessionOf(user), freshOpenid()],
    ],
  ]
  test.each(cases)('%s, signs in somebody new', async (_what, url, text, valuesOf) => {
    const unionid = freshOpenid()
    const user = await signInWith(freshOpenid(), { unionid })
    const held = await holding(url(), text, await valuesOf(user))
    const openid = freshOpenid()
    const other = login(openid, { appid: OTHER_APP, unionid })
    await waiting(1)
    await held.commit()
    const { status, body } = await other
    expect([status, body.error_code]).toEqual([200, undefined])
    expect(body.user.id).not.toBe(user.userId)
    expect(await count('from auth.users where wechat_id = $1', [openid])).toBe(1)
  })
})

test.each([
  [
    'openid',
    'insert into auth.identities (user_id, appid, provider_id) values ($1, $4, $2) returning $3::text',
  ],
  ['unionid', 'update auth.users set wechat_unionid = $3 where id = $1 returning $2::text, $4::text'],
])('a sign-in whose %s is imported this very moment finds that user', async (_what, text) => {
  const user = await signInWith(freshOpenid(), {})
  const [openid, unionid] = [freshOpenid(), freshOpenid()]
  const held = await holding(db.ownerUrl, text, [user.userId, openid, unionid, OTHER_APP])
  const other = login(openid, { appid: OTHER_APP, unionid })
  await waiting(1)
  await held.commit()
  expect(await other).toMatchObject({ status: 200, body: { user: { id: user.userId } } })
})

test('what the application itself forbids is not tried for ever', async () => {
  await db.rows(`create unique index one_wechat_id on auth.users ((true)) where wechat_id = 'o-twin'`)
  try {
    await db.rows(`insert into auth.users (wechat_id) values ('o-twin')`)
    expect(await login('o-twin', {})).toMatchObject({
      status: 500,
      body: { error_code: 'unexpected_failure' },
    })
  } finally {
    await db.rows('drop index auth.one_wechat_id')
  }
})

test('an openid that is unlinked, signs in, and is linked again, all at one moment, is no deadlock', async () => {
  const openid = freshOpenid()
  const user = await signInWith(freshOpenid(), {})
  const bind = async () =>
    post(
      `${node.url}/auth/v1/wechat_mini/bind_account`,
      { code: await loginCode(simulator, openid, { appid: OTHER_APP }) },
      user.accessToken,
      { 'x-wechat-appid': OTHER_APP },
    )
  expect((await bind()).status).toBe(200)
  const held = await holding(db.webUrl, 'select auth_private.unlink_identity($1, $2)', [
    await sessionOf(user),
    await identityOf(user, OTHER_APP),
  ])
  const signingIn = login(openid, { appid: OTHER_APP })
  await waiting(1)
  const binding = bind()
  await waiting(2)
  await held.commit()
  const [signedIn, bound] = await Promise.all([signingIn, binding])
  expect(signedIn.status).toBe(200)
  expect(signedIn.body.user.id).not.toBe(user.userId)
  expect(bound).toMatchObject({ status: 422, body: { error_code: 'identity_already_exists' } })
})

test('an openid that is unlinked leads back where an identity that is kept has the same unionid', async () => {
  const unionid = freshOpenid()
  const openid = freshOpenid()
  const user = await signInWith(freshOpenid(), { unionid })
  expect(await signInWith(openid, { appid: OTHER_APP, unionid })).toMatchObject({ userId: user.userId })
  const answer = await send(`${node.url}/auth/v1/user/identities/${await identityOf(user, OTHER_APP)}`, {
    method: 'DELETE',
    token: user.accessToken,
  })
  expect(answer.status).toBe(200)
  expect(await signInWith(openid, { appid: OTHER_APP, unionid })).toMatchObject({ userId: user.userId })
})

test('a user whose id has no form of RFC 9562 is served: imports keep ids', async () => {
  const openid = freshOpenid()
  const id = '11111111-1111-1111-1111-111111111111'
  await db.rows('insert into auth.users (id, wechat_id) values ($1, $2)', [id, openid])
  await db.rows('insert into auth.identities (user_id, appid, provider_id) values ($1, $2, $3)', [
    id,
    SIMULATOR_APP_ID,
    openid,
  ])
  const { accessToken } = await signInWith(openid, {})
  const answer = await send(`${node.url}/auth/v1/user`, { token: accessToken })
  expect(answer).toMatchObject({ status: 200, body: { id } })
})

test.each(['user_metadata', 'app_metadata'])(
  '%s that fits into no header is not in the token',
  async column => {
    const user = await signIn(node, simulator)
    await db.rows(`update auth.users set ${column} = $2 where id = $1`, [
      user.userId,
      { a: 'x'.repeat(20_000) },
    ])
    const { body } = await post(`${node.url}/auth/v1/token?grant_type=refresh_token`, {
      refresh_token: user.refreshToken,
    })
    const claims = JSON.parse(Buffer.from(body.access_token.split('.')[1], 'base64url').toString())
    expect(claims[column]).toEqual({})
    const answer = await send(`${node.url}/auth/v1/user`, { token: body.access_token })
    expect(answer.status).toBe(200)
    expect(answer.body[column].a).toHaveLength(20_000)
  },
)

describe('metadata', () => {
  const put = (token: string, json: string) =>
    send(`${node.url}/auth/v1/user`, {
      method: 'PUT',
      body: `{"data": ${json}}`,
      token,
      headers: { 'content-type': 'application/json' },
    })
  test.each([
    ['a number without end, which would take its key away', '{"kept": 1e400}'],
    ['one deeper', '{"list": [{"a": -1e400}]}'],
    ['__proto__', '{"__proto__": {"admin": true}}'],
    ['__proto__ deeper', '{"list": [{"__proto__": {"admin": true}}]}'],
  ])('is not %s', async (_what, json) => {
    const user = await signIn(node, simulator)
    expect((await put(user.accessToken, '{"kept": 1}')).status).toBe(200)
    expect(await put(user.accessToken, json)).toMatchObject({
      status: 400,
      body: {
        error_code: 'validation_failed',
        msg: expect.stringMatching(/^data .*(number without end|__proto__)/),
      },
    })
    expect(await db.row('select user_metadata from auth.users where id = $1', [user.userId])).toEqual({
      user_metadata: { kept: 1 },
    })
  })
})

test('a dead token is told so, too, where accounts cannot be deleted', async () => {
  const user = await signIn(node, simulator)
  const remove = () => send(`${node.url}/auth/v1/user`, { method: 'DELETE', token: user.accessToken })
  expect(await remove()).toMatchObject({ status: 400, body: { error_code: 'validation_failed' } })
  await db.rows('delete from auth.sessions where user_id = $1', [user.userId])
  expect(await remove()).toMatchObject({ status: 403, body: { error_code: 'session_not_found' } })
})
