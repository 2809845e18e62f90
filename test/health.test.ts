import type { Env } from '../src/config.ts'
import { SIMULATOR_APP_ID, SIMULATOR_APP_SECRET } from '../src/simulator/index.ts'
import { freshPhone, phoneCode, post, signIn } from './support/client.ts'
import { createDatabase, type TestDatabase } from './support/database.ts'
import { startProxy } from './support/proxy.ts'
import { type Node, startNode, startSimulator, type TestSimulator } from './support/service.ts'

let db: TestDatabase
let simulator: TestSimulator
let node: Node
const other = 'wx00000000000000bb'
const nodes: Node[] = []

beforeAll(async () => {
  db = await createDatabase()
})
beforeEach(async () => {
  await db.rows('delete from auth_private.wechat_access_tokens')
  simulator = await startSimulator()
})
afterEach(async () => {
  for (const one of nodes.splice(0)) await one.close()
  await simulator.close()
})
afterAll(() => db.drop())

async function start(env: Env = {}, webUrl = db.webUrl) {
  node = await startNode({ db: { ...db, webUrl }, wechatUrl: simulator.url, env })
  nodes.push(node)
}
async function ready(query = '') {
  const response = await fetch(`${node.url}/health/ready${query}`)
  return { status: response.status, body: (await response.json()) as { database: string } }
}
const told = (status: number, wechat: unknown, database: unknown = 'ok') => ({
  status,
  body: { status: status === 200 ? 'ok' : 'unavailable', database, wechat },
})

test('ready: the database, its schema, and a token for every app, which is fetched once', async () => {
  await start()
  for (let n = 0; n < 3; n++) expect(await ready()).toEqual(told(200, { [SIMULATOR_APP_ID]: 'ok' }))
  expect(simulator.callCounts.stable_token).toBe(1)
})

test.each<[number, string, RegExp]>([
  [
    40164,
    'invalid ip 203.0.113.7 ipv6 ::ffff:203.0.113.7, not in whitelist',
    /allow 203\.0\.113\.7 in the console/,
  ],
  [40164, 'invalid ip 2001:db8::7, not in whitelist', /allow 2001:db8::7 in the console/],
  [40164, 'not in whitelist', /allow the address of this server/],
  [40125, 'invalid appsecret', /secret.*is wrong: set the present one/],
  [40013, 'invalid appid', /does not know this appid/],
  [40243, 'appsecret frozen', /frozen: an administrator/],
  [89503, 'confirm', /has to confirm the address/],
  [89506, 'refused', /24 hours/],
  [89507, 'refused', /after an hour/],
  [50007, 'frozen', /account is frozen/],
])('not ready: %i, in words that an operator can act on', async (errcode, errmsg, words) => {
  await start()
  simulator.failNext('stable_token', { errcode, errmsg })
  for (let n = 0; n < 2; n++) {
    const text = expect.stringMatching(
      new RegExp(`^no access token: .*${words.source}.* \\(errcode ${errcode}, rid `),
    )
    expect(await ready()).toEqual(told(503, { [SIMULATOR_APP_ID]: text }))
  }
  // For a load balancer: sessions and the application's own tables need no WeChat.
  expect((await ready('?ignore=wechat')).status).toBe(200)
  // Another process may have the right secret and address; then this one is ready, too.
  const refused = node
  await start()
  expect(await ready()).toEqual(told(200, { [SIMULATOR_APP_ID]: 'ok' }))
  node = refused
  expect((await ready()).status).toBe(200)
})

test('the next token cannot be fetched: said while the old one lives, and no reason to be taken out of service', async () => {
  await start()
  await ready()
  await db.rows(`update auth_private.wechat_access_tokens
    set expires_at = now() + interval '2 minutes', fetched_at = now() - interval '2 hours'`)
  simulator.failNext('stable_token', { errcode: 40125 })
  await start()
  await ready()
  await node.services.wechat.token.settle()
  await start()
  simulator.failNext('stable_token', { errcode: 40125 })
  const text = expect.stringMatching(
    /^the next access token cannot be fetched: .*secret.* \(errcode 40125\)$/,
  )
  expect(await ready()).toEqual(told(200, { [SIMULATOR_APP_ID]: text }))
})

test.each<[string, 'stable_token' | 'token', number, RegExp]>([
  ['stable', 'stable_token', 40001, /secret.*is wrong/],
  ['legacy', 'token', 40001, /secret.*is wrong/],
  ['stable', 'stable_token', 89501, /has to confirm the address/],
])('%s: %s answers %i, which has words as well', async (kind, endpoint, errcode, words) => {
  await start({ WECHAT_TOKEN_KIND: kind })
  simulator.failNext(endpoint, { errcode })
  const text = expect.stringMatching(
    new RegExp(`^no access token: .*${words.source}.* \\(errcode ${errcode}, rid `),
  )
  expect(await ready()).toEqual(told(503, { [SIMULATOR_APP_ID]: text }))
})

