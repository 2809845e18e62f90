import pg from 'pg'
import type { Env } from '../../src/config.ts'
import type { Fault } from '../../src/simulator/index.ts'
import type { Fetch } from '../../src/wechat/http.ts'
import { freshPhone, phoneCode } from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { startSimulator, type TestSimulator } from '../support/simulator.ts'
import { APPID, createClient, failure, type TestClient, until } from './harness.ts'

interface Row {
  access_token: string | null
  expires_at: Date | null
  fetched_at: Date | null
  fetching_until: Date | null
}

let db: TestDatabase
let simulator: TestSimulator
let nodes: TestClient[]

beforeAll(async () => {
  db = await createDatabase()
})
beforeEach(async () => {
  await db.rows('delete from auth_private.wechat_access_tokens')
  simulator = await startSimulator()
  nodes = []
})
afterEach(async () => {
  for (const node of nodes) await node.close()
  await simulator.close()
})
afterAll(() => db.drop())

/** A process of its own, as far as tokens go: its memory and its connections are. */
function node(env: Env = {}, fetch?: Fetch): TestClient {
  const made = createClient({ db, url: simulator.url, env, ...(fetch && { fetch }) })
  nodes.push(made)
  return made
}

const row = (kind = 'stable') =>
  db.row<Row>('select * from auth_private.wechat_access_tokens where appid = $1 and kind = $2', [APPID, kind])

/** Exchanges a fresh code; what comes back must be its phone. */
async function exchange(on: TestClient): Promise<void> {
  const phone = freshPhone()
  expect((await on.phoneNumber(APPID, await phoneCode(simulator, phone)))?.purePhoneNumber).toBe(phone)
}

const twenty = (on: TestClient[]) =>
  Promise.all(Array.from({ length: 20 }, (_, index) => exchange(on[index % on.length]!)))

/** Writes the row as some other process may have left it. */
const leave = (values: { token?: string; goodFor?: string; leaseFor?: string }) =>
  db.row<Row>(
    `insert into auth_private.wechat_access_tokens (appid, kind, access_token, expires_at, fetching_until)
     values ($1, 'stable', $2, clock_timestamp() + $3::interval, clock_timestamp() + $4::interval)
     on conflict (appid, kind) do update set access_token = excluded.access_token,
       expires_at = excluded.expires_at, fetching_until = excluded.fetching_until
     returning *`,
    [APPID, values.token ?? null, values.goodFor ?? null, values.leaseFor ?? null],
  )

describe.each(['stable', 'legacy'] as const)('%s', kind => {
  const endpoint = kind === 'stable' ? 'stable_token' : 'token'
  const another = kind === 'stable' ? 'token' : 'stable_token'
  const env = { WECHAT_TOKEN_KIND: kind }

  test('20 calls at once on three nodes fetch one token', async () => {
    await twenty([node(env), node(env), node(env)])
    expect(simulator.callCounts).toMatchObject({ [endpoint]: 1, [another]: 0, getuserphonenumber: 20 })
    expect(await db.rows('select kind from auth_private.wechat_access_tokens')).toEqual([{ kind }])
  })

  test('a dead token: one fetch for all, every call succeeds, no code is lost', async () => {
    const all = [node(env), node(env), node(env)]
    for (const one of all) await exchange(one)
    const before = await row(kind)
    simulator.killTokens()
    await twenty(all)
    expect(simulator.callCounts[endpoint]).toBe(2)
    expect((await row(kind)).access_token).not.toBe(before.access_token)
  })

  test.each([40001, 40014, 41001, 42001])('a token that is refused with %i is replaced', async errcode => {
    const one = node(env)
    await exchange(one)
    simulator.killTokens()
    simulator.failNext('getuserphonenumber', { errcode })
    await exchange(one)
    expect(simulator.callCounts).toMatchObject({ [endpoint]: 2, getuserphonenumber: 3 })
  })
})

test('the two kinds are kept apart', async () => {
  await exchange(node({ WECHAT_TOKEN_KIND: 'stable' }))
  await exchange(node({ WECHAT_TOKEN_KIND: 'legacy' }))
  expect((await row('stable')).access_token).not.toBe((await row('legacy')).access_token)
  expect(simulator.callCounts).toMatchObject({ stable_token: 1, token: 1 })
})

test('a new process uses the token of the row without a fetch, and without knowing how it came there', async () => {
  await exchange(node())
  await twenty([node(), node()])
  expect(simulator.callCounts.stable_token).toBe(1)
})

