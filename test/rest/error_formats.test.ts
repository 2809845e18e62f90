import { randomUUID } from 'node:crypto'
import { authRouter } from '../../src/index.ts'
import { publicRoutes } from '../../src/rest/public_routes.ts'
import { freshOpenid, freshPhone, loginCode, phoneCode, signIn } from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { type RawAnswer, type RawHeaders, type RawRequest, sendRequest } from '../support/raw.ts'
import { type Node, startNode, startSimulator, type TestSimulator } from '../support/service.ts'

// Over every route of the service: GoTrue's two formats of errors, and that nothing about anybody is kept by caches.

let db: TestDatabase
let simulator: TestSimulator
let node: Node

interface Path {
  path: string
  methods: string[]
}
/** What the router itself says that it has. */
let paths: Path[]
let publicPaths: string[]

beforeAll(async () => {
  db = await createDatabase()
  simulator = await startSimulator()
  node = await startNode({ db, wechatUrl: simulator.url })
  paths = pathsOf(authRouter(node.services).stack)
  publicPaths = publicRoutes(node.services).map(({ path }) => path)
})
afterAll(async () => {
  await node.close()
  await simulator.close()
  await db.drop()
})

function pathsOf(stack: ReturnType<typeof authRouter>['stack']): Path[] {
  const routes = stack.flatMap(({ route }) => (route && !route.path.startsWith('/{') ? [route] : []))
  return [...new Set(routes.map(({ path }) => path))].map(path => ({
    path,
    methods: routes.flatMap(route =>
      route.path === path ? Object.keys((route as never as { methods: object }).methods) : [],
    ),
  }))
}

const send = (request: RawRequest) => sendRequest(node.url, request)
const json: [string, string] = ['content-type', 'application/json']
const bearer = (token: string): [string, string] => ['authorization', `Bearer ${token}`]

/** A request of each kind that every route refuses, whoever sends it. */
function refusedRequests(): [name: string, request: RawRequest][] {
  const target = (path: string) => `/auth/v1${path.replace(/:\w+/g, randomUUID())}`
  const badToken = paths
    .filter(({ path }) => !publicPaths.includes(path))
    .flatMap(({ path, methods }) =>
      methods
        .filter(method => method !== '_all')
        .map((name): [string, RawRequest] => {
          const method = name.toUpperCase()
          const body = method === 'GET' ? {} : { body: '{}' }
          const request = { method, target: target(path), headers: [bearer('nonsense'), json], ...body }
          return [`${method} ${path}, a bad token`, request]
        }),
    )
  const otherwise = paths.flatMap(({ path }): [string, RawRequest][] => [
    [`PATCH ${path}`, { method: 'PATCH', target: target(path) }],
    [`POST ${path}, no JSON`, { method: 'POST', target: target(path), headers: [json], body: '{' }],
    [`POST ${path}, a text`, { method: 'POST', target: target(path), body: 'x' }],
    [
      `PUT ${path}, too large`,
      { method: 'PUT', target: target(path), headers: [json], body: ' '.repeat(200_000) },
    ],
  ])
  const elsewhere = ['/auth/v1', '/auth/v1/nothing', '/auth/v1/%zz', '/nothing', '/health'].map(
    (target): [string, RawRequest] => [target, { target }],
  )
  return [...badToken, ...otherwise, ...elsewhere]
}

test('the routes are those that the wire has, and more', () => {
  expect(paths.map(({ path }) => path)).toEqual(
    expect.arrayContaining([
      ...['/wechat_mini/login', '/wechat_mini/bind_phone', '/token', '/logout', '/user'],
      ...['/.well-known/jwks.json', '/.well-known/openid-configuration', '/settings', '/health'],
    ]),
  )
  expect(publicPaths).toHaveLength(4)
})

const text = expect.stringMatching(/\S/)

/** GoTrue's first format, and that of 2024-01-01, which says so. */
const formats = {
  old: ({ status, headers }: RawAnswer) => ({
    version: undefined,
    body: { code: status, error_code: headers['x-sb-error-code'], msg: text },
  }),
  new: ({ headers }: RawAnswer, version: string) => ({
    version,
    body: { code: headers['x-sb-error-code'], message: text },
  }),
}

const versions: [format: keyof typeof formats, version: string | undefined][] = [
  ['old', undefined],
  ['old', ''],
  ['old', '2023-12-31'],
  ['old', '2019-01-01'],
  ['old', 'garbage'],
  ['old', '2024'],
  ['old', '2024-1-1'],
  ['old', '20240101'],
  ['old', 'v2024-01-01'],
  ['old', '2024-01-01T00:00:00Z'],
  ['old', '2024-01-01, 2024-01-01'],
  ['old', '\u00e9024-01-01'],
  ['new', '2024-01-01'],
  ['new', '2024-01-02'],
  ['new', '2026-11-22'],
  ['new', '9999-12-31'],
]

