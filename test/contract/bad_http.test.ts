import { listen } from '../../src/server.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { type RawHeaders, type RawRequest, sendBytes, sendRequest } from '../support/raw.ts'
import { expectNothingInside, refusalOf } from '../support/refusals.ts'
import { type Node, startNode, startSimulator, type TestSimulator } from '../support/service.ts'

// HTTP that is wrong, hostile or odd, as bytes. What Node itself refuses has no body and says nothing.

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

const S = 's3cr3t'
const send = (request: RawRequest) => sendRequest(node.url, request)
const json: RawHeaders = [['content-type', 'application/json']]
const invalid = (status: number) => ({ status, code: 'validation_failed' })

/** Path, its methods, and what another is told. */
const paths: [target: string, methods: string[]][] = [
  ['/graphql', ['POST']],
  ['/auth/v1/wechat_mini/login', ['GET', 'POST']],
  ['/auth/v1/wechat_mini/bind_phone', ['GET', 'POST']],
  ['/auth/v1/token', ['POST']],
  ['/auth/v1/logout', ['POST']],
  ['/auth/v1/user', ['GET', 'PUT', 'DELETE']],
  ['/auth/v1/user/identities/1', ['DELETE']],
  ['/auth/v1/wechat_mini/bind_account', ['GET', 'POST']],
  ['/auth/v1/wechat_mini/unlimited_qrcode', ['POST']],
  ['/auth/v1/settings', ['GET']],
  ['/auth/v1/health', ['GET']],
  ['/auth/v1/.well-known/openid-configuration', ['GET']],
  ['/auth/v1/admin/users', ['GET', 'POST']],
  ['/auth/v1/admin/users/1', ['GET', 'PUT', 'DELETE']],
  ['/auth/v1/admin/users/1/sessions', ['GET', 'DELETE']],
  ['/auth/v1/admin/users/1/sessions/1', ['DELETE']],
  ['/auth/v1/admin/audit', ['GET']],
  ['/auth/v1/.well-known/jwks.json', ['GET']],
]
const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND', 'LOCK', 'SEARCH']

test.each(paths)('%s has its methods and no other: 405 with Allow', async (target, allowed) => {
  for (const method of methods.filter(name => !allowed.includes(name))) {
    const answer = await send({ method, target: `${target}?code=${S}&query={__typename}` })
    expect({ method, ...refusalOf(answer, [S]), allow: answer.headers.allow }).toEqual({
      method,
      ...invalid(405),
      allow: allowed.join(', '),
    })
  }
  const { status, text } = await send({ method: 'HEAD', target: `${target}?code=${S}` })
  expect([status, text]).toEqual([405, ''])
})

test.each([
  '/nothing',
  '/auth',
  '/auth/v1',
  '/auth/v1/',
  '/auth/v1/nothing',
  '/auth/v2/user',
  '/auth/v1/user/x',
  '/auth/v1/user;x',
  '/auth/v1/user%00',
  '/auth/v1/user%2f',
  '/auth/v1/%2e%2e/user',
  '/auth/v1/../v1/user',
  '/auth//v1/user',
  '//auth/v1/user',
  '//graphql',
  '/graphql/',
  '/graphql/x',
  '/graphql%00',
  '/GraphQL',
  '/graphiql/../package.json',
  '/graphiql/%2e%2e%2fpackage.json',
  '/..%2f..%2f..%2fetc/passwd',
  '/../../../../etc/passwd',
  '/auth/v1/.well-known/../../../../etc/passwd',
  '/auth/v1/.well-known/..%5c..%5cetc%5cpasswd',
  '/%zz',
  '/%c0%ae%c0%ae/',
  '/simulator/login-codes',
  '/metrics/x',
  '/health',
  '/auth/v1/admin',
  '/auth/v1/admin/users/1/2',
  '/health/ready/x',
  '/package.json',
  '/src/main.ts',
  '/.env',
  '/.data/env',
  '/favicon.ico',
  '*',
  `/${'x'.repeat(8_000)}`,
  `/${'x/'.repeat(4_000)}`,
  `/?${'x=y&'.repeat(2_000)}`.replace('/', '/nothing'),
  'http://elsewhere.test/nothing',
])('%.60s leads nowhere: 404', async target => {
  for (const method of ['GET', 'POST', 'DELETE'])
    expect(refusalOf(await send({ method, target }), ['passwd', 'x'.repeat(100)])).toEqual(invalid(404))
})

