import { jest } from '@jest/globals'
import pg from 'pg'
import type { Env } from '../../src/config.ts'
import type { Fault } from '../../src/simulator/index.ts'
import { WORKER_MARGIN_MS } from '../../src/wechat/access_token.ts'
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
  dead_token: string | null
  failure: { code: string; errcode?: number; rid?: string; advice?: string } | null
  failures: number
  retry_at: Date | null
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
function node(env: Env = {}, fetch?: Fetch, marginMs?: number): TestClient {
  const made = createClient({ db, url: simulator.url, env, marginMs, ...(fetch && { fetch }) })
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
       expires_at = excluded.expires_at, fetching_until = excluded.fetching_until,
       fetched_at = clock_timestamp() - interval '2 hours'
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
  const error = await failure(node({}, fetch).phoneNumber(APPID, 'a-code'))
  expect(error).toMatchObject({ code: 'wechat_misconfigured', wechat: { errcode: 40001 } })
  expect(await row()).toMatchObject({ access_token: null, fetching_until: null, dead_token: 'dead' })
})

/** What may pass is tried three times by whoever fetches. */
const faults: [string, Fault, times: number][] = [
  ['an errcode', { errcode: -1 }, 3],
  ['a quota', { errcode: 45011 }, 1],
  ['HTTP 502', { status: 502, body: 'bad gateway' }, 3],
  ['nonsense', { status: 200, body: {} }, 1],
  ['a token that is no string', { status: 200, body: { access_token: 5, expires_in: 7200 } }, 1],
  ['an empty token', { status: 200, body: { access_token: '', expires_in: 7200 } }, 1],
  ['no lifetime', { status: 200, body: { access_token: 'x' } }, 1],
  ['a lifetime of nothing', { status: 200, body: { access_token: 'x', expires_in: 0 } }, 1],
  ['reset', { reset: true }, 3],
]
const fail = (fault: Fault, times = 1) => {
  for (let n = 0; n < times; n++) simulator.failNext('stable_token', fault)
}

