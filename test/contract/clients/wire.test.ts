import { post, send, signIn } from '../../support/client.ts'
import { type Node, startNode } from '../../support/service.ts'
import { type Site, startSite } from './site.ts'

// What users of GoTrue's wire rely on beside the clients, over plain HTTP: errors in two formats, and keys in two forms.

let site: Site
let node: Node
let keyed: Node
const OPAQUE = { ANON_KEY: 'an-opaque-anon-key', SERVICE_ROLE_KEY: 'an-opaque-service-role-key' }

beforeAll(async () => {
  site = await startSite()
  node = site.node
  keyed = await startNode({ db: site.db, wechatUrl: site.simulator.url, env: OPAQUE })
})
afterAll(async () => {
  await keyed.close()
  await site.close()
})

type Request = [
  name: string,
  path: string,
  init: RequestInit & { token?: string },
  status: number,
  code: string,
]

const requests: Request[] = [
  ['no token', '/user', {}, 401, 'no_authorization'],
  ['a bad token', '/user', { token: 'x' }, 403, 'bad_jwt'],
  ['a bad token at the sign-out', '/logout', { method: 'POST', token: 'x' }, 401, 'bad_jwt'],
  ['not an administrator', '/admin/users', {}, 401, 'no_authorization'],
  ['bad input', '/wechat_mini/login', {}, 400, 'validation_failed'],
  ['no route', '/nothing', {}, 404, 'validation_failed'],
  ['no such method', '/token', {}, 405, 'validation_failed'],
]

const versions: [version: string | undefined, isNew: boolean][] = [
  [undefined, false],
  ['2024-01-01', true],
  ['2026-11-22', true],
  ['2023-12-31', false],
  ['tomorrow', false],
]

describe.each(versions)('an error for the API version %s', (version, isNew) => {
  test.each(requests)('%s', async (_name, path, init, status, code) => {
    const headers: Record<string, string> = version === undefined ? {} : { 'x-supabase-api-version': version }
    const answer = await send(`${node.url}/auth/v1${path}`, { ...init, headers })
    const message = expect.any(String)
    expect({ status: answer.status, body: answer.body }).toEqual({
      status,
      body: isNew ? { code, message } : { code: status, error_code: code, msg: message },
    })
    expect(answer.headers.get('x-sb-error-code')).toBe(code)
    expect(answer.headers.get('x-supabase-api-version')).toBe(isNew ? version : null)
    expect(answer.headers.get('cache-control')).toBe('no-store')
  })
})

test('what WeChat said is in both formats', async () => {
  const bodies = []
  for (const headers of [{}, { 'x-supabase-api-version': '2024-01-01' }]) {
    const url = `${node.url}/auth/v1/wechat_mini/login`
    bodies.push((await post(url, { code: 'no-code' }, undefined, headers)).body)
  }
  const wechat = { errcode: 40029, rid: expect.any(String) }
  expect(bodies).toMatchObject([
    { error_code: 'wechat_code_invalid', wechat },
    { code: 'wechat_code_invalid', wechat },
  ])
})

describe.each([
  ['JWTs', () => node],
  ['opaque strings', () => keyed],
])('keys that are %s', (_form, nodeOf) => {
  type Keys = { anon: string; serviceRole: string; user: string }
  const cases: [name: string, headers: (keys: Keys) => object, user: number, users: number][] = [
    ['nothing', () => ({}), 401, 401],
    ['apikey: anon', ({ anon }) => ({ apikey: anon }), 401, 403],
    ['apikey and bearer: anon', ({ anon }) => ({ apikey: anon, authorization: `Bearer ${anon}` }), 401, 403],
    [
      'apikey: anon, bearer: a user',
      ({ anon, user }) => ({ apikey: anon, authorization: `Bearer ${user}` }),
      200,
      403,
    ],
    ['apikey: a user', ({ user }) => ({ apikey: user }), 200, 403],
    ['apikey: service role', ({ serviceRole }) => ({ apikey: serviceRole }), 401, 200],
    ['bearer: service role', ({ serviceRole }) => ({ authorization: `Bearer ${serviceRole}` }), 401, 200],
    [
      'apikey: service role, bearer: a user (the bearer counts)',
      ({ serviceRole, user }) => ({ apikey: serviceRole, authorization: `Bearer ${user}` }),
      200,
      403,
    ],
    [
      'apikey: nonsense, bearer: a user (the bearer counts)',
      ({ user }) => ({ apikey: 'nonsense', authorization: `Bearer ${user}` }),
      200,
      403,
    ],
    ['apikey: nonsense', () => ({ apikey: 'nonsense' }), 403, 403],
    ['bearer: nonsense', ({ anon }) => ({ apikey: anon, authorization: 'Bearer nonsense' }), 403, 403],
  ]

  test.each(cases)('%s', async (_name, headersOf, user, users) => {
    const at = nodeOf()
    const { accessToken } = await signIn(at, site.simulator)
    const headers = headersOf({ ...at.services.apiKeys, user: accessToken }) as Record<string, string>
    const statusOf = async (path: string) => (await send(`${at.url}/auth/v1${path}`, { headers })).status
    expect([await statusOf('/user'), await statusOf('/admin/users')]).toEqual([user, users])
    // What needs no key works with every good one.
    const signInStatus = await statusOf('/wechat_mini/login?code=no-code')
    expect(signInStatus).toBe(user === 403 ? 403 : 400)
  })
})