test('a path that cannot be decoded is refused', async () => {
  expect(refusalOf(await send({ target: '/auth/v1/%zz' }))).toEqual(invalid(400))
})

test.each(['/auth/v1/logout', '/auth/v1/logout/', '/auth/v1/LOGOUT', '/auth/v1/logout?x=/y'])(
  '%s of a dead session is 401, however it is spelled',
  async target => {
    const answer = await send({ method: 'POST', target, headers: [['authorization', 'Bearer x']] })
    expect(refusalOf(answer)).toEqual({ status: 401, code: 'bad_jwt' })
  },
)

describe('headers', () => {
  const user = (headers: RawHeaders) => send({ target: '/auth/v1/user', headers })
  const graphql = (headers: RawHeaders) =>
    send({
      method: 'POST',
      target: '/graphql',
      headers: [...json, ...headers],
      body: '{"query":"{ __typename }"}',
    })

  test.each([
    'wx0000000000000000',
    '',
    ' ',
    'x',
    '__proto__',
    'constructor',
    S,
    '*',
    "' or 1=1 --",
    'x'.repeat(5_000),
  ])('an appid that is %.30j: wechat_misconfigured', async appid => {
    const headers: RawHeaders = [['x-wechat-appid', appid]]
    for (const answer of [await user(headers), await graphql(headers)])
      expect(refusalOf(answer, [S])).toEqual({ status: 500, code: 'wechat_misconfigured' })
  })

  test('an appid twice is none', async () => {
    const appid = node.services.config.wechat.defaultAppid
    const headers: RawHeaders = [
      ['x-wechat-appid', appid],
      ['x-wechat-appid', appid],
    ]
    for (const answer of [await user(headers), await graphql(headers)])
      expect(refusalOf(answer)).toEqual({ status: 500, code: 'wechat_misconfigured' })
  })

  test.each(['', ' ', 'a b', 'x'.repeat(65), '../x', '<b>', '\u00e9', 'a,b', '{"a":1}', "'"])(
    'a request id that is %j is replaced',
    async id => {
      for (const answer of [await user([['x-request-id', id]]), await graphql([['x-request-id', id]])])
        expect(answer.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/)
    },
  )

  test.each(['', 'evil.test', 'evil.test:99999', '[::1', 'a b', 'a, b', '<script>', '\u00e9', "x' or 1=1"])(
    'a Host that is %j changes nothing, and does not come back',
    async host => {
      const [rest, data] = [await user([['host', host]]), await graphql([['host', host]])]
      expect(refusalOf(rest, host ? [host] : [])).toEqual({ status: 401, code: 'no_authorization' })
      expect(data.body).toEqual({ data: { __typename: 'Query' } })
    },
  )

  test.each<[string, RawHeaders, number]>([
    ['200 of them', Array.from({ length: 200 }, (_, i) => [`x-${i}`, 'y']), 401],
    ['3,000 of them', Array.from({ length: 3_000 }, (_, i) => [`x-${i}`, 'y']), 431],
    ['one of 15 KB', [['x-long', 'y'.repeat(15_000)]], 401],
    ['one of 20 KB', [['x-long', 'y'.repeat(20_000)]], 431],
    ['one of 1 MB', [['x-long', 'y'.repeat(1_000_000)]], 431],
    ['a cookie', [['cookie', `session=${S}`]], 401],
    [
      'an upgrade',
      [
        ['connection', 'upgrade, close'],
        ['upgrade', 'websocket'],
      ],
      401,
    ],
    ['an API version that is none', [['x-supabase-api-version', '2024-13-99; drop']], 401],
    ['ranges', [['range', 'bytes=0-']], 401],
    [
      'conditions',
      [
        ['if-none-match', '*'],
        ['if-modified-since', 'never'],
      ],
      401,
    ],
    ['another method', [['x-http-method-override', 'DELETE']], 401],
  ])('%s', async (_name, headers, status) => {
    const answer = await user(headers)
    expect(answer.status).toBe(status)
    expectNothingInside(answer, [S])
    expect(answer.headers['set-cookie']).toBeUndefined()
  })

  test('a request line of 20 KB: 431', async () => {
    const answer = await send({ target: `/auth/v1/wechat_mini/login?code=${'x'.repeat(20_000)}` })
    expect([answer.status, answer.text]).toEqual([431, ''])
  })
})

