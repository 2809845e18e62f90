import { freshOpenid, loginCode, signIn } from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { type RawHeaders, sendRequest } from '../support/raw.ts'
import { refusalOf } from '../support/refusals.ts'
import { type Node, startNode, startSimulator, type TestSimulator } from '../support/service.ts'
import { type Bench, createBench, jwt, KID, type Kind, pairs, signingEnv } from './bad_tokens_bench.ts'
import {
  bearer,
  type Case,
  wrongClaims,
  wrongForm,
  wrongHeader,
  wrongSignature,
  wrongTransport,
} from './bad_tokens_cases.ts'

// Whatever is wrong with a token, over the wire: an error, on both entrances, and never nobody.

let db: TestDatabase
let simulator: TestSimulator
const nodes = {} as Record<Kind, Node>
const benches = {} as Record<Kind, Bench>
const userIds = {} as Record<Kind, string>

beforeAll(async () => {
  db = await createDatabase()
  simulator = await startSimulator()
  for (const kind of ['HS256', 'ES256', 'RS256'] as const) {
    nodes[kind] = await startNode({ db, wechatUrl: simulator.url, env: signingEnv(kind) })
    const user = await signIn(nodes[kind], simulator)
    benches[kind] = createBench(kind, nodes[kind], user)
    userIds[kind] = user.userId
  }
})
afterAll(async () => {
  for (const node of Object.values(nodes)) await node.close()
  await simulator.close()
  await db.drop()
})

const json: RawHeaders = [['content-type', 'application/json']]

/** Each would do something for `anon`, or tell who the user is. */
const requests = {
  'POST /graphql': (node: Node, headers: RawHeaders) =>
    sendRequest(node.url, {
      method: 'POST',
      target: '/graphql',
      headers: [...json, ...headers],
      body: '{"query":"{ __typename currentUser { id } }"}',
    }),
  'GET /wechat_mini/login': (node: Node, headers: RawHeaders) =>
    sendRequest(node.url, { target: '/auth/v1/wechat_mini/login?code=a-code', headers }),
  'GET /user': (node: Node, headers: RawHeaders) =>
    sendRequest(node.url, { target: '/auth/v1/user', headers }),
  'POST /logout': (node: Node, headers: RawHeaders) =>
    sendRequest(node.url, { method: 'POST', target: '/auth/v1/logout', headers }),
}
const expected = Object.keys(requests).map(at => [at, at === 'POST /logout' ? 401 : 403, 'bad_jwt'])

async function refusals(node: Node, headers: RawHeaders, secrets: string[]) {
  const answers = []
  for (const [at, send] of Object.entries(requests)) {
    const { status, code } = refusalOf(await send(node, headers), secrets)
    answers.push([at, status, code])
  }
  return answers
}

/** A row gives a token for the bearer, or all headers. */
const headersOf = (make: Case[1], b: Bench): RawHeaders => {
  const made = make(b)
  return typeof made === 'string' ? bearer(made) : made
}

