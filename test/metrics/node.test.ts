import { createLog } from '../../src/log.ts'
import {
  bindEntrances,
  freshOpenid,
  freshPhone,
  graphql,
  loginCode,
  phoneCode,
  post,
  send,
  signIn,
  signInEntrances,
} from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { type Node, startNode, startSimulator, type TestSimulator } from '../support/service.ts'
import { AT_ONCE, counted, type Sample, scrape, sumOf } from './samples.ts'

// What happens at a node in whole, and what it says of it.

let db: TestDatabase
let simulator: TestSimulator
let node: Node
let other: Node
let lines: string[] = []
const APPID = 'wx0123456789abcdef'

beforeAll(async () => {
  db = await createDatabase()
  simulator = await startSimulator({ apps: { [APPID]: 'a secret of WeChat' } })
  const env = { WECHAT_APP_ID: APPID, WECHAT_APP_SECRET: 'a secret of WeChat' }
  const log = createLog('trace', { write: line => void lines.push(line) })
  node = await startNode({ db, wechatUrl: simulator.url, env, log, metricsPace: AT_ONCE })
  other = await startNode({
    db,
    wechatUrl: simulator.url,
    env: { ...env, RATE_LIMITS: 'on' },
    metricsPace: AT_ONCE,
  })
})
afterAll(async () => {
  await node.close()
  await other.close()
  await simulator.close()
  await db.drop()
})

/** By how much a value has grown meanwhile. */
async function growth(work: () => Promise<unknown>, ask: (samples: Sample[]) => number) {
  const before = ask(await scrape(node))
  await work()
  return ask(await scrape(node)) - before
}

