import { SIMULATOR_APP_SECRET } from '../../src/simulator/index.ts'
import type { Fetch } from '../../src/wechat/http.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { APPID, createClient, failure, type TestClient } from './harness.ts'

let db: TestDatabase
const open: TestClient[] = []

beforeAll(async () => {
  db = await createDatabase()
})
beforeEach(() => db.rows('delete from auth_private.wechat_access_tokens'))
afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
})
afterAll(() => db.drop())

/** A client whose requests go to `fetch` instead of the network. */
function client(fetch: Fetch, kind = 'stable'): TestClient {
  const env = { WECHAT_TOKEN_KIND: kind, WECHAT_TIMEOUT_MS: '300' }
  const made = createClient({ db, url: 'http://wechat.test', env, fetch })
  open.push(made)
  return made
}

const answer = (body: object | string, status = 200) =>
  new Response(typeof body === 'string' ? body : JSON.stringify(body), { status })

const everything = { openid: 'o-1', phone_info: {}, access_token: 'an-access-token', expires_in: 7200 }
const lines = ({ logged }: TestClient) => logged.map(line => JSON.parse(line))

const JPEG = Buffer.from('ffd8ffe000104a464946', 'hex')
const app = { appid: APPID, secret: SIMULATOR_APP_SECRET }
const json = { 'content-type': 'application/json' }
const tokenRequests = {
  stable: {
    method: 'POST',
    url: 'http://wechat.test/cgi-bin/stable_token',
    headers: json,
    body: { grant_type: 'client_credential', ...app },
  },
  legacy: {
    method: 'GET',
    url: 'http://wechat.test/cgi-bin/token',
    query: { grant_type: 'client_credential', ...app },
  },
}

test.each(['stable', 'legacy'] as const)('%s: the requests are as WeChat documents them', async kind => {
  const sent: object[] = []
  const wechat = client(async (requested, { signal, body, redirect, ...init }) => {
    const { origin, pathname, searchParams } = new URL(requested)
    const query = Object.fromEntries(searchParams)
    sent.push({
      url: origin + pathname,
      ...(searchParams.size > 0 && { query }),
      ...(body !== undefined && { body: JSON.parse(body) }),
      ...init,
    })
    return pathname === '/wxa/getwxacodeunlimit' ? new Response(JPEG) : answer(everything)
  }, kind)
  await wechat.code2session(APPID, 'a-code')
  await wechat.phoneNumber(APPID, 'another-code')
  await wechat.unlimitedQrcode(APPID, { scene: 'a', page: undefined, check_path: false })
  expect(sent).toEqual([
    {
      size: 1_000_000,
      method: 'GET',
      url: 'http://wechat.test/sns/jscode2session',
      query: { ...app, js_code: 'a-code', grant_type: 'authorization_code' },
    },
    { size: 1_000_000, ...tokenRequests[kind] },
    {
      size: 1_000_000,
      method: 'POST',
      url: 'http://wechat.test/wxa/business/getuserphonenumber',
      query: { access_token: 'an-access-token' },
      headers: json,
      body: { code: 'another-code' },
    },
    {
      size: 4_000_000,
      method: 'POST',
      url: 'http://wechat.test/wxa/getwxacodeunlimit',
      query: { access_token: 'an-access-token' },
      headers: json,
      body: { scene: 'a', check_path: false },
    },
  ])
})

test('another interface gets what it is sent, with the access token, and its errcodes are told', async () => {
  const sent: object[] = []
  const wechat = client(async (url, { method, headers, body }) => {
    if (!url.includes('/message/')) return answer(everything)
    sent.push({ url, method, headers, body })
    return answer(
      sent.length === 1 ? { errcode: 0, errmsg: 'ok' } : { errcode: 43101, errmsg: 'refused rid: 1-a' },
    )
  })
  const ask = () => wechat.post(APPID, '/cgi-bin/message/subscribe/send', { touser: 'o-1' })
  expect(await ask()).toEqual({ errcode: 0, errmsg: 'ok' })
  const { code, wechat: told } = await failure(ask())
  expect([code, told]).toEqual(['wechat_unavailable', { errcode: 43101, rid: '1-a' }])
  const url = 'http://wechat.test/cgi-bin/message/subscribe/send?access_token=an-access-token'
  expect(sent).toEqual(Array(2).fill({ url, method: 'POST', headers: json, body: '{"touser":"o-1"}' }))
})

