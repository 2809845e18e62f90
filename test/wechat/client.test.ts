import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createServer as createTcpServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Env } from '../../src/config.ts'
import { type Fault, SIMULATOR_APP_SECRET } from '../../src/simulator/index.ts'
import { createFetch, type Fetch } from '../../src/wechat/http.ts'
import { loginCode, phoneCode } from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { everythingOf } from '../support/errors.ts'
import { startSimulator, type TestSimulator } from '../support/simulator.ts'
import { APPID, createClient, failure, reasons, startServer, type TestClient } from './harness.ts'

let db: TestDatabase
let simulator: TestSimulator
const open: { close(): Promise<void> }[] = []

beforeAll(async () => {
  db = await createDatabase()
})
beforeEach(async () => {
  simulator = await startSimulator()
  await db.rows('delete from auth_private.wechat_access_tokens')
})
afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
  await simulator.close()
})
afterAll(() => db.drop())

function client(env: Env = {}, options: { url?: string; fetch?: Fetch } = {}): TestClient {
  const made = createClient({ db, url: simulator.url, env, ...options })
  open.push(made)
  return made
}

/** A WeChat of the test's own: tokens are given, everything else is answered by `listener`. */
async function wechatLike(listener: RequestListener): Promise<string> {
  const server = await startServer((req, res) => {
    if (!req.url!.startsWith('/cgi-bin/')) return listener(req, res)
    res.end(JSON.stringify({ access_token: 'an-access-token', expires_in: 7200 }))
  })
  open.push(server)
  return server.url
}

const calls = {
  code2session: (wechat: TestClient) => wechat.code2session(APPID, 'a-code'),
  phoneNumber: (wechat: TestClient) => wechat.phoneNumber(APPID, 'a-code'),
}
const endpointOf = { code2session: 'jscode2session', phoneNumber: 'getuserphonenumber' } as const
const everyCall = Object.keys(calls) as (keyof typeof calls)[]