test('the answer is of Prometheus, by GET and HEAD, whatever the query, and not in the log', async () => {
  lines = []
  for (const path of ['/metrics', '/metrics/', '/metrics?module=x']) {
    const { status, headers } = await send(`${node.url}${path}`)
    expect([status, headers.get('content-type')]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8'])
  }
  expect((await send(`${node.url}/metrics`, { method: 'HEAD' })).status).toBe(200)
  expect((await send(`${node.url}/metrics`, { method: 'POST' })).status).toBe(404)
  expect((await send(`${node.url}/metrics/x`)).status).toBe(404)
  expect(lines.filter(line => line.includes('/metrics'))).toEqual([
    expect.stringContaining('GET /metrics/x 404'),
  ])
})

test.each(Object.entries(signInEntrances))('signing in by %s', async (_entrance, enter) => {
  const good = async () => enter(node, await loginCode(simulator, freshOpenid()))
  expect(await growth(good, samples => counted(samples, 'wechatSignIn', 'ok'))).toBe(1)
  const bad = () => enter(node, 'no-code-of-wechat')
  expect(await growth(bad, samples => counted(samples, 'wechatSignIn', 'wechat_code_invalid'))).toBe(1)
  const answered = (errcode: string) => (samples: Sample[]) =>
    sumOf(samples, 'api_answers_total', { appid: APPID, endpoint: 'jscode2session', errcode }) ?? 0
  expect(await growth(good, answered('0'))).toBe(1)
  expect(await growth(bad, answered('40029'))).toBe(1)
  expect(await growth(() => enter(node, 'ungültig'), answered('40029'))).toBe(0)
  expect(
    await growth(
      () => enter(node, 'ungültig'),
      samples => counted(samples, 'wechatSignIn', 'validation_failed'),
    ),
  ).toBe(1)
})

test.each(Object.entries(bindEntrances))('binding by %s', async (_entrance, enter) => {
  const { accessToken } = await signIn(node, simulator)
  const bind = async () => enter(node, await phoneCode(simulator, freshPhone()), accessToken)
  expect(await growth(bind, samples => counted(samples, 'wechatBindPhone', 'ok'))).toBe(1)
  const calls = (outcome: string) => (samples: Sample[]) =>
    sumOf(samples, 'api_call_duration_seconds_count', { endpoint: 'getuserphonenumber', outcome }) ?? 0
  expect(await growth(bind, calls('ok'))).toBe(1)
  simulator.failNext('getuserphonenumber', { errcode: 45009 })
  expect(await growth(bind, calls('wechat_unavailable'))).toBe(1)
  simulator.failNext('getuserphonenumber', { status: 502, body: '<html>' })
  const failed = (samples: Sample[]) =>
    sumOf(samples, 'api_answers_total', { endpoint: 'getuserphonenumber', errcode: 'HTTP 5xx' }) ?? 0
  expect(await growth(bind, failed)).toBe(1)
  const token = sumOf(await scrape(node), 'access_token_remaining_seconds', { appid: APPID })
  expect(token).toBeGreaterThan(6_000)
  expect(sumOf(await scrape(node), 'access_token_age_seconds', { appid: APPID })).toBeLessThan(600)
})

test('the user, by either entrance, and a dead token', async () => {
  const { accessToken } = await signIn(node, simulator)
  const rest = () => send(`${node.url}/auth/v1/user`, { token: accessToken })
  const query = () => graphql(node, '{ currentUser { id } }', {}, accessToken)
  const ok = (samples: Sample[]) => counted(samples, 'currentUser', 'ok')
  expect(await growth(rest, ok)).toBe(1)
  expect(await growth(query, ok)).toBe(1)
  await post(`${node.url}/auth/v1/logout`, {}, accessToken)
  const dead = (samples: Sample[]) => counted(samples, 'currentUser', 'session_not_found')
  expect(await growth(rest, dead)).toBe(1)
  expect(await growth(query, dead)).toBe(1)
})

test.each([
  ['rest', '4xx', '/auth/v1/user'],
  ['rest', '4xx', '/AUTH/v1/user'],
  ['rest', '4xx', '/auth/v1/wechat_mini/login?code=x%20y'],
  ['admin', '4xx', '/auth/v1/admin/users'],
  ['graphql', '4xx', '/graphql'],
  ['push', '4xx', '/wechat/push'],
  ['health', '2xx', '/health/live'],
  ['metrics', '2xx', '/metrics'],
  ['other', '4xx', '/auth/v12'],
  ['other', '4xx', '/nothing/13812345678'],
])('a request that is refused before an operation is counted as %s %s: %s', async (route, status, path) => {
  const ask = (samples: Sample[]) =>
    sumOf(samples, 'http_request_duration_seconds_count', { route, status }) ?? 0
  // A scrape counts itself when it has ended.
  const own = route === 'metrics' ? 1 : 0
  expect(await growth(() => send(`${node.url}${path}`), ask)).toBe(1 + own)
})

test('whoever hangs up before his answer is counted as that', async () => {
  const code = await loginCode(simulator, freshOpenid())
  const ask = (samples: Sample[]) =>
    sumOf(samples, 'http_request_duration_seconds_count', { route: 'rest', status: 'aborted' }) ?? 0
  const hangUp = async () => {
    simulator.failNext('jscode2session', { hang: 5_000 })
    const url = `${node.url}/auth/v1/wechat_mini/login?code=${encodeURIComponent(code)}`
    await expect(fetch(url, { signal: AbortSignal.timeout(200) })).rejects.toThrow()
    await new Promise(resolve => setTimeout(resolve, 100))
  }
  expect(await growth(hangUp, ask)).toBe(1)
})

test('refusals of the rate limits, by operation', async () => {
  const enter = signInEntrances['REST POST']!
  await db.rows('update auth_private.rate_limits set points = 100000')
  await enter(other, await loginCode(simulator, freshOpenid()))
  await db.rows('update auth_private.rate_limits set points = 100000')
  // The first is refused by the database, the second by what the node remembers.
  for (let n = 0; n < 2; n++) await enter(other, await loginCode(simulator, freshOpenid()))
  const samples = await scrape(other)
  expect(sumOf(samples, 'rate_limit_refusals_total', { operation: 'wechatSignIn' })).toBe(2)
  expect(counted(samples, 'wechatSignIn', 'over_request_rate_limit')).toBe(2)
  expect(sumOf(samples, 'rate_limit_refusals_total', { operation: 'signOut' })).toBe(0)
})

test('nodes of one process do not share what they count, and both tell of the process', async () => {
  const before = await scrape(other)
  await signIn(node, simulator)
  const after = await scrape(other)
  for (const name of ['rpc_duration_seconds_count', 'api_answers_total'])
    expect(sumOf(after, name)).toBe(sumOf(before, name))
  for (const samples of [await scrape(node), after]) {
    expect(samples.find(({ name }) => name === 'process_start_time_seconds')?.value).toBeGreaterThan(0)
    expect(sumOf(samples, 'build_info')).toBe(1)
  }
})

test('nothing of anybody is in a name or a label', async () => {
  const openid = freshOpenid()
  const phone = freshPhone()
  const user = await signIn(node, simulator, openid)
  const code = await phoneCode(simulator, phone)
  await bindEntrances['REST POST']!(node, code, user.accessToken)
  await send(`${node.url}/auth/v1/wechat_mini/login?code=${code}`)
  const text = await (await fetch(`${node.url}/metrics`)).text()
  const tokens = await db.rows<{ access_token: string }>(
    'select access_token from auth_private.wechat_access_tokens',
  )
  expect(tokens.length).toBeGreaterThan(0)
  expect(text).toContain('postgraphile_wechat_access_token_age_seconds{')
  const { accessToken, refreshToken, userId } = user
  for (const value of [openid, phone, code, accessToken, refreshToken, userId, tokens[0]!.access_token])
    expect(text).not.toContain(value)
})
