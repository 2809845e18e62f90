import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { type SignedIn, signIn } from '../support/client.ts'
import { type RawHeaders, sendRequest } from '../support/raw.ts'
import { refusalOf } from '../support/refusals.ts'
import { ROUNDS } from '../support/rounds.ts'
import { type AdminBench, auditOf, everything, startAdminBench } from './admin_fixture.ts'

// What an administrator gets wrong: told by the field's name, and nothing is changed.

let bench: AdminBench
let user: SignedIn
let before: object

beforeAll(async () => {
  bench = await startAdminBench()
  user = await signIn(bench.node, bench.simulator)
  before = await everything(bench.db)
})
afterAll(() => bench.close())

/** In texts below; no answer may repeat it. */
const S = 's3cr3t'

/** With the user of a path: his id stands for `:id`. */
async function told(method: string, path: string, body?: unknown, type = 'application/json') {
  const headers: RawHeaders = [
    ['authorization', `Bearer ${bench.node.services.apiKeys.serviceRole}`],
    ...(body === undefined ? [] : ([['content-type', type]] as RawHeaders)),
  ]
  const target = `/auth/v1/admin${path.replace(':id', user.userId)}`
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  const answer = await sendRequest(bench.node.url, { method, target, headers, ...(text && { body: text }) })
  const refusal = { ...refusalOf(answer, [S]), message: answer.body.msg }
  expect(await everything(bench.db)).toEqual(before)
  return refusal
}
const refused = (field: string) => ({
  status: 400,
  code: 'validation_failed',
  message: expect.stringMatching(field),
})

