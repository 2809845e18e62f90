import fc from 'fast-check'
import { type SignedIn, signIn } from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { type RawAnswer, type RawHeaders, sendBytes, sendRequest } from '../support/raw.ts'
import { expectNothingInside, refusalOf } from '../support/refusals.ts'
import { entrancesOf, type Operation, withToken } from '../support/requests.ts'
import { ROUNDS } from '../support/rounds.ts'
import { type Node, startNode, startSimulator, type TestSimulator } from '../support/service.ts'

// Whatever is sent, on either entrance: what the client did wrong by the catalogue's name, never a fault of ours, in JSON,
// and without what he sent.

let db: TestDatabase
let simulator: TestSimulator
let node: Node
let user: SignedIn

beforeAll(async () => {
  db = await createDatabase()
  simulator = await startSimulator()
  node = await startNode({ db, wechatUrl: simulator.url })
  user = await signIn(node, simulator)
})
afterAll(async () => {
  await node.close()
  await simulator.close()
  await db.drop()
})

const S = 's3cr3t'
const runs = { numRuns: 20 * ROUNDS }
const secret = fc.string({ unit: 'binary' }).map(text => `${S}${text}`)
const headerText = fc
  .array(fc.integer({ min: 0x20, max: 0xff }).filter(code => code !== 0x7f))
  .map(codes => String.fromCharCode(...codes))
const json: RawHeaders = [['content-type', 'application/json']]

/** What Node refuses by itself has no body, and is not ours to word. */
const ofNode = ({ status, text }: RawAnswer) => [0, 400, 408, 417, 431, 505].includes(status) && text === ''
const faults = ['unexpected_failure', 'database_unavailable', 'wechat_unavailable']

function judge(answer: RawAnswer, secrets = [S, user.accessToken, user.refreshToken]) {
  if (ofNode(answer)) return
  if (answer.status < 400 && !answer.body?.errors) return expectNothingInside(answer, [S])
  expect(faults).not.toContain(refusalOf(answer, secrets).code)
}

const post = (target: string, body: string | Buffer, headers: RawHeaders = json) =>
  sendRequest(node.url, { method: 'POST', target, headers, body })
const targets = [
  '/graphql',
  '/auth/v1/wechat_mini/login',
  '/auth/v1/token?grant_type=refresh_token',
  '/auth/v1/logout',
]

test.each(['sign in', 'bind', 'refresh'] as Operation[])('any text to %s', async operation => {
  await fc.assert(
    fc.asyncProperty(secret, async text => {
      for (const [, make] of entrancesOf(operation)) {
        const request = make(text)
        judge(await sendRequest(node.url, withToken(request, user.accessToken)))
      }
    }),
    runs,
  )
})

test('any JSON, where a code belongs and where the body does', async () => {
  const query = 'mutation ($v: String!) { wechatSignIn(input: { code: $v }) { query { id } } }'
  await fc.assert(
    fc.asyncProperty(fc.jsonValue(), async value => {
      judge(await post('/auth/v1/wechat_mini/login', JSON.stringify({ code: value })))
      judge(await post('/graphql', JSON.stringify({ query, variables: { v: value } })))
      judge(await post('/graphql', JSON.stringify({ query, variables: value, operationName: value })))
      for (const target of targets) judge(await post(target, JSON.stringify(value)))
    }),
    runs,
  )
})

test('any body of any type', async () => {
  const bytes = fc.uint8Array({ maxLength: 300 }).map(array => Buffer.from(array))
  const body = fc.oneof(
    bytes,
    secret.map(text => Buffer.from(text)),
    fc.json().map(text => Buffer.from(text.slice(1))),
  )
  const types = fc.oneof(
    fc.constant('application/json'),
    fc.constantFrom('application/json; charset=', 'text/'),
    headerText,
  )
  const encodings = fc.oneof(fc.constantFrom('gzip', 'br', 'deflate', 'identity', 'zstd', ''), headerText)
  await fc.assert(
    fc.asyncProperty(body, types, encodings, async (body, type, encoding) => {
      for (const target of targets)
        judge(
          await post(target, body, [
            ['content-type', type],
            ['content-encoding', encoding],
          ]),
        )
    }),
    runs,
  )
})

