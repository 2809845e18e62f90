import { once } from 'node:events'
import http, { type RequestListener } from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import tls from 'node:tls'
import type { Env } from '../../src/config.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { startNode, startSimulator, type TestSimulator } from '../support/service.ts'
import { startSilence, startWay, type Way } from '../support/way.ts'
import { selfSigned } from '../wechat/certificate.ts'
import { APP, APP_SECRET, doctor, SECRET } from './harness.ts'

// WeChat: the way to it, what it says to each app, and its clock.

const SECOND = 'wx00000000000000bb'
const SECOND_SECRET = 'ffeeddccbbaa99887766554433221100'

let db: TestDatabase
let simulator: TestSimulator
const ways: Way[] = []
beforeEach(async () => {
  db = await createDatabase()
  simulator = await startSimulator({ apps: { [APP]: APP_SECRET, [SECOND]: SECOND_SECRET } })
})
afterEach(async () => {
  for (const way of ways.splice(0)) await way.close()
  await simulator.close()
  await db.drop()
})

const examine = (more: Env = {}) =>
  doctor({
    DATABASE_URL: db.webUrl,
    JWT_SECRET: SECRET,
    WECHAT_API_URL: simulator.url,
    WECHAT_APP_ID: APP,
    WECHAT_APP_SECRET: APP_SECRET,
    ...more,
  })
const keep = <T extends Way>(way: T): T => {
  ways.push(way)
  return way
}

/** A host that is not the simulator. */
async function startHost(listener: RequestListener, pair?: ReturnType<typeof selfSigned>): Promise<Way> {
  const server = pair ? https.createServer(pair, listener) : http.createServer(listener)
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  return keep({
    url: `${pair ? 'https' : 'http'}://127.0.0.1:${port}`,
    async close() {
      server.closeAllConnections()
      server.close()
    },
  })
}