describe('bytes that are no request', () => {
  const get = 'GET /auth/v1/user HTTP/1.1\r\nHost: x\r\n'
  const post = `POST /auth/v1/wechat_mini/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n`
  test.each<[string, string | Buffer]>([
    ['a word', 'GARBAGE\r\n\r\n'],
    ['TLS', Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00])],
    ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['a version that is none', 'GET / HTTP/9.9\r\nHost: x\r\n\r\n'],
    ['a method that is none', 'STEAL /auth/v1/user HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['a method in small letters', 'get /auth/v1/user HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['a space in the path', 'GET /auth/v1/user x HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['bytes above ASCII in the path', Buffer.from('GET /auth/v1/é HTTP/1.1\r\nHost: x\r\n\r\n')],
    ['no Host', 'GET /auth/v1/user HTTP/1.1\r\n\r\n'],
    ['bare line feeds', 'GET /auth/v1/user HTTP/1.1\nHost: x\n\n'],
    ['a header without a colon', `${get}nonsense\r\n\r\n`],
    ['a space before a colon', `${get}X-A : b\r\n\r\n`],
    ['a folded header', `${get}X-A: b\r\n c\r\n\r\n`.replace('X-A', 'X A')],
    ['NUL in a header', `${get}X-A: \0\r\n\r\n`],
    ['a length that is no number', `${post}Content-Length: x\r\n\r\n`],
    ['a length below zero', `${post}Content-Length: -1\r\n\r\n`],
    ['two lengths', `${post}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}`],
    ['a length beside chunks', `${post}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    ['chunks of no size', `${post}Transfer-Encoding: chunked\r\n\r\nzz\r\n`],
    ['chunks that are not the last coding', `${post}Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n`],
    ['a second request in the body', `${post}Content-Length: 2\r\n\r\n{}GARBAGE\r\n\r\n`],
  ])('%s: refused without a word', async (_name, bytes) => {
    const answer = await sendBytes(node.url, bytes)
    expect([400, 505]).toContain(answer.status)
    expectNothingInside({ ...answer, text: answer.text.replace(/^HTTP.*?^\{"code":400.*?\}/ms, '') })
  })

  test.each<[string, string]>([
    ['the request line', 'GET /auth/v1/user'],
    ['the headers', get],
    ['a body shorter than it says', `${post}Content-Length: 1000\r\n\r\n{"code":"${S}`],
    ['chunks', `${post}Transfer-Encoding: chunked\r\n\r\n5\r\n{"cod`],
  ])('a client that goes in the middle of %s leaves the service as it was', async (_name, bytes) => {
    expectNothingInside(await sendBytes(node.url, bytes, { half: true }), [S])
    expect((await send({ target: '/health/live' })).status).toBe(200)
  })
})

describe('a client that takes its time', () => {
  test.each<[string, string]>([
    ['with the headers', 'GET / HTTP/1.1\r\nHost: x\r\nX-A:'],
    ['with the body', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{'],
    ['with chunks', 'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n'],
  ])('%s is not waited for', async (_name, bytes) => {
    const http = await listen('127.0.0.1', 0, { headersMs: 100, requestMs: 200, checkMs: 20 })
    http.serve((req, res) => void req.on('end', () => res.end()).resume())
    try {
      const { status, text } = await sendBytes(http.url, bytes)
      expect([status, text]).toEqual([408, ''])
    } finally {
      await http.close()
    }
  })
})

test('after all that the service is well', async () => {
  expect(await send({ target: '/health/ready' })).toMatchObject({ status: 200, body: { status: 'ok' } })
})