test('any headers', async () => {
  const names = [
    'authorization',
    'apikey',
    'accept',
    'x-wechat-appid',
    'x-request-id',
    'x-supabase-api-version',
    'host',
  ]
  const more = [
    'range',
    'origin',
    'cookie',
    'x-forwarded-for',
    'forwarded',
    'if-none-match',
    'content-language',
    'te',
  ]
  const header = fc.tuple(
    fc.constantFrom(...names, ...more),
    fc.oneof(
      headerText,
      headerText.map(text => `Bearer ${S}${text}`),
    ),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(header, { minLength: 1, maxLength: 5 }), async headers => {
      const isOldApi = (answer: RawAnswer) => answer.headers['x-supabase-api-version'] === undefined
      for (const answer of [
        await post('/graphql', '{"query":"{ __typename }"}', [...json, ...headers]),
        await sendRequest(node.url, { target: '/auth/v1/user', headers }),
      ])
        if (isOldApi(answer)) judge(answer)
    }),
    runs,
  )
})

test('any target, by any method', async () => {
  const part = fc.oneof(
    fc.constantFrom(
      'auth',
      'v1',
      'wechat_mini',
      'login',
      'user',
      'graphql',
      '..',
      '.',
      '',
      '%2e',
      '%00',
      '%zz',
      '%ff',
    ),
    fc.string({ unit: fc.integer({ min: 0x21, max: 0x7e }).map(code => String.fromCharCode(code)) }),
  )
  const target = fc
    .tuple(fc.array(part), fc.option(part))
    .map(([path, query]) => `/${path.join('/')}${query === null ? '' : `?code=${query}`}`)
  const method = fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE', 'PURGE')
  await fc.assert(
    fc.asyncProperty(method, target, async (method, target) => {
      const answer = await sendRequest(node.url, { method, target })
      if (!/^\/(\?|$|graphiql|ruru)/.test(target)) judge(answer, [])
    }),
    runs,
  )
})

test('any document', async () => {
  const words =
    `{ } ( ) [ ] : = ! | & @ $ ... " """ # , query mutation subscription fragment on type null true 7 0.5
    -1e999 input code wechatSignIn wechatBindPhone currentUser signOut scope id phone session accessToken __schema
    __typename __type name fields Query User String $v @skip if "v-${S}" ${S} \\u0000 \u00e9 \u{1f600}`.split(
      /\s+/,
    )
  await fc.assert(
    fc.asyncProperty(fc.array(fc.constantFrom(...words), { maxLength: 60 }), async soup => {
      const answer = await post('/graphql', JSON.stringify({ query: soup.join(' ') }))
      // A name at a place for names may come back, in quotes: nobody writes a code there. A value may not.
      judge(answer, [`v-${S}`])
    }),
    { numRuns: 100 * ROUNDS },
  )
})

test('any bytes', async () => {
  const line = fc.constantFrom(
    'GET / HTTP/1.1\r\n',
    'POST /graphql HTTP/1.1\r\n',
    'Host: x\r\n',
    'Content-Length: 5\r\n',
    '\r\n',
    '{',
  )
  const bytes = fc.array(
    fc.oneof(
      line.map(text => Buffer.from(text)),
      fc.uint8Array().map(array => Buffer.from(array)),
    ),
    { minLength: 1 },
  )
  await fc.assert(
    fc.asyncProperty(bytes, async parts => {
      expectNothingInside(await sendBytes(node.url, Buffer.concat(parts), { half: true }))
    }),
    runs,
  )
})

test('after all that the service is well, and the user is signed in', async () => {
  const { status, body } = await sendRequest(
    node.url,
    withToken({ target: '/auth/v1/user' }, user.accessToken),
  )
  expect([status, body.id]).toEqual([200, user.userId])
})