describe.each(['HS256', 'ES256'] as const)('tokens by %s', kind => {
  test.each([...wrongForm, ...wrongSignature, ...wrongHeader, ...wrongClaims, ...wrongTransport])(
    '%s: bad_jwt, on every entrance',
    async (_name, make) => {
      const b = benches[kind]
      const headers = headersOf(make, b)
      const before = simulator.callCounts.jscode2session
      const secrets = headers
        .flatMap(([, value]) => value.split(/[\s.,="]+/))
        .filter(text => text.length > 12)
      expect(await refusals(nodes[kind], headers, [...secrets, b.payload])).toEqual(expected)
      expect(simulator.callCounts.jscode2session).toBe(before)
    },
  )

  test.each<Case>([
    ['a token as others make it', b => b.signed({})],
    ['small letters', b => [['authorization', `bearer ${b.good}`]]],
    ['capitals and two spaces', b => [['authorization', `BEARER  ${b.good}`]]],
    ['in the apikey', b => [['apikey', b.good]]],
    ['beside a bad apikey, which the bearer beats', b => [...bearer(b.good), ['apikey', 'x']]],
  ])('%s: good', async (_name, make) => {
    const headers = headersOf(make, benches[kind])
    const rest = await requests['GET /user'](nodes[kind], headers)
    const graphql = await requests['POST /graphql'](nodes[kind], headers)
    expect([rest.body.id, graphql.body.data?.currentUser.id]).toEqual(Array(2).fill(userIds[kind]))
  })

  test('64 KB are too long for a header, and the answer says no more than that', async () => {
    for (const send of Object.values(requests)) {
      const { status, text } = await send(nodes[kind], bearer('x'.repeat(65_536)))
      expect([status, text]).toEqual([431, ''])
    }
  })

  test('a control character ends the request', async () => {
    for (const send of Object.values(requests)) {
      const { status, text } = await send(nodes[kind], bearer(`x\x00y`))
      expect([status, text]).toEqual([400, ''])
    }
  })
})

describe.each(['ES256', 'RS256'] as const)('with a signing key, %s', kind => {
  const spki = { type: 'spki', format: 'pem' } as const
  const { publicKey } = pairs[kind]
  const jwk = publicKey.export({ format: 'jwk' })
  test.each<[string, string]>([
    ['PEM', publicKey.export(spki) as string],
    ['PEM without its last line end', (publicKey.export(spki) as string).trim()],
    ['JWK', JSON.stringify(jwk)],
    ['JWK as it is published', JSON.stringify({ ...jwk, kid: KID, alg: kind, use: 'sig' })],
    ['a member of the JWK', String(jwk.n ?? jwk.x)],
    ['DER', (publicKey.export({ type: 'spki', format: 'der' }) as Buffer).toString('latin1')],
    ['nothing', ''],
  ])('HS256 with the public key as its secret, %s: bad_jwt', async (_name, secret) => {
    const { claims } = benches[kind]
    for (const header of [{ alg: 'HS256' }, { alg: 'HS256', kid: KID }])
      for (const payload of [claims, { role: 'service_role' }])
        expect(await refusals(nodes[kind], bearer(jwt(header, payload, secret)), [])).toEqual(expected)
  })

  test.each<Case>([
    ['another kid', b => b.signed({}, { kid: 'the-key-of-yesterday' })],
    ['no kid', b => b.signed({}, { kid: undefined })],
    ['kid in a list', b => b.signed({}, { kid: [KID] })],
    ['kid null', b => b.signed({}, { kid: null })],
    ['an API key by the signing key', b => jwt(b.header, { role: 'service_role' }, b.key)],
    ['service_role claimed by a user', b => b.signed({ role: 'service_role' })],
    ['anon claimed by a user', b => b.signed({ role: 'anon' })],
    ['HS256 in the header', b => jwt({ alg: 'HS256', kid: KID }, b.claims, b.key)],
  ])('%s: bad_jwt', async (_name, make) => {
    expect(await refusals(nodes[kind], headersOf(make, benches[kind]), [])).toEqual(expected)
  })
})

test('no token where a user is needed: no_authorization', async () => {
  const { anon, serviceRole } = nodes.HS256.services.apiKeys
  for (const headers of [
    [],
    [['apikey', '']],
    [['apikey', anon]],
    bearer(anon),
    bearer(serviceRole),
  ] as RawHeaders[])
    for (const at of ['GET /user', 'POST /logout'] as const)
      expect(refusalOf(await requests[at](nodes.HS256, headers))).toEqual({
        status: 401,
        code: 'no_authorization',
      })
})

test('a token that is refused signs nobody in, even with a good code', async () => {
  const openid = freshOpenid()
  const code = await loginCode(simulator, openid)
  const query = `mutation { wechatSignIn(input: { code: "${code}" }) { session { accessToken } } }`
  for (const [target, body] of Object.entries({
    '/auth/v1/wechat_mini/login': { code },
    '/graphql': { query },
  })) {
    const headers = [...json, ...bearer('x')]
    const answer = await sendRequest(nodes.HS256.url, {
      method: 'POST',
      target,
      headers,
      body: JSON.stringify(body),
    })
    expect(refusalOf(answer, [code])).toEqual({ status: 403, code: 'bad_jwt' })
  }
  expect(await db.rows('select from auth.users where wechat_id = $1', [openid])).toEqual([])
})