test('the token is there before the code is sent', async () => {
  await exchange(node())
  expect(simulator.calls.map(({ endpoint, errcode }) => [endpoint, errcode])).toEqual([
    ['stable_token', 0],
    ['getuserphonenumber', 0],
  ])
})

test('the row holds the token until WeChat ends it', async () => {
  await exchange(node())
  const { expires_at, fetched_at, fetching_until } = await row()
  expect(expires_at!.getTime() - fetched_at!.getTime()).toBe(7_200_000)
  expect(fetching_until).toBeNull()
})

test('a stable token that is refused and handed out again is replaced by force, once', async () => {
  const bodies: unknown[] = []
  const fetch: Fetch = (url, init) => {
    if (url.endsWith('/cgi-bin/stable_token')) bodies.push(JSON.parse(init.body!))
    return globalThis.fetch(url, init)
  }
  const one = node({}, fetch)
  await exchange(one)
  const before = await row()
  // WeChat's words, while its token endpoint believes in the token: another program has forced a new one.
  simulator.failNext('getuserphonenumber', { errcode: 40001 })
  await exchange(one)
  expect(bodies.map(body => (body as { force_refresh?: boolean }).force_refresh ?? false)).toEqual([
    false,
    false,
    true,
  ])
  expect((await row()).access_token).not.toBe(before.access_token)
  await exchange(node())
  expect(bodies).toHaveLength(3)
})

test('a token that stays dead in spite of force is wechat_misconfigured, and is not shared', async () => {
  const fetch: Fetch = async url =>
    url.includes('/cgi-bin/')
      ? Response.json({ access_token: 'dead', expires_in: 7200 })
      : Response.json({ errcode: 40001, errmsg: 'invalid credential' })
  expect((await failure(node({}, fetch).phoneNumber(APPID, 'a-code'))).code).toBe('wechat_misconfigured')
  expect(await row()).toMatchObject({ access_token: null, fetching_until: null })
})

const faults: [string, Fault][] = [
  ['an errcode', { errcode: -1 }],
  ['HTTP 502', { status: 502, body: 'bad gateway' }],
  ['nonsense', { status: 200, body: {} }],
  ['a token that is no string', { status: 200, body: { access_token: 5, expires_in: 7200 } }],
  ['an empty token', { status: 200, body: { access_token: '', expires_in: 7200 } }],
  ['no lifetime', { status: 200, body: { access_token: 'x' } }],
  ['a lifetime of nothing', { status: 200, body: { access_token: 'x', expires_in: 0 } }],
  ['reset', { reset: true }],
]

describe('a fetch that fails', () => {
  test.each(faults)('by %s gives the lease back: the next caller fetches at once', async (_name, fault) => {
    // So long a lease that whoever waited for its end would not be back within the test's time.
    const env = { WECHAT_TIMEOUT_MS: '600000' }
    simulator.failNext('stable_token', fault)
    const error = await failure(node(env).phoneNumber(APPID, 'a-code'))
    expect(error.code).toBe('wechat_unavailable')
    expect(await row()).toMatchObject({ access_token: null, fetching_until: null })
    expect(simulator.callCounts.getuserphonenumber).toBe(0)
    await exchange(node(env))
    expect(simulator.callCounts.stable_token).toBe(2)
  })

  test('by silence gives the lease back, too', async () => {
    simulator.failNext('stable_token', { hang: 60_000 })
    const error = await failure(node({ WECHAT_TIMEOUT_MS: '300' }).phoneNumber(APPID, 'a-code'))
    expect(error.code).toBe('wechat_unavailable')
    await until(async () => (await row()).fetching_until === null)
    await exchange(node())
  })

  test('fails for all who wait for it in this process, and for nobody after', async () => {
    const one = node()
    simulator.failNext('stable_token', { errcode: 45011 })
    const errors = await Promise.all([1, 2, 3].map(() => failure(one.phoneNumber(APPID, 'a-code'))))
    expect(errors.map(error => [error.code, error.wechat?.errcode])).toEqual(
      [1, 2, 3].map(() => ['wechat_unavailable', 45011]),
    )
    await exchange(one)
    expect(simulator.callCounts.stable_token).toBe(2)
  })
})