describe('the log', () => {
  /** What every line says: where, in words what, and how long it took, which is less than the whole call did. */
  const lineOf = (level: number, endpoint: string, more: object) => ({
    level,
    time: expect.any(Number),
    endpoint,
    ms: expect.any(Number),
    msg: expect.stringMatching(/./),
    ...more,
  })

  test.each([
    ['stable', 'stable_token'],
    ['legacy', 'token'],
  ])('%s: has a fine line for every answer', async (kind, tokenEndpoint) => {
    const wechat = client(async () => answer(everything), kind)
    await wechat.code2session(APPID, 'a-code')
    await wechat.phoneNumber(APPID, 'a-code')
    expect(lines(wechat)).toEqual(
      ['jscode2session', tokenEndpoint, 'getuserphonenumber'].map(endpoint => lineOf(20, endpoint, {})),
    )
  })

  test.each<[string, object, object]>([
    [
      'an errcode',
      { errcode: 40029, errmsg: 'invalid code rid: 1-2-3' },
      { errcode: 40029, errmsg: 'invalid code rid: 1-2-3' },
    ],
    ['no errmsg', { errcode: 40029 }, { errcode: 40029, errmsg: '' }],
    [
      'an errmsg without end',
      { errcode: -1, errmsg: 'x'.repeat(10_000) },
      { errcode: -1, errmsg: 'x'.repeat(500) },
    ],
  ])('has a line for %s', async (_name, body, told) => {
    const wechat = client(async () => answer(body))
    const before = performance.now()
    await failure(wechat.code2session(APPID, 'a-code'))
    const elapsed = performance.now() - before
    const [line, ...others] = lines(wechat)
    expect(line).toEqual(lineOf(40, 'jscode2session', told))
    expect(line.ms).toBeLessThanOrEqual(Math.ceil(elapsed))
    expect(others).toEqual([])
  })

  const never: Fetch = (_url, { signal }) =>
    new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
  const failing = (error: unknown): Fetch => {
    return async () => {
      throw error
    }
  }

  test.each<[string, Fetch, string]>([
    ['another status', async () => answer(everything, 503), 'HTTP 503'],
    ['no JSON', async () => answer('<html>'), 'nonsense'],
    ['no object', async () => answer('[]'), 'nonsense'],
    ['silence', never, 'timeout'],
    ['a code of the system', failing(Object.assign(new Error(), { code: 'ECONNRESET' })), 'ECONNRESET'],
    ['a type of node-fetch', failing(Object.assign(new Error(), { type: 'max-size' })), 'max-size'],
    ['a mere name', failing(new TypeError('fetch failed: http://wechat.test/?secret=…')), 'TypeError'],
  ])('has a line for %s, and the error says it too, to whoever logs that', async (_name, fetch, reason) => {
    const wechat = client(fetch)
    const before = performance.now()
    const error = await failure(wechat.code2session(APPID, 'a-code'))
    expect(error).toMatchObject({
      code: 'wechat_unavailable',
      cause: { message: expect.stringMatching(new RegExp(`^WeChat( jscode2session)?: ${reason}$`)) },
    })
    while (wechat.logged.length === 0) await new Promise(resolve => setImmediate(resolve))
    const elapsed = performance.now() - before
    const [line, ...others] = lines(wechat)
    expect(line).toEqual(lineOf(40, 'jscode2session', { reason }))
    expect(line.ms).toBeLessThanOrEqual(Math.ceil(elapsed))
    expect(others).toEqual([])
  })

  test('an answer that lacks what it is for: the error says whose it was', async () => {
    const wechat = client(async () => answer({}))
    for (const [ask, message] of [
      [() => wechat.code2session(APPID, 'a-code'), 'jscode2session: nonsense'],
      [() => wechat.phoneNumber(APPID, 'a-code'), 'WeChat stable token: nonsense'],
      [
        () => client(async () => answer({}), 'legacy').phoneNumber(APPID, 'a-code'),
        'WeChat legacy token: nonsense',
      ],
    ] as const)
      expect(await failure(ask())).toMatchObject({ code: 'wechat_unavailable', cause: { message } })
  })
})
