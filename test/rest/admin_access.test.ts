import { randomUUID } from 'node:crypto'
import { makeApiKey } from '../../src/tokens/jwt.ts'
import { type SignedIn, signIn } from '../support/client.ts'
import { JWT_SECRET, type Node, startNode } from '../support/service.ts'
import { type AdminBench, everything, request, startAdminBench } from './admin_fixture.ts'

// Every route, by whoever may call it and whoever may not.

let bench: AdminBench
/** Its service-role key is any text. */
let opaque: Node
let user: SignedIn
const OPAQUE_KEY = 'sb_secret_of-the-tests-0123456789'

beforeAll(async () => {
  bench = await startAdminBench()
  const { db, simulator } = bench
  opaque = await startNode({ db, wechatUrl: simulator.url, env: { SERVICE_ROLE_KEY: OPAQUE_KEY } })
  user = await signIn(bench.node, simulator)
})
afterAll(async () => {
  await opaque.close()
  await bench.close()
})

/** With the user of a path: his id stands for `:id`. */
const routes: [method: string, path: string, body: object | undefined][] = [
  ['GET', '/users', undefined],
  ['POST', '/users', { phone: '+8617000000001' }],
  ['GET', '/users/:id', undefined],
  ['PUT', '/users/:id', { user_metadata: { touched: true } }],
  ['GET', '/users/:id/sessions', undefined],
  ['DELETE', `/users/:id/sessions/${randomUUID()}`, undefined],
  ['DELETE', '/users/:id/sessions', undefined],
  ['GET', '/audit', undefined],
  ['DELETE', '/users/:id', { should_soft_delete: true }],
  ['DELETE', '/users/:id', undefined],
]

const deadToken = async (change: string) => {
  const dead = await signIn(bench.node, bench.simulator)
  await bench.db.rows(change, [dead.userId])
  return dead.accessToken
}
type Caller = [
  who: string,
  token: () => string | undefined | Promise<string | undefined>,
  refusal: [number, string],
]
const refused: Caller[] = [
  ['nobody', () => undefined, [401, 'no_authorization']],
  ['the anon key', () => bench.node.services.apiKeys.anon, [403, 'not_admin']],
  ['a user', () => user.accessToken, [403, 'not_admin']],
  [
    'a user whose session has ended',
    () => deadToken('delete from auth.sessions where user_id = $1'),
    [403, 'not_admin'],
  ],
  [
    'a banned user',
    () => deadToken(`update auth.users set banned_until = 'infinity' where id = $1`),
    [403, 'not_admin'],
  ],
  ['a refresh token', () => user.refreshToken, [403, 'bad_jwt']],
  ['nonsense', () => 'nonsense', [403, 'bad_jwt']],
  [
    'the key of another secret',
    () => makeApiKey('another secret of 32 bytes or more', 'service_role'),
    [403, 'bad_jwt'],
  ],
  ['the opaque key of another service', () => OPAQUE_KEY, [403, 'bad_jwt']],
]

describe.each(refused)('%s', (_who, tokenOf, [status, code]) => {
  test.each(routes)('may not %s %s', async (method, path, body) => {
    const token = await tokenOf()
    const before = await everything(bench.db)
    const answer = await request(bench.node, method, path.replace(':id', user.userId), token, body)
    expect({ status: answer.status, code: answer.body.error_code }).toEqual({ status, code })
    expect(answer.headers.get('x-sb-error-code')).toBe(code)
    expect(answer.headers.get('cache-control')).toBe('no-store')
    expect(answer.headers.get('x-total-count')).toBeNull()
    expect(await everything(bench.db)).toEqual(before)
  })
})

test('a user is not an administrator because his apikey is one: the bearer counts', async () => {
  const answer = await fetch(`${bench.node.url}/auth/v1/admin/users`, {
    headers: {
      authorization: `Bearer ${user.accessToken}`,
      apikey: bench.node.services.apiKeys.serviceRole,
    },
  })
  expect(answer.status).toBe(403)
  expect(await answer.json()).toMatchObject({ error_code: 'not_admin' })
})

describe.each<[string, () => Node, () => Record<string, string> | Promise<Record<string, string>>]>([
  [
    'the service-role key',
    () => bench.node,
    () => ({ authorization: `Bearer ${bench.node.services.apiKeys.serviceRole}` }),
  ],
  [
    'the service-role key as apikey',
    () => bench.node,
    () => ({ apikey: bench.node.services.apiKeys.serviceRole }),
  ],
  [
    'a key made from the secret elsewhere',
    () => bench.node,
    async () => ({ authorization: `Bearer ${await makeApiKey(JWT_SECRET, 'service_role')}` }),
  ],
  ['an opaque service-role key', () => opaque, () => ({ authorization: `Bearer ${OPAQUE_KEY}` })],
])('%s', (_who, nodeOf, headersOf) => {
  test.each(routes)('may %s %s', async (method, path, body) => {
    const { userId } = await signIn(nodeOf(), bench.simulator)
    const answer = await fetch(`${nodeOf().url}/auth/v1/admin${path.replace(':id', userId)}`, {
      method,
      ...(body && { body: JSON.stringify(body) }),
      headers: { ...(await headersOf()), 'content-type': 'application/json' },
    })
    const expected = path.includes('/sessions/') ? [404, 'session_not_found'] : [200, undefined]
    const { error_code } = (await answer.json()) as { error_code?: string }
    expect([answer.status, error_code]).toEqual(expected)
    await bench.db.rows(`delete from auth.users where phone = '+8617000000001'`)
  })
})

test.each(['/users', '/users/:id', '/users/:id/sessions', '/users/:id/sessions/:id', '/audit'])(
  'whoever knows no method of %s is told which there are',
  async path => {
    const answer = await bench.admin('PATCH', path.replaceAll(':id', user.userId), {})
    expect([answer.status, answer.body.error_code]).toEqual([405, 'validation_failed'])
    const here = routes.filter(([, other]) => other.replace(/[0-9a-f-]{36}$/, ':id') === path)
    expect(new Set(answer.headers.get('allow')?.split(', '))).toEqual(new Set(here.map(([method]) => method)))
  },
)