describe('the last five minutes of a token', () => {
  const lastMinutes = async () => {
    await exchange(node())
    const { access_token } = await row()
    await leave({ token: access_token!, goodFor: '4 minutes' })
    return access_token!
  }

  test.each<[string, Fault]>([...faults, ['silence', { hang: 60_000 }]])(
    'a fetch that fails by %s: calls go on with the token, and try again when the lease has run out',
    async (_name, fault) => {
      const token = await lastMinutes()
      const one = node({ WECHAT_TIMEOUT_MS: '3000' })
      simulator.failNext('stable_token', fault)
      await exchange(one)
      await until(async () => simulator.callCounts.stable_token === 2)
      await exchange(one)
      expect(await row()).toMatchObject({ access_token: token, fetching_until: expect.any(Date) })
      expect(simulator.callCounts).toMatchObject({ stable_token: 2, getuserphonenumber: 3 })
      await db.owner.query('update auth_private.wechat_access_tokens set fetching_until = now()')
      await exchange(one)
      await until(async () => (await row()).expires_at!.getTime() > Date.now() + 5 * 60_000)
      expect(simulator.callCounts.stable_token).toBe(3)
    },
  )

  test('one node of three fetches the next token while all go on', async () => {
    await lastMinutes()
    await twenty([node(), node(), node()])
    await until(async () => (await row()).expires_at!.getTime() > Date.now() + 5 * 60_000)
    expect(simulator.callCounts.stable_token).toBe(2)
  })

  test('a token that is past its end is not used', async () => {
    await leave({ token: 'outlived', goodFor: '-1 second' })
    await exchange(node())
    expect((await row()).access_token).not.toBe('outlived')
    expect(simulator.callCounts).toMatchObject({ stable_token: 1, getuserphonenumber: 1 })
  })
})

describe('a fetcher that died', () => {
  test('others wait until its lease has run out, then one of them fetches', async () => {
    const { fetching_until: lease } = await leave({ leaseFor: '1 second' })
    await twenty([node(), node(), node()])
    expect(simulator.callCounts.stable_token).toBe(1)
    expect((await row()).fetched_at!.getTime()).toBeGreaterThanOrEqual(lease!.getTime())
  })

  test('a caller who cannot wait so long hears wechat_unavailable, and its code is not sent', async () => {
    const left = await leave({ leaseFor: '1 hour' })
    const error = await failure(node({ WECHAT_TIMEOUT_MS: '300' }).phoneNumber(APPID, 'a-code'))
    expect(error.code).toBe('wechat_unavailable')
    expect(simulator.calls).toEqual([])
    expect((await row()).fetching_until).toEqual(left.fetching_until)
  })

  test('who came early and left takes nobody with him', async () => {
    await leave({ leaseFor: '3300 milliseconds' })
    const one = node({ WECHAT_TIMEOUT_MS: '2500' })
    const early = failure(one.phoneNumber(APPID, 'a-code'))
    await new Promise(resolve => setTimeout(resolve, 2_000)) // he waits until 2500, the next one until 4500
    const late = exchange(one)
    expect((await early).code).toBe('wechat_unavailable')
    await late
  })
})

describe('the row', () => {
  const READ = 'select * from auth_private.wechat_access_tokens'
  const TAKE = `select auth_private.wechat_take_access_token('${APPID}', 'stable', null, gen_random_uuid(), 1)`
  const PUT = `select auth_private.wechat_put_access_token('${APPID}', 'stable', gen_random_uuid(), null, null)`
  let login: pg.Client
  beforeEach(async () => {
    await exchange(node())
    login = new pg.Client({ connectionString: db.webUrl })
    await login.connect()
  })
  afterEach(() => login.end())

  const attempt = (sql: string) =>
    login.query(sql).then(
      ({ rows }) => rows.length,
      ({ code }: { code: string }) => code,
    )

  test.each(['anon', 'authenticated', 'service_role'])('%s neither reads it nor asks for it', async role => {
    await login.query(`set role ${role}`)
    for (const sql of [READ, TAKE, PUT]) expect([sql, await attempt(sql)]).toEqual([sql, '42501'])
  })

  test('the login of the web service asks for the token, and cannot read the table', async () => {
    expect((await login.query('select current_user as name')).rows).toEqual([{ name: 'authenticator' }])
    expect(await attempt(READ)).toBe('42501')
    expect(await attempt(TAKE)).toBe(1)
    for (const sql of [
      `update auth_private.wechat_access_tokens set access_token = 'x'`,
      'delete from auth_private.wechat_access_tokens',
    ])
      expect(await attempt(sql)).toBe('42501')
  })
})