describe('what WeChat says to an app', () => {
  test.each<[errcode: number, errmsg: string | undefined, text: RegExp]>([
    [
      40013,
      undefined,
      /Compare WECHAT_APP_ID or WECHAT_APPS|WeChat does not know this appid: compare WECHAT_APP_ID/,
    ],
    [40125, undefined, /The app's secret \(AppSecret\) is wrong/],
    [
      40164,
      'invalid ip 203.0.113.9 ipv6 ::ffff:203.0.113.9, not in whitelist',
      /Allow 203\.0\.113\.9 in the console, in the list of addresses that may call the API \(IP白名单\)/,
    ],
    [40243, undefined, /frozen: an administrator of the app has to unfreeze it/],
    [45009, undefined, /daily quota/],
    [50007, undefined, /account is frozen/],
    [89503, undefined, /administrator of the app has to confirm the address/],
    [89506, undefined, /may ask again after 24 hours/],
    [89507, undefined, /may ask again after an hour/],
    [61024, undefined, /Look the errcode up/],
  ])('%d', async (errcode, errmsg, text) => {
    simulator.failNext('stable_token', { errcode, errmsg }, { times: Number.POSITIVE_INFINITY })
    const report = await examine()
    expect(report.of('access_token')).toEqual([expect.stringMatching(text)])
    expect(report.of('access_token')[0]).toMatch(
      new RegExp(
        `^fault: ${APP}: WeChat refuses it \\(errcode ${errcode}, rid [0-9a-f-]{26}\\) → [A-Z].*\\.$`,
      ),
    )
    expect(report.exitCode).toBe(1)
  })

  test.each<[what: string, fault: Parameters<TestSimulator['failNext']>[1], why: string]>([
    ['an answer of something in between', { status: 502, body: '<html>' }, 'HTTP 502'],
    ['nonsense', { status: 200, body: '<html>' }, 'nonsense'],
    ['a torn connection', { reset: true }, 'ECONNRESET'],
    ['no answer', { hang: true }, 'timeout'],
    ['another answer than a token', { status: 200, body: {} }, 'WeChat stable token: nonsense'],
  ])('%s', async (_what, fault, why) => {
    simulator.failNext('stable_token', fault, { times: Number.POSITIVE_INFINITY })
    const started = Date.now()
    const report = await examine()
    expect(Date.now() - started).toBeLessThan(15_000)
    expect(report.of('access_token')).toEqual([
      expect.stringMatching(`^fault: ${APP}: WeChat does not answer properly: ${why} → Try again`),
    ])
  })

  test('a trouble that passes is none', async () => {
    simulator.failNext('stable_token', { errcode: -1 })
    expect((await examine()).of('access_token')).toEqual([expect.stringMatching('^ok: ')])
  })

  test('each of several apps is told for itself', async () => {
    simulator.failNext('stable_token', { errcode: 40243 }, { appid: SECOND })
    const { of } = await examine({ WECHAT_APPS: JSON.stringify({ [SECOND]: SECOND_SECRET }) })
    expect(of('access_token')).toEqual([
      `ok: ${APP}: WeChat takes its secret and this address; the token ends in 120 minutes`,
      expect.stringMatching(`^fault: ${SECOND}: .*errcode 40243`),
    ])
    const wrong = await examine({ WECHAT_APPS: JSON.stringify({ [SECOND]: APP_SECRET }) })
    expect(wrong.of('access_token')[1]).toMatch(/errcode 40125/)
    expect(wrong.text).not.toContain(SECOND_SECRET)
  })

  test('without a database it is asked all the same', async () => {
    const { of } = await examine({ DATABASE_URL: 'postgres://a:b@127.0.0.1:9/x' })
    expect(of('access_token')).toEqual([expect.stringMatching('^ok: ')])
    expect(of('shared_token')).toEqual(['skipped: the database of DATABASE_URL is not reached'])
  })
})

describe('the fleet', () => {
  const row = () => db.row('select * from auth_private.wechat_access_tokens')
  const startFleet = async (env: Env = {}) => {
    const node = await startNode({
      db,
      wechatUrl: simulator.url,
      env: { WECHAT_APP_ID: APP, WECHAT_APP_SECRET: APP_SECRET, ...env },
    })
    ways.push(node)
    return node
  }

  test('keeps its stable token: it is never forced, and its row is as it was', async () => {
    const node = await startFleet()
    const { token } = await node.services.wechat.token.get(APP)
    const before = await row()
    for (let time = 0; time < 3; time++) expect((await examine()).of('access_token')[0]).toMatch(/^ok/)
    const wrong = await examine({ WECHAT_APP_SECRET: SECOND_SECRET })
    expect(wrong.of('access_token')[0]).toMatch(/errcode 40125/)
    expect(await row()).toEqual(before)
    // WeChat has no other one since.
    expect(simulator.callCounts.stable_token).toBe(5)
    expect((await node.services.wechat.token.get(APP)).token).toBe(token)
    expect((await examine()).of('shared_token')).toEqual([`ok: ${APP}: it ends in 120 minutes`])
  })

  test('keeps its legacy token, which nobody asks for again', async () => {
    const node = await startFleet({ WECHAT_TOKEN_KIND: 'legacy' })
    await node.services.wechat.token.get(APP)
    const before = await row()
    const { of } = await examine({ WECHAT_TOKEN_KIND: 'legacy' })
    expect(of('access_token')).toEqual([
      expect.stringMatching(`^ok: ${APP}: the fleet has one; its secret was not tried`),
    ])
    expect(await row()).toEqual(before)
    expect(simulator.callCounts.token).toBe(1)
  })

  test('has a legacy token after doctor, if there was none', async () => {
    const { of } = await examine({ WECHAT_TOKEN_KIND: 'legacy' })
    expect(of('access_token')).toEqual([`ok: ${APP}: WeChat takes its secret and this address`])
    expect(await row()).toMatchObject({
      appid: APP,
      kind: 'legacy',
      failures: 0,
      access_token: expect.any(String),
    })
    expect(simulator.callCounts.token).toBe(1)
  })

  test('has failed to fetch its token', async () => {
    const node = await startFleet()
    simulator.failNext('stable_token', { errcode: 40243 }, { times: 2 })
    await node.services.wechat.token.get(APP).catch(() => {})
    expect((await examine()).of('shared_token')).toEqual([
      expect.stringMatching(
        `^warning: ${APP}: there is none: who needs it next fetches it; 1 fetch has failed since the last success → `,
      ),
    ])
  })
})

describe('the way', () => {
  test('a host that answers, whatever it says', async () => {
    const { url } = await startHost((_req, res) => void res.writeHead(404).end('nothing here'))
    const { of } = await examine({ WECHAT_API_URL: url })
    expect(of('reach')).toEqual([
      expect.stringMatching(/^ok: 127\.0\.0\.1:\d+ \(127\.0\.0\.1\) answers after \d+ ms$/),
    ])
    expect(of('access_token')).toEqual([expect.stringMatching('^fault: .*HTTP 404')])
    expect(of('wechat_clock')).toEqual(["ok: within 1 s of WeChat's"])
  })

  test.each<[what: string, url: () => Promise<string> | string, text: RegExp]>([
    [
      'a name that is not known',
      () => 'https://wechat.invalid',
      /the name of wechat\.invalid cannot be resolved: E\w+ → Look at the DNS/,
    ],
    [
      'nobody listens',
      () => 'http://127.0.0.1:9',
      /no connection to 127\.0\.0\.1:9: ECONNREFUSED → Let this machine out/,
    ],
    [
      'a certificate that nobody trusts',
      async () => (await startHost((_req, res) => void res.end(), selfSigned())).url,
      /no TLS with 127\.0\.0\.1:\d+: DEPTH_ZERO_SELF_SIGNED_CERT → .*NODE_EXTRA_CA_CERTS/,
    ],
    [
      'something that does not speak TLS',
      async () => (await startHost((_req, res) => void res.end())).url.replace('http', 'https'),
      /no TLS with 127\.0\.0\.1:\d+: (EPROTO|ERR_SSL\w+) → /,
    ],
    [
      'TLS that hangs',
      async () => keep(await startSilence('https://127.0.0.1:1')).url,
      /no TLS with 127\.0\.0\.1:\d+: nothing within 4 s/,
    ],
    [
      'an answer that never comes',
      async () => (await startHost(() => {})).url,
      /127\.0\.0\.1:\d+ takes the connection, and no answer comes: nothing within 4 s/,
    ],
    [
      'a connection that is reset',
      async () => (await startHost(req => void req.socket.resetAndDestroy())).url,
      /and no answer comes: ECONNRESET → Is WECHAT_API_URL right/,
    ],
  ])('%s', async (_what, url, text) => {
    const { of } = await examine({ WECHAT_API_URL: await url() })
    expect(of('reach')).toEqual([expect.stringMatching(text)])
    for (const check of ['access_token', 'wechat_clock'] as const)
      expect(of(check)).toEqual([expect.stringMatching('^skipped: .* is not reached')])
    expect(of('schema')).toEqual([expect.stringMatching('^ok')])
  })

  test('TLS with a certificate that is trusted', async () => {
    const trusted = tls.getCACertificates('default')
    const pair = selfSigned()
    tls.setDefaultCACertificates([...trusted, pair.cert])
    try {
      const { url } = await startHost((_req, res) => void res.end(), pair)
      expect((await examine({ WECHAT_API_URL: url })).of('reach')).toEqual([expect.stringMatching('^ok: ')])
    } finally {
      tls.setDefaultCACertificates(trusted)
    }
  })

  test('in development the simulator of the service itself, which is not there', async () => {
    const { of } = await doctor({ DATABASE_URL: db.webUrl, JWT_SECRET: SECRET, PORT: '9' })
    expect(of('reach')).toEqual([
      expect.stringMatching(
        '^fault: the simulator, which the service has in it, does not answer at 127.0.0.1:9 → Start the service',
      ),
    ])
  })
})

/** WeChat by a clock that is so many seconds ahead. */
const dated = (ahead: number) => (chunk: Buffer) =>
  Buffer.from(
    chunk
      .toString('latin1')
      .replace(
        /^date: (.*)$/im,
        (_line, date: string) => `Date: ${new Date(Date.parse(date) + ahead * 1000).toUTCString()}`,
      ),
    'latin1',
  )

test.each([
  [2, /^ok: within \d s of the simulator's$/],
  [10, /^warning: this machine is (9|10)(\.\d)? s behind the simulator's → Let both follow NTP/],
  [-10, /^warning: this machine is (9|10|11)(\.\d)? s ahead of the simulator's/],
  [-3600, /^fault: this machine is 3\d{3} s ahead of the simulator's/],
])('a clock that is %d s ahead', async (ahead, text) => {
  const { url } = keep(await startWay(simulator.url, dated(ahead)))
  expect((await examine({ WECHAT_API_URL: url })).of('wechat_clock')).toEqual([expect.stringMatching(text)])
})