test('WeChat is down: said, and no reason to be taken out of service', async () => {
  await start()
  simulator.failNext('stable_token', { errcode: 45011 })
  const text = expect.stringMatching(
    /^no access token: WeChat does not answer properly.*\(errcode 45011, rid /,
  )
  expect(await ready()).toEqual(told(200, { [SIMULATOR_APP_ID]: text }))
})

test('WeChat hangs: nobody waits for it', async () => {
  await start({ WECHAT_TIMEOUT_MS: '1500' })
  simulator.failNext('stable_token', { hang: 3_000 })
  expect(await ready()).toEqual(told(200, { [SIMULATOR_APP_ID]: 'WeChat has not answered yet' }))
})

test('what an operator has to mend is not over because WeChat is slow to say so again', async () => {
  await start({ WECHAT_TIMEOUT_MS: '1500' })
  simulator.failNext('stable_token', { errcode: 40125 })
  const wrong = await ready()
  expect(wrong.status).toBe(503)
  const { now } = Date
  Date.now = () => now() + 31_000
  simulator.failNext('stable_token', { hang: 3_000 })
  expect(await ready()).toEqual(wrong)
  Date.now = now
})

test('one app of two is misconfigured: said, and the other one is served', async () => {
  await start({ WECHAT_APPS: JSON.stringify({ [other]: 'b'.repeat(32) }) })
  const text = expect.stringMatching(/does not know this appid/)
  expect(await ready()).toEqual(told(200, { [SIMULATOR_APP_ID]: 'ok', [other]: text }))
})

test('an interface that the app may not use is named until it works', async () => {
  await start()
  const user = await signIn(node, simulator)
  const bind = async () =>
    post(
      `${node.url}/auth/v1/wechat_mini/bind_phone`,
      { code: await phoneCode(simulator, freshPhone()) },
      user.accessToken,
    )
  // An app's code that came under the name of another app is no fault of the appid.
  simulator.failNext('getuserphonenumber', { errcode: 40013 })
  await bind()
  const foreign = expect.stringMatching(/^getuserphonenumber: a code was of another mini program/)
  expect(await ready()).toEqual(told(200, { [SIMULATOR_APP_ID]: foreign }))
  simulator.failNext('getuserphonenumber', { errcode: 48001 })
  await bind()
  const text = expect.stringMatching(/^getuserphonenumber: .*certified, and not personal \(errcode 48001\)$/)
  expect(await ready()).toEqual(told(200, { [SIMULATOR_APP_ID]: text }))
  await bind()
  expect(await ready()).toEqual(told(200, { [SIMULATOR_APP_ID]: 'ok' }))
})

test('the database is away: not ready, whatever is ignored; live all the same', async () => {
  const wire = await startProxy(db.webUrl)
  await start({ DATABASE_TIMEOUT_MS: '500' }, wire.url)
  wire.cut()
  for (const query of ['', '?ignore=wechat']) {
    const { status, body } = await ready(query)
    expect([status, body.database]).toEqual([503, 'cannot be reached, or was not migrated'])
  }
  expect((await fetch(`${node.url}/health/live`)).status).toBe(200)
  await wire.close()
})

test('what an operator is told, callers are not: neither the address of the server nor what to do', async () => {
  await start()
  const user = await signIn(node, simulator)
  simulator.failNext('stable_token', { errcode: 40164, errmsg: 'invalid ip 203.0.113.7, not in whitelist' })
  const mutation = 'mutation { wechatBindPhone(input: { code: "a-code" }) { clientMutationId } }'
  for (const [path, body] of [
    ['/auth/v1/wechat_mini/bind_phone', { code: 'a-code' }],
    ['/graphql', { query: mutation }],
  ] as const) {
    const response = await fetch(node.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${user.accessToken}` },
      body: JSON.stringify(body),
    })
    const text = await response.text()
    expect(text).toContain('wechat_misconfigured')
    expect(text).not.toMatch(/203\.0\.113\.7|advice|allow|whitelist/i)
  }
  expect(JSON.stringify(await ready())).toContain('allow 203.0.113.7')
})

test('neither secret nor token is told', async () => {
  await start()
  simulator.failNext('stable_token', { errcode: 40125, errmsg: `invalid appsecret ${SIMULATOR_APP_SECRET}` })
  expect(JSON.stringify(await ready())).not.toContain(SIMULATOR_APP_SECRET)
})