describe('success', () => {
  test.each([
    ['the platform fetch', (globalThis as unknown as { fetch: Fetch }).fetch],
    ['node-fetch', undefined],
  ])('by %s: who logged in, and the phone of a tap', async (_name, fetch) => {
    const wechat = client({}, fetch ? { fetch } : {})
    expect(await wechat.code2session(APPID, await loginCode(simulator, 'o-1', { unionid: 'u-1' }))).toEqual({
      openid: 'o-1',
      unionid: 'u-1',
    })
    expect(await wechat.phoneNumber(APPID, await phoneCode(simulator, '+85251234567'))).toEqual({
      phoneNumber: '+85251234567',
      purePhoneNumber: '51234567',
      countryCode: '852',
      watermark: { appid: APPID, timestamp: expect.any(Number) },
    })
  })

  test('every visible character of a code arrives as it is', async () => {
    const seen: unknown[] = []
    const url = await wechatLike(async (req, res) => {
      if (req.method === 'GET') seen.push(new URL(req.url!, 'http://x').searchParams.get('js_code'))
      else seen.push(JSON.parse((await req.toArray()).join('')).code)
      res.end(JSON.stringify({ openid: 'o-1', phone_info: {} }))
    })
    const code = String.fromCharCode(...Array.from({ length: 94 }, (_, index) => 0x21 + index))
    const wechat = client({}, { url })
    await wechat.code2session(APPID, code)
    await wechat.phoneNumber(APPID, code)
    expect(seen).toEqual([code, code])
  })

  test('the code is sent as JSON by POST, with the openid only where it is given', async () => {
    const seen: unknown[] = []
    const url = await wechatLike(async (req, res) => {
      const { pathname, searchParams } = new URL(req.url!, 'http://x')
      const body = JSON.parse((await req.toArray()).join(''))
      seen.push([req.method, pathname, Object.fromEntries(searchParams), req.headers['content-type'], body])
      res.end(JSON.stringify({ errcode: 0, errmsg: 'ok', phone_info: {} }))
    })
    const wechat = client({}, { url })
    await wechat.phoneNumber(APPID, 'a-code')
    await wechat.phoneNumber(APPID, 'a-code', 'o-1')
    const same = ['POST', '/wxa/business/getuserphonenumber', { access_token: 'an-access-token' }]
    expect(seen).toEqual([
      [...same, 'application/json', { code: 'a-code' }],
      [...same, 'application/json', { code: 'a-code', openid: 'o-1' }],
    ])
  })

  test('session_key is not in the answer', async () => {
    const wechat = client()
    const session = await wechat.code2session(APPID, await loginCode(simulator, 'o-1', { unionid: 'u-1' }))
    expect(Object.keys(session).sort()).toEqual(['openid', 'unionid'])
  })

  test.each<[string, object]>([
    ['absent', {}],
    ['empty', { unionid: '' }],
    ['null', { unionid: null }],
  ])('a unionid that is %s is none', async (_name, more) => {
    simulator.failNext('jscode2session', { status: 200, body: { openid: 'o-1', session_key: 'k', ...more } })
    expect((await client().code2session(APPID, 'a-code')).unionid).toBeUndefined()
  })

  test.each([
    'text/plain',
    'application/json; encoding=utf-8',
    'image/jpeg',
    'text/html',
    'text/plain; charset=gbk',
    'nonsense',
    undefined,
  ])('a body counts, not its content type: %s', async type => {
    const url = await wechatLike((_req, res) => {
      if (type) res.setHeader('content-type', type)
      res.end(JSON.stringify({ openid: 'o-1', phone_info: { phoneNumber: '13800138000' } }))
    })
    const wechat = client({}, { url })
    expect(await wechat.code2session(APPID, 'a-code')).toEqual({ openid: 'o-1' })
    expect(await wechat.phoneNumber(APPID, 'a-code')).toEqual({ phoneNumber: '13800138000' })
  })

  const full = { phoneNumber: '13800138000', purePhoneNumber: '13800138000', countryCode: '86' }
  test.each<[string, object, object | undefined]>([
    ['strings', full, full],
    ['numbers', { phoneNumber: 13800138000, purePhoneNumber: 13800138000, countryCode: 86 }, full],
    ['a plus', { ...full, countryCode: '+86' }, { ...full, countryCode: '+86' }],
    ['a part missing', { phoneNumber: '+85251234567' }, { phoneNumber: '+85251234567' }],
    ['a part null', { ...full, purePhoneNumber: null }, { phoneNumber: '13800138000', countryCode: '86' }],
    [
      'a part nonsense',
      { ...full, countryCode: ['86'] },
      { phoneNumber: '13800138000', purePhoneNumber: '13800138000' },
    ],
    ['members that we do not know', { ...full, carrier: 'x' }, full],
    ['a watermark that is null', { ...full, watermark: null }, full],
    [
      'a timestamp that is nonsense',
      { ...full, watermark: { appid: APPID, timestamp: 'soon' } },
      { ...full, watermark: { appid: APPID } },
    ],
    [
      'a timestamp in a string',
      { ...full, watermark: { appid: APPID, timestamp: '1637744274' } },
      { ...full, watermark: { appid: APPID, timestamp: 1637744274 } },
    ],
    ['nothing', {}, {}],
  ])('phone_info with %s', async (_name, phone_info, expected) => {
    simulator.failNext('getuserphonenumber', {
      status: 200,
      body: { errcode: 0, errmsg: 'ok', phone_info },
    })
    expect(await client().phoneNumber(APPID, 'a-code')).toEqual(expected)
  })

  test.each<[string, object]>([
    ['missing', { errcode: 0, errmsg: 'ok' }],
    ['null', { errcode: 0, errmsg: 'ok', phone_info: null }],
    ['a string', { errcode: 0, errmsg: 'ok', phone_info: '13800138000' }],
    ['an array', { errcode: 0, errmsg: 'ok', phone_info: [] }],
    ['marked by nonsense', { errcode: 0, phone_info: { phoneNumber: '13800138000', watermark: 7 } }],
  ])('phone_info that is %s: no phone, and no error', async (_name, body) => {
    simulator.failNext('getuserphonenumber', { status: 200, body })
    expect(await client().phoneNumber(APPID, 'a-code')).toBeUndefined()
  })
})