test.each(versions)('the %s format where the version is %j', async (format, version) => {
  const given: RawHeaders = version === undefined ? [] : [['x-supabase-api-version', version]]
  const requests = refusedRequests()
  expect(requests.length).toBeGreaterThan(50)
  for (const [name, request] of requests) {
    const answer = await send({ ...request, headers: [...(request.headers ?? []), ...given] })
    const { status, headers, body } = answer
    expect({ name, status, code: headers['x-sb-error-code'] }).toEqual({
      name,
      status: expect.any(Number),
      code: expect.stringMatching(/^(bad_jwt|validation_failed)$/),
    })
    expect(status).toBeGreaterThanOrEqual(400)
    expect({ name, version: headers['x-supabase-api-version'], body }).toEqual({
      name,
      ...formats[format](answer, version!),
    })
  }
})

describe('Cache-Control: no-store', () => {
  test('on every refusal', async () => {
    const graphql: [string, RawRequest][] = [
      ['no JSON', { method: 'POST', target: '/graphql', headers: [json], body: '{' }],
      ['a text', { method: 'POST', target: '/graphql', body: 'x' }],
      ['too large', { method: 'POST', target: '/graphql', headers: [json], body: ' '.repeat(2 << 20) }],
      ['a bad document', { method: 'POST', target: '/graphql', headers: [json], body: '{"query":"{"}' }],
      ['no document', { method: 'POST', target: '/graphql', headers: [json], body: '{}' }],
      ['a list', { method: 'POST', target: '/graphql', headers: [json], body: '[{"query":"{__typename}"}]' }],
      ['a bad token', { method: 'POST', target: '/graphql', headers: [json, bearer('x')], body: '{}' }],
      ['GET', { target: '/graphql?query={__typename}' }],
      ['HEAD', { method: 'HEAD', target: '/graphql' }],
      ['OPTIONS', { method: 'OPTIONS', target: '/graphql' }],
      ['no such path', { target: '/graphql/x' }],
    ]
    for (const [name, request] of [...refusedRequests(), ...graphql]) {
      const { status, headers } = await send(request)
      expect([name, status >= 400, headers['cache-control']]).toEqual([name, true, 'no-store'])
    }
  })

  test('on every success: of REST and of GraphQL', async () => {
    const user = await signIn(node, simulator)
    const post = (target: string, body: object, ...headers: RawHeaders): RawRequest => ({
      method: 'POST',
      target,
      headers: [json, ...headers],
      body: JSON.stringify(body),
    })
    const graphql = (query: string) => post('/graphql', { query }, bearer(user.accessToken))
    const mine = [bearer(user.accessToken)]
    const code = await loginCode(simulator, freshOpenid())
    const tap = await phoneCode(simulator, freshPhone())
    const base = '/auth/v1'
    const session = (
      await send(post(`${base}/token?grant_type=refresh_token`, { refresh_token: user.refreshToken }))
    ).body
    const requests: RawRequest[] = [
      { target: `${base}/wechat_mini/login?code=${code}` },
      post(`${base}/wechat_mini/login`, { code: await loginCode(simulator, freshOpenid()) }),
      { target: `${base}/wechat_mini/bind_phone?code=${tap}`, headers: mine },
      post(`${base}/wechat_mini/bind_phone`, { code: tap }, ...mine),
      post(`${base}/token?grant_type=refresh_token`, { refresh_token: session.refresh_token }),
      { target: `${base}/user`, headers: mine },
      { target: `${base}/admin/users`, headers: [bearer(node.services.apiKeys.serviceRole)] },
      { target: `${base}/settings` },
      { target: `${base}/health` },
      graphql('{ currentUser { id phone } }'),
      graphql('mutation { wechatBindPhone(input: { code: "no-code" }) { user { id } } }'),
      post('/graphql', {
        query: `mutation { refreshSession(input: { refreshToken: "${session.refresh_token}" }) { session { accessToken } } }`,
      }),
      post('/graphql', { query: '{ __typename }' }),
      post(`${base}/logout?scope=local`, {}, ...mine),
    ]
    for (const request of requests) {
      const { status, headers } = await send(request)
      const name = `${request.method} ${request.target.split('?')[0]}`
      expect([name, status < 300, headers['cache-control']]).toEqual([name, true, 'no-store'])
    }
  })

  test('but not on the documents about keys', async () => {
    for (const target of ['jwks.json', 'openid-configuration']) {
      const { status, headers } = await send({ target: `/auth/v1/.well-known/${target}` })
      expect([status, headers['cache-control']]).toEqual([200, 'public, max-age=600'])
    }
  })
})
