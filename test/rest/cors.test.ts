import { AuthClient } from '@supabase/auth-js'
import { signIn } from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { startProxy } from '../support/proxy.ts'
import { type RawAnswer, type RawHeaders, type RawRequest, sendRequest } from '../support/raw.ts'
import { type Node, startNode, startSimulator, type TestSimulator } from '../support/service.ts'

// Pages of other origins (H5), as their browsers ask and judge.

const PAGE = 'https://h5.test'
const OTHER_PAGE = 'http://localhost:3000'
const STRANGERS = [
  'https://evil.test',
  'http://h5.test',
  'https://h5.test:8443',
  'https://h5.test.evil.test',
  'https://H5.test',
  'https://h5.test/',
  'null',
  '*',
  '',
  `${PAGE}, ${PAGE}`,
]

let db: TestDatabase
let simulator: TestSimulator
let proxy: Awaited<ReturnType<typeof startProxy>>
/** Some pages, all pages, and none. */
let some: Node
let all: Node
let none: Node

beforeAll(async () => {
  db = await createDatabase()
  simulator = await startSimulator()
  proxy = await startProxy(db.webUrl)
  const start = (CORS_ORIGINS?: string) =>
    startNode({ db: { ...db, webUrl: proxy.url }, wechatUrl: simulator.url, env: { CORS_ORIGINS } })
  some = await start(`${PAGE}, ${OTHER_PAGE}`)
  all = await start('*')
  none = await start()
})
afterAll(async () => {
  for (const node of [some, all, none]) await node.close()
  await proxy.close()
  await simulator.close()
  await db.drop()
})

const EXPOSED = 'x-total-count,link,x-sb-error-code,x-supabase-api-version,x-request-id,retry-after'
const ALLOWED =
  'authorization,apikey,content-type,x-client-info,x-supabase-api-version,x-wechat-appid,x-request-id'

/** The headers that are about CORS. */
const corsOf = ({ headers }: RawAnswer) =>
  Object.fromEntries(
    Object.entries(headers).filter(([name]) => name === 'vary' || name.startsWith('access-control-')),
  )
const ask = (node: Node, request: RawRequest, origin?: string) =>
  sendRequest(node.url, {
    ...request,
    headers: [
      ...(request.headers ?? []),
      ...(origin === undefined ? [] : [['origin', origin]]),
    ] as RawHeaders,
  })
const preflight = (target: string, more: RawHeaders = []): RawRequest => ({
  method: 'OPTIONS',
  target,
  headers: [
    ['access-control-request-method', 'POST'],
    ['access-control-request-headers', 'apikey,authorization,content-type'],
    ...more,
  ],
})

const json: [string, string] = ['content-type', 'application/json']
const bad: [string, string] = ['authorization', 'Bearer nonsense']
const post = (target: string, body: string, ...headers: RawHeaders): RawRequest => ({
  method: 'POST',
  target,
  body,
  headers,
})
const QUERY = '{"query":"{ __typename }"}'
const LOGIN = '/auth/v1/wechat_mini/login'