describe.each(everyCall)('%s: what is not an answer is wechat_unavailable', name => {
  const good =
    name === 'code2session' ? { openid: 'o-1' } : { errcode: 0, phone_info: { phoneNumber: '13800138000' } }

  test.each<[string, Fault]>([
    ['HTML', { status: 200, body: '<!doctype html><title>502</title>' }],
    ['truncated JSON', { status: 200, body: JSON.stringify(good).slice(0, -2) }],
    ['an array', { status: 200, body: [good] }],
    ['null', { status: 200, body: 'null' }],
    ['a number', { status: 200, body: '0' }],
    ['a string', { status: 200, body: '"ok"' }],
    ['{}', { status: 200, body: {} }],
    ['an empty body', { status: 200, body: '' }],
    ['an errcode that is nonsense', { status: 200, body: { ...good, errcode: 'x' } }],
    ['an errcode that is a fraction', { status: 200, body: { ...good, errcode: 0.5 } }],
    ['a good answer with HTTP 500', { status: 500, body: good }],
    ['a good answer with HTTP 201', { status: 201, body: good }],
    ['HTTP 302 to nowhere', { status: 302, body: good }],
    ['HTTP 404', { status: 404, body: 'not found' }],
    ['HTTP 502', { status: 502, body: '<html>' }],
    ['over 1 MB', { status: 200, body: { ...good, padding: 'x'.repeat(1_000_001) } }],
    ['reset', { reset: true }],
  ])('%s', async (_name, fault) => {
    simulator.failNext(endpointOf[name], fault)
    const wechat = client()
    const error = await failure(calls[name](wechat))
    expect([error.code, error.status, error.wechat, error.retryAfter]).toEqual([
      'wechat_unavailable',
      503,
      undefined,
      expect.any(Number),
    ])
    // It is not the call's end: the same client goes on.
    simulator.failNext(endpointOf[name], { status: 200, body: good })
    expect(await calls[name](wechat)).toBeDefined()
    expect(simulator.callCounts[endpointOf[name]]).toBe(2)
  })

  test('just under 1 MB is read', async () => {
    const url = await wechatLike((_req, res) => {
      res.end(JSON.stringify({ ...good, padding: 'x'.repeat(990_000) }))
    })
    expect(await calls[name](client({}, { url }))).toBeDefined()
  })

  test('a redirect is not followed', async () => {
    let followed = 0
    const url = await wechatLike((req, res) => {
      if (req.url === '/elsewhere') followed += 1
      res.writeHead(req.url === '/elsewhere' ? 200 : 307, { location: '/elsewhere' })
      res.end(JSON.stringify(good))
    })
    for (const options of [{ url }, { url, fetch: globalThis.fetch as unknown as Fetch }]) {
      expect((await failure(calls[name](client({}, options)))).code).toBe('wechat_unavailable')
    }
    expect(followed).toBe(0)
  })

  test.each<[string, RequestListener]>([
    ['no answer', () => {}],
    ['headers, then nothing', (_req, res) => res.writeHead(200).flushHeaders()],
    ['half a body, then nothing', (_req, res) => res.write(JSON.stringify(good).slice(0, 5))],
  ])('%s within the time limit', async (_name, listener) => {
    let gone: Promise<unknown> | undefined
    const url = await wechatLike((req, res) => {
      gone = once(res, 'close')
      listener(req, res)
    })
    const wechat = client({ WECHAT_TIMEOUT_MS: '800' }, { url })
    const error = await failure(calls[name](wechat))
    expect(error.code).toBe('wechat_unavailable')
    await gone // WeChat's side sees that nobody waits any more
    expect(reasons(wechat)).toEqual(['timeout'])
  })

  test('a connection that is cut in the middle of the body', async () => {
    const url = await wechatLike((_req, res) => {
      res.writeHead(200, { 'content-length': '1000' })
      res.write(JSON.stringify(good), () => res.destroy())
    })
    expect((await failure(calls[name](client({}, { url })))).code).toBe('wechat_unavailable')
  })

  test('a large body of an error does not keep its connection', async () => {
    const ends: Promise<unknown>[] = []
    const url = await wechatLike((_req, res) => {
      ends.push(once(res, 'close'))
      res.writeHead(500).end(Buffer.alloc(20_000_000))
    })
    expect((await failure(calls[name](client({}, { url })))).code).toBe('wechat_unavailable')
    expect(ends).toHaveLength(1)
    await ends[0]
  })

  test('connection refused', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    server.close()
    await once(server, 'close')
    const wechat = client({}, { url: `http://127.0.0.1:${port}` })
    expect((await failure(calls[name](wechat))).code).toBe('wechat_unavailable')
    // Nothing was sent: it may be tried again.
    expect(reasons(wechat)).toEqual(Array(3).fill('ECONNREFUSED'))
  })
})

test('a TLS handshake that never ends is given up after WECHAT_CONNECT_TIMEOUT_MS', async () => {
  const silent = createTcpServer(() => {}).listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const { port } = silent.address() as AddressInfo
  const wechat = client({ WECHAT_CONNECT_TIMEOUT_MS: '100' }, { url: `https://127.0.0.1:${port}` })
  expect((await failure(wechat.code2session(APPID, 'a-code'))).code).toBe('wechat_unavailable')
  expect(reasons(wechat)).toEqual(Array(3).fill('ECONNECTTIMEOUT'))
  silent.close()
})