const nested = (depth: number) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`

/** Each is part of a body, as text. */
const badFields: [field: string, what: string, value: string][] = [
  ['phone', 'a mainland number', '"13800138000"'],
  ['phone', 'a national number', '"02161234567"'],
  ['phone', 'letters', `"${S}"`],
  ['phone', 'too long', '"+8613800138000138"'],
  ['phone', 'much too long', `"+86${'1'.repeat(90_000)}"`],
  ['phone', 'with NUL', '"+8613800138000\\u0000"'],
  ['phone', 'spaced', '"+86 138 0013 8000"'],
  ['phone', 'a number', '8613800138000'],
  ['phone', 'a list', '["+8613800138000"]'],
  ['phone_confirm', 'false', 'false'],
  ['phone_confirm', 'a text', '"true"'],
  ...['user_metadata', 'app_metadata'].flatMap((field): [string, string, string][] => [
    [field, 'a text', `"${S}"`],
    [field, 'a list', '[]'],
    [field, 'a number', '1'],
    [field, 'false', 'false'],
    [field, 'with NUL in a value', '{"a":"\\u0000"}'],
    [field, 'with NUL in a key', '{"\\u0000":1}'],
    [field, 'with half a character', '{"a":"\\ud83d"}'],
    [field, 'nested 1,000 deep', nested(1_000)],
    [field, 'nested 9,000 deep', nested(9_000)],
    [field, 'a list nested 40,000 deep', `{"a":${'['.repeat(40_000)}${']'.repeat(40_000)}}`],
    [field, 'with a number without end', '{"a":[1e400]}'],
    [field, 'with __proto__', '{"__proto__":{"admin":true}}'],
    [field, 'with __proto__ inside', '{"a":[{"__proto__":{"admin":true}}]}'],
  ]),
  ['ban_duration', 'nonsense', `"${S}"`],
  ['ban_duration', 'empty', '""'],
  ['ban_duration', 'days', '"7d"'],
  ['ban_duration', 'negative', '"-1h"'],
  ['ban_duration', 'huge', '"999999999h"'],
  ['ban_duration', 'endless', `"${'1h'.repeat(40_000)}x"`],
  ['ban_duration', 'a number', '24'],
  ['reason', 'empty', '""'],
  ['reason', 'blank', '" \\t\\n\\u3000"'],
  ['reason', 'with NUL', `"${S}\\u0000"`],
  ['reason', 'with half a character', '"\\udc00"'],
  ['reason', 'too long', `"${'x'.repeat(501)}"`],
  ['reason', 'a number', '1'],
  ['reason', 'an object', '{}'],
  ['role', 'service_role', '"service_role"'],
  ['email', 'set', '"a@example.com"'],
  ['password', 'set', `"${S}"`],
]
const bodies: [string, string][] = [
  ['PUT', '/users/:id'],
  ['POST', '/users'],
]

describe.each(bodies)('%s %s', (method, path) => {
  test.each(badFields)('%s: %s', async (field, _what, value) => {
    const other = field === 'reason' ? '' : ',"reason":"why not"'
    // What is right beside it is not done either.
    const also = field === 'phone' ? '"ban_duration":"24h"' : '"phone":"+8617000000001"'
    const body = `{"${field}":${value},${also}${other}}`
    expect(await told(method, path, body)).toEqual(refused(field))
  })

  test.each([
    ['user_metadata', '5,000 bytes', 'x'.repeat(5_000)],
    ['app_metadata', '5,000 bytes', 'x'.repeat(5_000)],
    ['user_metadata', '2,000 characters of three bytes', '电'.repeat(2_000)],
  ])('%s: %s', async (field, _what, a) => {
    const body = { [field]: { a }, phone: '+8617000000001' }
    expect(await told(method, path, body)).toEqual(refused('metadata would be larger than 4096 bytes'))
  })

  test.each([
    ['a list', '[]'],
    ['a text', `"${S}"`],
    ['null', 'null'],
    ['no JSON', `{${S}`],
    ['nothing but a bracket', '{'],
  ])('a body that is %s', async (_what, body) => {
    expect(await told(method, path, body)).toMatchObject({ status: 400, code: 'validation_failed' })
  })

  test.each(['text/plain', 'application/x-www-form-urlencoded', ''])(
    'a body of the type "%s"',
    async type => {
      const body = '{"user_metadata":{"a":1}}'
      expect(await told(method, path, body, type)).toMatchObject({ status: 415, code: 'validation_failed' })
    },
  )
})

test.each([
  ['an empty id', { id: '' }],
  ['no uuid', { id: S }],
  ['a number', { id: 1 }],
  ['the id of a user', () => ({ id: user.userId })],
  ['the id of a user, in capitals', () => ({ id: user.userId.toUpperCase() })],
])('POST /users: %s', async (_what, body) => {
  expect(await told('POST', '/users', typeof body === 'function' ? body() : body)).toEqual(refused('id'))
})

test('PUT /users/:id: another id', async () => {
  expect(await told('PUT', '/users/:id', { id: randomUUID() })).toEqual(refused('id'))
})

test.each([
  ['should_soft_delete', { should_soft_delete: 'true' }],
  ['should_soft_delete', { should_soft_delete: 1 }],
  ['should_soft_delete', { should_soft_delete: {} }],
  ['reason', { reason: '' }],
  ['reason', { should_soft_delete: true, reason: 7 }],
])('DELETE /users/:id: %s of %j', async (field, body) => {
  expect(await told('DELETE', '/users/:id', body)).toEqual(refused(field))
})

test('DELETE /users/:id: should_soft_delete in the query is not passed over', async () => {
  expect(await told('DELETE', '/users/:id?should_soft_delete=true')).toEqual(refused('should_soft_delete'))
})

test.each(['/users/:id/sessions', `/users/:id/sessions/${randomUUID()}`])(
  'DELETE %s: a bad reason',
  async path => {
    expect(await told('DELETE', path, { reason: ' ' })).toEqual(refused('reason'))
  },
)

test.each([
  'not-a-uuid',
  'undefined',
  'null',
  '0',
  '%00',
  '%20',
  '..%2f..',
  `${randomUUID()}%00`,
  `${randomUUID()}%0a`,
  randomUUID().replaceAll('-', ''),
  `{${randomUUID()}}`,
  `'%20or%201=1--`,
  'x'.repeat(5_000),
])('an id in the path: %s', async id => {
  for (const [method, path, body] of [
    ['GET', '', undefined],
    ['PUT', '', {}],
    ['DELETE', '', undefined],
    ['GET', '/sessions', undefined],
    ['DELETE', '/sessions', undefined],
    ['DELETE', `/sessions/${randomUUID()}`, undefined],
  ] as const) {
    expect(await told(method, `/users/${id}${path}`, body)).toEqual(refused('id'))
  }
  expect(await told('DELETE', `/users/:id/sessions/${id}`)).toEqual(refused('session_id'))
})