/** Every way in which a request ends. */
const answers: [name: string, request: RawRequest, status: number][] = [
  ['a document', { target: '/auth/v1/settings' }, 200],
  ['no token', { target: '/auth/v1/user' }, 401],
  ['a bad token', { target: '/auth/v1/user', headers: [bad] }, 403],
  ['a dead session to end', { method: 'POST', target: '/auth/v1/logout', headers: [bad] }, 401],
  ['no code', { target: LOGIN }, 400],
  ['no such app', { target: LOGIN, headers: [['x-wechat-appid', 'x']] }, 500],
  ['a body that is no JSON', post(LOGIN, '{', json), 400],
  ['a body that is too large', post(LOGIN, ' '.repeat(200_000), json), 413],
  ['a body of another type', post(LOGIN, 'x', ['content-type', 'text/plain']), 415],
  ['no such path', { target: '/auth/v1/nothing' }, 404],
  ['no path', { target: '/auth/v1' }, 404],
  ['a path that cannot be read', { target: '/auth/v1/%zz' }, 400],
  ['a method that is not there', { method: 'DELETE', target: '/auth/v1/token' }, 405],
  ['HEAD', { method: 'HEAD', target: '/auth/v1/user' }, 405],
  ['GraphQL', post('/graphql', QUERY, json), 200],
  ['GraphQL, a bad token', post('/graphql', QUERY, json, bad), 403],
  ['GraphQL, no such app', post('/graphql', QUERY, json, ['x-wechat-appid', 'x']), 500],
  ['GraphQL, a bad document', post('/graphql', '{"query":"{"}', json), 400],
  ['GraphQL, a body that is no JSON', post('/graphql', '{', json), 400],
  ['GraphQL, a body that is too large', post('/graphql', ' '.repeat(2 << 20), json), 413],
  ['GraphQL, a body of another type', post('/graphql', QUERY), 415],
  ['GraphQL, GET', { target: '/graphql?query={__typename}' }, 405],
  ['GraphQL, no such path', { target: '/graphql/x' }, 404],
]

describe.each(answers)('%s', (_name, request, status) => {
  test.each([PAGE, OTHER_PAGE])('a page of %s may read it', async origin => {
    const answer = await ask(some, request, origin)
    expect([answer.status, corsOf(answer)]).toEqual([
      status,
      { 'access-control-allow-origin': origin, 'access-control-expose-headers': EXPOSED, vary: 'Origin' },
    ])
  })

  test('no other page may, and a cache keeps the answers apart', async () => {
    for (const origin of [...STRANGERS, undefined]) {
      const answer = await ask(some, request, origin)
      const { 'access-control-expose-headers': _harmless, ...cors } = corsOf(answer)
      expect([origin, answer.status, cors]).toEqual([origin, status, { vary: 'Origin' }])
    }
  })

  test('with * every page may', async () => {
    for (const origin of [PAGE, 'https://evil.test', 'null', undefined]) {
      const answer = await ask(all, request, origin)
      expect([answer.status, corsOf(answer)]).toEqual([
        status,
        { 'access-control-allow-origin': '*', 'access-control-expose-headers': EXPOSED },
      ])
    }
  })

  test('without CORS_ORIGINS nothing is said', async () => {
    const answer = await ask(none, request, PAGE)
    expect([answer.status, corsOf(answer)]).toEqual([status, {}])
  })
})

test('a database that is away: a page reads the 503, and when to come again', async () => {
  const { accessToken } = await signIn(some, simulator)
  proxy.cut()
  try {
    const answer = await ask(
      some,
      { target: '/auth/v1/user', headers: [['authorization', `Bearer ${accessToken}`]] },
      PAGE,
    )
    expect([answer.status, answer.headers['access-control-allow-origin']]).toEqual([503, PAGE])
    expect(answer.headers['retry-after']).toBeDefined()
    expect((await ask(some, preflight('/auth/v1/user'), PAGE)).status).toBe(204)
  } finally {
    proxy.mend()
  }
})