test('the time limit holds whatever a call waits for, even a fetch that never heeds its signal', async () => {
  const wechat = client({ WECHAT_TIMEOUT_MS: '200' }, { fetch: () => new Promise(() => {}) })
  for (const name of everyCall) expect((await failure(calls[name](wechat))).code).toBe('wechat_unavailable')
})

test('a call whose time is up while it waits for the token sends no code, and harms nobody', async () => {
  const sent: string[] = []
  const token = Promise.withResolvers<Response>()
  const real = createFetch(2_000)
  const fetch: Fetch = (url, init) => {
    sent.push(new URL(url).pathname)
    return url.endsWith('/cgi-bin/stable_token') ? token.promise : real(url, init)
  }
  const wechat = client({ WECHAT_TIMEOUT_MS: '200' }, { fetch })
  expect((await failure(wechat.phoneNumber(APPID, 'a-code'))).code).toBe('wechat_unavailable')
  token.resolve(Response.json({ access_token: 'too-late', expires_in: 7200 }))
  // It is kept for others; what it sets off for this caller is over soon after.
  while (
    (await db.rows(`select from auth_private.wechat_access_tokens where access_token = 'too-late'`)).length <
    1
  )
    await sleep(10)
  await sleep(100)
  expect(sent).toEqual(['/cgi-bin/stable_token'])
  expect(simulator.calls).toEqual([])
})

test('whatever a call waits for, its room is free when its time is up', async () => {
  const env = { WECHAT_TIMEOUT_MS: '200', WECHAT_MAX_CALLS: '1', WECHAT_MAX_QUEUE: '1' }
  // Another process has died while it fetched: everybody waits for its lease, longer than any caller does.
  await db.rows(
    `insert into auth_private.wechat_access_tokens (appid, kind, fetching_until)
     values ($1, 'stable', now() + interval '1 hour')`,
    [APPID],
  )
  const wechat = client(env)
  const late = { cause: expect.objectContaining({ message: 'WeChat: timeout' }) }
  for (const error of await Promise.all([1, 2].map(() => failure(calls.phoneNumber(wechat)))))
    expect(error).toMatchObject(late)
  expect(wechat.load().getuserphonenumber).toEqual({ inFlight: 0, queued: 0 })
  // A fetch that never heeds its signal keeps no room either.
  const deaf = client(env, { fetch: () => new Promise(() => {}) })
  for (let n = 0; n < 3; n++) expect(await failure(calls.code2session(deaf))).toMatchObject(late)
  expect(deaf.load().jscode2session).toEqual({ inFlight: 0, queued: 0 })
})

test('an app that is not configured: wechat_misconfigured, and WeChat is not asked', async () => {
  const wechat = client()
  for (const appid of ['wx00000000000000ff', 'toString', '__proto__', '']) {
    for (const promise of [wechat.code2session(appid, 'a-code'), wechat.phoneNumber(appid, 'a-code')])
      expect(await failure(promise)).toMatchObject({
        code: 'wechat_misconfigured',
        message: 'No such app is configured',
      })
  }
  expect(simulator.calls).toEqual([])
  expect(await db.rows('select appid from auth_private.wechat_access_tokens')).toEqual([])
})

test('every app has its own secret and its own token', async () => {
  const other = { appid: 'wx00000000000000bb', secret: 'b'.repeat(32) }
  await simulator.close()
  simulator = await startSimulator({ apps: { [APPID]: SIMULATOR_APP_SECRET, [other.appid]: other.secret } })
  const wechat = client({ WECHAT_APPS: JSON.stringify({ [other.appid]: other.secret }) })
  for (const appid of [APPID, other.appid]) {
    const code = await phoneCode(simulator, '13800138000', { appid })
    expect((await wechat.phoneNumber(appid, code))?.watermark?.appid).toBe(appid)
    expect(await wechat.code2session(appid, await loginCode(simulator, 'o-1', { appid }))).toBeDefined()
  }
  expect(simulator.callCounts.stable_token).toBe(2)
})