test('an id in the path that is no UTF-8', async () => {
  expect(await told('GET', '/users/%ff%fe')).toMatchObject({ status: 400, code: 'validation_failed' })
})

const badPages: [string, string][] = [
  ...['0', '-1', '1.5', '1e3', 'x', '%00', '%EF%BC%91', '01', '1000001', '999999999999', '%201', '1%20'].map(
    (value): [string, string] => ['page', `page=${value}`],
  ),
  ...['0', '-1', '10000', '1001', 'all', '5&per_page=5'].map((value): [string, string] => [
    'per_page',
    `per_page=${value}`,
  ]),
  ['page', 'page=1&page=2'],
]
test.each([
  ...badPages,
  ...[S, '', '0', 'null'].map((value): [string, string] => ['id', `id=${value}`]),
  ['id', `id=${NIL()}&id=${NIL()}`],
  ...['', S, '%2B', '+', '%2B86-138', '1234567890123456', '%2B%2B86138', '8613800138000%00', '%EF%BC%91'].map(
    (value): [string, string] => ['phone', `phone=${value}`],
  ),
  ['phone', 'phone=8613800138000&phone=8613900139000'],
  ['openid', 'openid='],
  ['openid', `openid=${S}%00`],
  ['openid', `openid=${S}&openid=${S}`],
  ['openid', `openid=${'x'.repeat(129)}`],
  ['filter', `filter=${S}&filter=${S}`],
  ['filter', `filter=${S}%00`],
  ['filter', `filter=${S}&openid=${S}`],
  ['filter', `filter=${S}&phone=8613800138000`],
  ['filter', `filter=${S}&id=${NIL()}`],
])('GET /users: %s of ?%s', async (field, query) => {
  expect(await told('GET', `/users?${query}`)).toEqual(refused(field))
})

test.each([
  ...badPages,
  ['user_id', `user_id=${S}`],
  ['user_id', `user_id=${NIL()}&user_id=${NIL()}`],
  ['action', 'action='],
  ['action', 'action=13800138000'],
  ['action', 'action=user_banned%00'],
  ['action', 'action=user_banned&action=user_banned'],
  ['action', `action=${'x'.repeat(129)}`],
])('GET /audit: %s of ?%s', async (field, query) => {
  expect(await told('GET', `/audit?${query}`)).toEqual(refused(field))
})

/** A uuid without digits that change from run to run. */
function NIL() {
  return '00000000-0000-0000-0000-000000000000'
}

describe('any reason', () => {
  const parts = fc.constantFrom(
    ...'+0123456789',
    '+86',
    '138',
    '0013',
    '８６',
    '＋',
    ' ',
    '-',
    '(',
    ')',
    '.',
    'a',
    '"',
    '\\',
  )
  const reason = fc
    .array(parts, { minLength: 1, maxLength: 60 })
    .map(list => list.join(''))
    .filter(text => /\S/.test(text))

  test('is kept, with no phone in it', async () => {
    await fc.assert(
      fc.asyncProperty(reason, async text => {
        const answer = await bench.admin('PUT', `/users/${user.userId}`, {
          user_metadata: { a: 1 },
          reason: text,
        })
        expect(answer.status).toBe(200)
        const { details } = (await auditOf(bench.db, user.userId)).at(-1)!
        expect(details.reason).not.toMatch(/\+\d{7}|\d{10}/)
      }),
      { numRuns: 30 * ROUNDS },
    )
    before = await everything(bench.db)
  })
})