describe('a fetch that fails', () => {
  test.each(faults)(
    'by %s gives the lease back: the next caller fetches at once',
    async (_name, fault, times) => {
      // So long a lease that whoever waited for its end would not be back within the test's time.
      const env = { WECHAT_TIMEOUT_MS: '600000' }
      fail(fault, times)
      const error = await failure(node(env).phoneNumber(APPID, 'a-code'))
      expect(error.code).toBe('wechat_unavailable')
      expect(await row()).toMatchObject({ access_token: null, fetching_until: null, failures: 1 })
      expect(simulator.callCounts).toMatchObject({ getuserphonenumber: 0, stable_token: times })
      await exchange(node(env))
      expect(simulator.callCounts.stable_token).toBe(times + 1)
      expect(await row()).toMatchObject({ failure: null, failures: 0, retry_at: null })
    },
  )

  test('again and again is tried ever more rarely by the fleet, and everybody is told at once', async () => {
    const waits: number[] = []
    for (let n = 0; n < 8; n++) {
      fail({ errcode: 45011 })
      const error = await failure(node().phoneNumber(APPID, 'a-code'))
      expect(error).toMatchObject({ code: 'wechat_unavailable', wechat: { errcode: 45011 } })
      const { retry_at } = await row()
      if (n > 0) {
        const told = await failure(node().phoneNumber(APPID, 'a-code'))
        expect(told).toMatchObject({ code: 'wechat_unavailable', wechat: { errcode: 45011 } })
        expect(told.retryAfter).toBe(Math.max(1, Math.ceil((retry_at!.getTime() - Date.now()) / 1000)))
      }
      waits.push(Math.max(0, Math.ceil((retry_at!.getTime() - Date.now()) / 1000)))
      await db.rows('update auth_private.wechat_access_tokens set retry_at = now()')
    }
    expect(waits).toEqual([0, 1, 2, 4, 8, 16, 30, 30])
    expect(simulator.callCounts).toMatchObject({ stable_token: 8, getuserphonenumber: 0 })
    await exchange(node())
  })

  const notAllowed: Fault = {
    errcode: 40164,
    errmsg: 'invalid ip 203.0.113.7 ipv6 ::ffff:203.0.113.7, not in whitelist',
  }
  const told = {
    code: 'wechat_misconfigured',
    wechat: { errcode: 40164, rid: expect.stringMatching(/^[0-9a-f-]{26}$/) },
    advice: expect.stringMatching(/^allow 203\.0\.113\.7 in the console/),
  }

  test('by what an operator must mend is tried again after 30 s, by each process for itself', async () => {
    fail(notAllowed, 3)
    const all = [node(), node(), node()]
    for (let n = 0; n < 3; n++)
      for (const one of all) expect(await failure(one.phoneNumber(APPID, 'a-code'))).toMatchObject(told)
    expect(simulator.callCounts.stable_token).toBe(3)
    expect(await row()).toMatchObject({ failures: 3, failure: { errcode: 40164 } })
    const now = Date.now()
    const clock = jest.spyOn(Date, 'now').mockImplementation(() => now + 31_000)
    await twenty(all)
    clock.mockRestore()
    expect(simulator.callCounts.stable_token).toBe(4)
  })

  test('in one process, by its secret or its address, darkens no other, and it goes on with what another one fetches', async () => {
    fail(notAllowed)
    const [bad, good] = [node(), node()]
    expect(await failure(bad.phoneNumber(APPID, 'a-code'))).toMatchObject(told)
    await exchange(good)
    await exchange(bad)
    expect(simulator.callCounts.stable_token).toBe(2)
  })

  test('in one process: it waits for another one that fetches at this moment', async () => {
    fail(notAllowed)
    const [bad, good] = [node(), node()]
    expect(await failure(bad.phoneNumber(APPID, 'a-code'))).toMatchObject(told)
    simulator.failNext('stable_token', { latency: 500 })
    const fetched = exchange(good)
    await until(async () => simulator.callCounts.stable_token === 2)
    await Promise.all([exchange(bad), fetched])
    expect(simulator.callCounts.stable_token).toBe(2)
  })

  test('while the old token lives is told to whoever asks, by any process', async () => {
    await exchange(node())
    await leave({ token: (await row()).access_token!, goodFor: '2 minutes' })
    fail(notAllowed)
    const [bad, other] = [node(), node({}, undefined, 1)]
    await exchange(bad)
    await bad.token.settle()
    await exchange(other)
    expect(other.token.trouble(APPID)).toMatchObject({ errcode: 40164 })
    await exchange(node())
    await until(async () => (await row()).failures === 0)
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

describe('the last minutes of a token', () => {
  const lastMinutes = async (goodFor = '2 minutes') => {
    await exchange(node())
    const { access_token } = await row()
    await leave({ token: access_token!, goodFor })
    return access_token!
  }

  test.each(faults)('a fetch that fails by %s: calls go on with the token', async (_name, fault, times) => {
    const token = await lastMinutes()
    const one = node({ WECHAT_TIMEOUT_MS: '3000' })
    fail(fault, times)
    await exchange(one)
    await one.token.settle()
    expect(await row()).toMatchObject({ access_token: token, fetching_until: null, failures: 1 })
    expect(simulator.callCounts).toMatchObject({ stable_token: 1 + times, getuserphonenumber: 2 })
    await exchange(one)
    await one.token.settle()
    expect(await row()).toMatchObject({ failures: 0 })
    expect(simulator.callCounts.stable_token).toBe(2 + times)
  })

  test('a fetch that fails by silence keeps nobody waiting', async () => {
    await lastMinutes()
    const one = node({ WECHAT_TIMEOUT_MS: '1000' })
    fail({ hang: 60_000 })
    await exchange(one)
    await exchange(one)
    await one.token.settle()
    expect(await row()).toMatchObject({ failure: { code: 'wechat_unavailable' }, failures: 1 })
  })

  test('the worker fetches before any node has to, and one that is there for seconds is left alone', async () => {
    await lastMinutes('4 minutes')
    const worker = node({}, undefined, WORKER_MARGIN_MS)
    await exchange(node())
    expect(simulator.callCounts.stable_token).toBe(1)
    for (let n = 0; n < 3; n++) await worker.token.get(APPID)
    await worker.token.settle()
    expect(simulator.callCounts.stable_token).toBe(2)
    // As of a token that another program has used for most of its life.
    await db.rows(`update auth_private.wechat_access_tokens set expires_at = now() + interval '4 minutes'`)
    for (let n = 0; n < 3; n++) await node({}, undefined, WORKER_MARGIN_MS).token.get(APPID)
    expect(simulator.callCounts.stable_token).toBe(2)
  })

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

describe('a token that WeChat hands out although it refuses it', () => {
  /** Stays with its token unless it is forced, and refuses that one. */
  function stubborn() {
    const seen = { fetched: 0, forced: 0, calls: 0 }
    let token = 'dead'
    const fetch: Fetch = async (url, init) => {
      if (url.includes('/cgi-bin/')) {
        seen.fetched += 1
        if (JSON.parse(init.body!).force_refresh) token = `forced-${++seen.forced}`
        return Response.json({ access_token: token, expires_in: 7200 })
      }
      seen.calls += 1
      if (new URL(url).searchParams.get('access_token') !== 'dead')
        return Response.json({ errcode: 0, phone_info: {} })
      return Response.json({ errcode: 42001, errmsg: 'access_token expired' })
    }
    const die = () => {
      token = 'dead'
      return db.rows(`update auth_private.wechat_access_tokens set access_token = 'dead'`)
    }
    return { seen, fetch, die }
  }
  const past = (interval: string) =>
    db.rows(`update auth_private.wechat_access_tokens
      set forced_at = forced_at - interval '${interval}', retry_at = now()`)

  test('is replaced by force at most every 30 s; meanwhile everybody is told, and WeChat is left alone', async () => {
    const wechat = stubborn()
    await node({}, wechat.fetch).phoneNumber(APPID, 'a-code')
    expect(wechat.seen).toEqual({ fetched: 3, forced: 1, calls: 2 })
    await wechat.die()
    const all = Array.from({ length: 9 }, () => node({}, wechat.fetch))
    for (const error of await Promise.all(all.map(one => failure(one.phoneNumber(APPID, 'a-code')))))
      expect(error).toMatchObject({
        code: 'wechat_misconfigured',
        wechat: { errcode: 42001 },
        advice: expect.stringMatching(/another program/),
      })
    const { fetched, forced } = wechat.seen
    expect({ fetched, forced }).toEqual({ fetched: 4, forced: 1 })
    await past('30 seconds')
    await Promise.all(all.map(one => one.phoneNumber(APPID, 'a-code')))
    expect(wechat.seen).toMatchObject({ fetched: 6, forced: 2 })
  })

  test('is replaced by force at most 20 times a day of Beijing', async () => {
    const wechat = stubborn()
    await node({}, wechat.fetch).phoneNumber(APPID, 'a-code')
    await db.rows(`update auth_private.wechat_access_tokens set forces = 20,
      forced_at = greatest(date_trunc('day', now() at time zone 'Asia/Shanghai') at time zone 'Asia/Shanghai',
        now() - interval '1 minute')`)
    await wechat.die()
    expect((await failure(node({}, wechat.fetch).phoneNumber(APPID, 'a-code'))).code).toBe(
      'wechat_misconfigured',
    )
    expect(wechat.seen.forced).toBe(1)
    await past('1 day')
    await node({}, wechat.fetch).phoneNumber(APPID, 'a-code')
    expect(wechat.seen.forced).toBe(2)
    expect(await db.row('select forces from auth_private.wechat_access_tokens')).toEqual({ forces: 1 })
  })

  test.each([
    ['HTTP 502', 502],
    ['system busy', 200],
  ])('is not forced again where the answer is %s: WeChat may have counted it', async (_name, status) => {
    const wechat = stubborn()
    let forced = 0
    const failing: Fetch = async (url, init) => {
      const isForced = url.includes('/cgi-bin/') && JSON.parse(init.body!).force_refresh
      if (!isForced) return wechat.fetch(url, init)
      forced += 1
      return Response.json({ errcode: -1, errmsg: 'system error' }, { status })
    }
    const error = await failure(node({}, failing).phoneNumber(APPID, 'a-code'))
    expect([error.code, forced]).toEqual(['wechat_unavailable', 1])
  })

  test('is not sent with a code again while none is there', async () => {
    const wechat = stubborn()
    const one = node({}, wechat.fetch)
    await db.rows(`insert into auth_private.wechat_access_tokens (appid, kind, access_token, expires_at, fetched_at,
        forced_at, forces)
      values ('${APPID}', 'stable', 'dead', now() + interval '1 hour', now(), now(), 1)`)
    for (let n = 0; n < 5; n++)
      expect((await failure(one.phoneNumber(APPID, 'a-code'))).code).toBe('wechat_misconfigured')
    expect(wechat.seen).toEqual({ fetched: 1, forced: 0, calls: 1 })
  })

  test('of the legacy kind: every fetch makes another one, so it is not fetched more than once a second', async () => {
    let fetched = 0
    const fetch: Fetch = async url => {
      if (url.includes('/cgi-bin/token'))
        return Response.json({ access_token: `t-${++fetched}`, expires_in: 7200 })
      return Response.json({ errcode: 40001, errmsg: 'invalid credential' })
    }
    const all = [1, 2, 3].map(() => node({ WECHAT_TOKEN_KIND: 'legacy' }, fetch))
    const started = Date.now()
    for (let n = 0; n < 3; n++) await Promise.all(all.map(one => failure(one.phoneNumber(APPID, 'a-code'))))
    expect(fetched).toBeLessThanOrEqual(2 + Math.ceil((Date.now() - started) / 1_000))
  })

  test('a process whose lease has run out may not force', async () => {
    await exchange(node())
    const wait = await db.row(
      `select auth_private.wechat_force_access_token($1, 'stable', gen_random_uuid(), 30000, 20) as ms`,
      [APPID],
    )
    expect(wait).toEqual({ ms: null })
  })
})

test('a process that ends waits for its fetch, also where nobody else does any more', async () => {
  const answer = Promise.withResolvers<Response>()
  let isAsked = false
  const one = node({ WECHAT_TIMEOUT_MS: '10000' }, () => {
    isAsked = true
    return answer.promise
  })
  const asked = one.token.get(APPID)
  await until(async () => isAsked)
  let isSettled = false
  const settled = one.token.settle().then(() => {
    isSettled = true
  })
  await new Promise(setImmediate)
  expect(isSettled).toBe(false)
  answer.resolve(Response.json({ access_token: 'the last one', expires_in: 7200 }))
  await Promise.all([asked, settled])
  expect(await row()).toMatchObject({ access_token: 'the last one', fetching_until: null })
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

describe('beside nodes of the version before, which call the former signature', () => {
  interface Former {
    access_token: string | null
    expires_at: Date | null
    must_fetch: boolean
  }
  const fetchId = '00000000-0000-4000-8000-000000000001'
  const take = (dead: string | null = null) =>
    db.row<Former>('select * from auth_private.wechat_take_access_token($1, $2, $3, $4, $5)', [
      APPID,
      'stable',
      dead,
      fetchId,
      7_000,
    ])
  const put = (token: string | null) =>
    db.row(`select auth_private.wechat_put_access_token($1, 'stable', $2, $3, 7200)`, [APPID, fetchId, token])

  test('one fetch for both: whoever comes second waits for the first', async () => {
    expect(await take()).toEqual({ access_token: null, expires_at: null, must_fetch: true })
    const waiting = node({ WECHAT_TIMEOUT_MS: '30000' }).token.get(APPID)
    await put('of the version before')
    expect(await waiting).toEqual({ token: 'of the version before', isNew: expect.any(Boolean) })
    expect(await take()).toMatchObject({ access_token: 'of the version before', must_fetch: false })
    expect(simulator.callCounts.stable_token).toBe(0)
  })

  test('a fetch that it gives up is taken over at once, and one that failed here is not tried by it before its time', async () => {
    await take()
    await put(null)
    simulator.failNext('stable_token', { errcode: 45011 })
    await failure(node().token.get(APPID))
    expect(simulator.callCounts.stable_token).toBe(1)
    await db.rows(`update auth_private.wechat_access_tokens set retry_at = now() + interval '30 seconds'`)
    expect(await take()).toEqual({ access_token: null, expires_at: null, must_fetch: false })
  })

  test('a dead token that it fetches and shares again is replaced by force', async () => {
    await exchange(node())
    const { access_token: dead } = await row()
    expect((await take(dead)).must_fetch).toBe(true)
    await put(dead)
    simulator.failNext('getuserphonenumber', { errcode: 40001 })
    await exchange(node())
    expect(await row()).toMatchObject({ access_token: expect.not.stringMatching(dead!), failures: 0 })
    expect(await take(dead)).toMatchObject({ access_token: (await row()).access_token, must_fetch: false })
  })
})

describe('the row', () => {
  const READ = 'select * from auth_private.wechat_access_tokens'
  const TAKE = `select auth_private.wechat_take_access_token('${APPID}', 'stable', null, gen_random_uuid(), 1, 1)`
  const FAIL = `select auth_private.wechat_fail_access_token('${APPID}', 'stable', gen_random_uuid(), '{}', 1)`
  const FORCE = `select auth_private.wechat_force_access_token('${APPID}', 'stable', gen_random_uuid(), 1, 1)`
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
    for (const sql of [READ, TAKE, PUT, FAIL, FORCE])
      expect([sql, await attempt(sql)]).toEqual([sql, '42501'])
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