describe('what must not be told: access token, secret, codes, session_key, phones', () => {
  const CODE = 'c0de-of-a-tap-which-nobody-may-see'
  const PHONE = '13912345678'

  /** Looks at everything that came out of a call. */
  async function secretsIn(wechat: TestClient, error: unknown, more: string[]): Promise<string[]> {
    const { access_token: token } = await db.row<{ access_token: string | null }>(
      'select max(access_token) as access_token from auth_private.wechat_access_tokens',
    )
    const told = `${wechat.logged.join('')}\n${error === undefined ? '' : everythingOf(error)}`
    const secrets = [SIMULATOR_APP_SECRET, PHONE, CODE, ...more, ...(token === null ? [] : [token])]
    return secrets.filter(secret => told.includes(secret) || told.includes(encodeURIComponent(secret)))
  }

  test('success, down to the finest level of the log', async () => {
    const answers: string[] = []
    const fetch: Fetch = async (url, init) => {
      const response = await globalThis.fetch(url, init)
      answers.push(await response.clone().text())
      return response
    }
    const wechat = client({}, { fetch })
    const codes = [await loginCode(simulator, 'o-1'), await phoneCode(simulator, PHONE)]
    await wechat.code2session(APPID, codes[0]!)
    await wechat.phoneNumber(APPID, codes[1]!)
    const sessionKey = JSON.parse(answers[0]!).session_key
    expect(sessionKey).toMatch(/./)
    expect(wechat.logged.length).toBeGreaterThanOrEqual(3)
    expect(await secretsIn(wechat, undefined, [sessionKey, ...codes])).toEqual([])
  })

  const quoting = `{CODE} {SECRET} {TOKEN} ${PHONE} +86${PHONE}`
  const faults: [string, Fault][] = [
    ['an errcode', { errcode: 40029 }],
    ['nonsense', { status: 200, body: `<html>${PHONE}` }],
    ['HTTP 500', { status: 500, body: PHONE }],
    ['HTTP 302', { status: 302, body: PHONE }],
    ['reset', { reset: true }],
    ['time-out', { hang: 60_000 }],
    ['an unfit answer', { status: 200, body: { openid: 5, purePhoneNumber: PHONE } }],
    ['over 1 MB', { status: 200, body: PHONE.repeat(100_000) }],
    ['a dead token', { errcode: 40001 }],
  ]
  describe.each<[string, Fetch | undefined]>([
    ['node-fetch', undefined],
    ['the platform fetch', globalThis.fetch as unknown as Fetch],
  ])('%s', (_name, fetch) => {
    for (const name of everyCall) {
      test.each(faults)(`${name}: %s`, async (_name, fault) => {
        const wechat = client({ WECHAT_TIMEOUT_MS: '500' }, fetch ? { fetch } : {})
        for (let times = 0; times < 2; times += 1) simulator.failNext(endpointOf[name], fault)
        const error = await failure(
          name === 'code2session' ? wechat.code2session(APPID, CODE) : wechat.phoneNumber(APPID, CODE),
        )
        expect(await secretsIn(wechat, error, [])).toEqual([])
      })
    }

    test.each(faults)('the fetch of a token: %s', async (_name, fault) => {
      for (const WECHAT_TOKEN_KIND of ['stable', 'legacy']) {
        const wechat = client({ WECHAT_TIMEOUT_MS: '500', WECHAT_TOKEN_KIND }, fetch ? { fetch } : {})
        simulator.failNext(WECHAT_TOKEN_KIND === 'stable' ? 'stable_token' : 'token', fault)
        const error = await failure(wechat.phoneNumber(APPID, CODE))
        expect(await secretsIn(wechat, error, [])).toEqual([])
      }
    })
  })

  test('an errmsg that quotes what we sent is masked in the log, and still says the rest', async () => {
    const awkward = 'a+code/with="odd"&signs%'
    const texts = (code: string, token: string) =>
      quoting.replace('{CODE}', code).replace('{SECRET}', SIMULATOR_APP_SECRET).replace('{TOKEN}', token)
    const url = await wechatLike((_req, res) => {
      const text = `${texts(awkward, 'an-access-token')} ${encodeURIComponent(awkward)}`
      res.end(JSON.stringify({ errcode: 40029, errmsg: `invalid code ${text} rid: 1-2-3` }))
    })
    const other = client({}, { url })
    for (const error of [
      await failure(other.code2session(APPID, awkward)),
      await failure(other.phoneNumber(APPID, awkward)),
    ])
      expect([error.code, error.wechat]).toEqual(['wechat_code_invalid', { errcode: 40029, rid: '1-2-3' }])
    const [first, second] = other.logged.map(line => JSON.parse(line).errmsg).filter(Boolean)
    // Each call masks what it sent itself.
    for (const secret of [awkward, encodeURIComponent(awkward), PHONE]) {
      expect(first).not.toContain(secret)
      expect(second).not.toContain(secret)
    }
    expect(first).not.toContain(SIMULATOR_APP_SECRET)
    expect(second).not.toContain('an-access-token')
    for (const text of [first, second]) expect(text).toMatch(/^invalid code \*\*\*\* .* rid: 1-2-3$/)
  })
})