describe('preflights', () => {
  const targets = ['/auth/v1/user', '/auth/v1/token', '/auth/v1/nothing', LOGIN, '/graphql']
  const granted = (origin: string) => ({
    'access-control-allow-origin': origin,
    'access-control-allow-methods': 'GET,POST,PUT,DELETE',
    'access-control-allow-headers': ALLOWED,
    'access-control-expose-headers': EXPOSED,
    'access-control-max-age': '7200',
  })

  test.each(targets)('%s: granted to its pages, whatever else the request says', async target => {
    for (const more of [
      [],
      [bad],
      [['x-wechat-appid', 'x']],
      [['content-type', 'text/plain']],
    ] as RawHeaders[]) {
      const answer = await ask(some, preflight(target, more), PAGE)
      expect([answer.status, answer.text, corsOf(answer)]).toEqual([
        204,
        '',
        { ...granted(PAGE), vary: 'Origin' },
      ])
    }
    const anyone = await ask(all, preflight(target), 'https://anyone.test')
    expect([anyone.status, corsOf(anyone)]).toEqual([204, granted('*')])
  })

  test.each(targets)('%s: not granted to others; it is a method like any other', async target => {
    const status = target.endsWith('/nothing') ? 404 : 405
    for (const origin of [...STRANGERS, undefined]) {
      const answer = await ask(some, preflight(target), origin)
      expect([origin, answer.status, corsOf(answer)]).toEqual([origin, status, { vary: 'Origin' }])
    }
    const answer = await ask(none, preflight(target), PAGE)
    expect([answer.status, corsOf(answer)]).toEqual([status, {}])
  })

  test('OPTIONS that asks for nothing is none', async () => {
    for (const node of [some, all])
      expect((await ask(node, { method: 'OPTIONS', target: '/auth/v1/user' }, PAGE)).status).toBe(405)
  })

  test('what is not for pages has no CORS', async () => {
    for (const target of ['/health/live', '/graphiql', '/nothing']) {
      expect(corsOf(await ask(all, { target }, PAGE))).toEqual({})
      expect((await ask(all, preflight(target), PAGE)).status).not.toBe(204)
    }
  })
})

/** `fetch` as a browser gives it to a page: it asks before it sends, and shows what the answer lets the page see. */
const fetchOf =
  (origin: string): typeof fetch =>
  async (input, init) => {
    const request = new Request(input, init)
    const names = [...request.headers.keys()].filter(name => name !== 'accept')
    const asked = await fetch(request.url, {
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': request.method,
        'access-control-request-headers': names.join(','),
      },
    })
    const granted = (header: string) => asked.headers.get(header)?.split(',') ?? []
    const isGranted =
      asked.ok &&
      granted('access-control-allow-origin').includes(origin) &&
      granted('access-control-allow-methods').includes(request.method) &&
      names.every(name => granted('access-control-allow-headers').includes(name))
    if (!isGranted) throw new TypeError(`Failed to fetch: ${names}`)
    const answer = await fetch(request, { headers: { ...Object.fromEntries(request.headers), origin } })
    if (answer.headers.get('access-control-allow-origin') !== origin) throw new TypeError('Failed to fetch')
    const exposed = [
      ...(answer.headers.get('access-control-expose-headers') ?? '').split(','),
      'content-type',
    ]
    const headers = [...answer.headers].filter(([name]) => exposed.includes(name))
    return new Response(answer.body, { status: answer.status, headers })
  }

describe('auth-js in a page', () => {
  const clientOf = (origin: string) =>
    new AuthClient({
      url: `${some.url}/auth/v1`,
      headers: { apikey: some.services.apiKeys.anon },
      fetch: fetchOf(origin),
      persistSession: false,
      autoRefreshToken: false,
    })

  test('of ours works, and learns the names of errors', async () => {
    const client = clientOf(PAGE)
    const { userId, accessToken, refreshToken } = await signIn(some, simulator)
    const session = await client.setSession({ access_token: accessToken, refresh_token: refreshToken })
    expect(session).toMatchObject({ error: null, data: { user: { id: userId } } })
    expect(await client.refreshSession()).toMatchObject({ error: null, data: { user: { id: userId } } })
    expect(await client.updateUser({ data: { at: 'a page' } })).toMatchObject({ error: null })
    const refused = await client.getUser('nonsense')
    expect(refused.error).toMatchObject({ status: 403, code: 'bad_jwt' })
  })

  test('of a stranger gets nowhere', async () => {
    const { accessToken } = await signIn(some, simulator)
    const { error } = await clientOf('https://evil.test').getUser(accessToken)
    expect(error).toMatchObject({ name: 'AuthRetryableFetchError' })
  })
})
