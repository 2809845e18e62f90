import { type SignedIn, signIn } from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { type RawHeaders, type RawRequest, sendRequest } from '../support/raw.ts'
import { refusalOf } from '../support/refusals.ts'
import { rowCounts } from '../support/rows.ts'
import { type Node, startNode, startSimulator, type TestSimulator } from '../support/service.ts'

// What clients put where a code, a refresh token, a scope or a grant type belongs, on both entrances.

let db: TestDatabase
let simulator: TestSimulator
let node: Node
let user: SignedIn
let before: object

beforeAll(async () => {
  db = await createDatabase()
  simulator = await startSimulator()
  node = await startNode({ db, wechatUrl: simulator.url })
  user = await signIn(node, simulator)
  before = await rowCounts(db)
})
afterAll(async () => {
  await node.close()
  await simulator.close()
  await db.drop()
})

/** Part of every text below; no answer may repeat it. */
const S = 's3cr3t'
const json: RawHeaders = [['content-type', 'application/json']]

async function told({ headers = [], ...request }: RawRequest) {
  const all: RawHeaders = [...headers, ['authorization', `Bearer ${user.accessToken}`]]
  const { status, code } = refusalOf(await sendRequest(node.url, { ...request, headers: all }), [
    S,
    user.refreshToken,
  ])
  return [status, code]
}
const post = (target: string, body: unknown) =>
  told({
    method: 'POST',
    target,
    headers: json,
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
const graphql = (query: string, variables: object) => post('/graphql', { query, variables })

/** Where one text is the whole input; what REST and GraphQL are asked for it. */
const fields = {
  'a code to sign in': {
    rest: (value: unknown) => post('/auth/v1/wechat_mini/login', { code: value }),
    query: (value: string) => `/auth/v1/wechat_mini/login?code=${value}`,
    graphql: (value: unknown) =>
      graphql('mutation ($v: String!) { wechatSignIn(input: { code: $v }) { query { id } } }', { v: value }),
  },
  'a code to bind': {
    rest: (value: unknown) => post('/auth/v1/wechat_mini/bind_phone', { code: value }),
    query: (value: string) => `/auth/v1/wechat_mini/bind_phone?code=${value}`,
    graphql: (value: unknown) =>
      graphql('mutation ($v: String!) { wechatBindPhone(input: { code: $v }) { query { id } } }', {
        v: value,
      }),
  },
  'a code to link': {
    rest: (value: unknown) => post('/auth/v1/wechat_mini/bind_account', { code: value }),
    query: (value: string) => `/auth/v1/wechat_mini/bind_account?code=${value}`,
    graphql: (value: unknown) =>
      graphql('mutation ($v: String!) { wechatBindAccount(input: { code: $v }) { query { id } } }', {
        v: value,
      }),
  },
  'a refresh token': {
    rest: (value: unknown) => post('/auth/v1/token?grant_type=refresh_token', { refresh_token: value }),
    query: undefined,
    graphql: (value: unknown) =>
      graphql('mutation ($v: String!) { refreshSession(input: { refreshToken: $v }) { query { id } } }', {
        v: value,
      }),
  },
}

const otherTypes: [string, unknown][] = [
  ['missing', undefined],
  ['null', null],
  ['a number', 13_800_138_000],
  ['zero', 0],
  ['a boolean', true],
  ['an object', { code: S }],
  ['an empty object', {}],
  ['an object with a prototype', JSON.parse(`{"__proto__":"${S}"}`)],
  ['a list', [S]],
  ['an empty list', []],
  ['a list in lists', [[[S]]]],
]
const oddTexts: [string, string][] = [
  ['NUL', `${S}\0`],
  ['a control character', `${S}\x07`],
  ['DEL', `${S}\x7f`],
  ['a tab', `${S}\t`],
  ['line ends', `${S}\r\nx-injected: yes`],
  ['Latin-1', `${S}é`],
  ['CJK', `${S}验证码`],
  ['full width', `${S}１２３`],
  ['emoji', `${S}😀`],
  ['a zero-width space', `${S}\u200b`],
  ['right to left', `\u202e${S}`],
  ['a byte order mark', `\ufeff${S}`],
  ['a lone surrogate', `${S}\ud800`],
  ['U+FFFF', `${S}\uffff`],
]
const longTexts: [string, string][] = [
  ['5,000 characters', S.repeat(834)],
  ['90,000 characters', S.repeat(15_000)],
]

describe.each(Object.entries(fields))('%s', (name, { rest, graphql, query }) => {
  test.each(otherTypes)('that is %s', async (_name, value) => {
    expect([await rest(value), await graphql(value)]).toEqual(Array(2).fill([400, 'validation_failed']))
  })

  test.each<[string, string]>([['empty', ''], ...longTexts])('that is %s', async (_name, value) => {
    const expected = [
      [400, 'validation_failed'],
      [200, 'validation_failed'],
    ]
    expect([await rest(value), await graphql(value)]).toEqual(expected)
  })

  test.each(oddTexts)('with %s', async (_name, value) => {
    const code = name === 'a refresh token' ? 'refresh_token_not_found' : 'validation_failed'
    expect([await rest(value), await graphql(value)]).toEqual([
      [400, code],
      [200, code],
    ])
    if (!query || /[\ud800\uffff]/.test(value)) return
    expect(await told({ target: query(encodeURIComponent(value)) })).toEqual([400, 'validation_failed'])
  })
})

const codes = fields['a code to bind']
test.each<[string, RawRequest]>([
  ['no parameter', { target: '/auth/v1/wechat_mini/bind_phone' }],
  ['no value', { target: '/auth/v1/wechat_mini/bind_phone?code' }],
  ['an empty value', { target: codes.query('') }],
  ['513 characters', { target: codes.query(S + 'x'.repeat(507)) }],
  ['8,000 characters', { target: codes.query(S + 'x'.repeat(8_000)) }],
  ['two values', { target: `${codes.query(S)}&code=${S}` }],
  ['the same value twice', { target: `${codes.query('a')}&code=a` }],
  ['two thousand values', { target: codes.query(Array(2_000).fill('a').join('&code=')) }],
  ['code[]', { target: `/auth/v1/wechat_mini/bind_phone?code[]=${S}` }],
  ['code[x]', { target: `/auth/v1/wechat_mini/bind_phone?code[x]=${S}` }],
  ['code[__proto__][x]', { target: `/auth/v1/wechat_mini/bind_phone?code[__proto__][x]=${S}` }],
  ['__proto__[code]', { target: `/auth/v1/wechat_mini/bind_phone?__proto__[code]=${S}` }],
  ['CODE', { target: `/auth/v1/wechat_mini/bind_phone?CODE=${S}` }],
  ['another name', { target: `/auth/v1/wechat_mini/bind_phone?js_code=${S}` }],
  ['a semicolon for an ampersand', { target: `/auth/v1/wechat_mini/bind_phone?a=b;code=${S}` }],
  ['behind a hash', { target: `/auth/v1/wechat_mini/bind_phone#?code=${S}` }],
  ['%00', { target: codes.query(`${S}%00`) }],
  ['%0d%0a', { target: codes.query(`${S}%0d%0ax-injected:%20yes`) }],
  ['bytes that are no UTF-8', { target: codes.query(`${S}%ff%fe`) }],
  ['half a character', { target: codes.query(`${S}%e9%aa`) }],
  [
    'of GET in the body',
    { target: '/auth/v1/wechat_mini/bind_phone', headers: json, body: `{"code":"${S}"}` },
  ],
  ['of POST in the query', { method: 'POST', target: codes.query(S), headers: json, body: '{}' }],
  ['of POST in the query, without a body', { method: 'POST', target: codes.query(S) }],
  ['in a header', { target: '/auth/v1/wechat_mini/bind_phone', headers: [['code', S]] }],
  ['in the path', { target: `/auth/v1/wechat_mini/bind_phone;code=${S}?x` }],
])('a code in a query: %s', async (name, request) => {
  expect(await told(request)).toEqual([name === 'in the path' ? 404 : 400, 'validation_failed'])
})

test.each<[string, string]>([
  ['no JSON object', `"${S}"`],
  ['twice, the last one wrong', `{"code":"${S}","code":7}`],
  ['in __proto__', `{"__proto__":{"code":"${S}"}}`],
  ['in constructor', `{"constructor":{"prototype":{"code":"${S}"}}}`],
  ['in a list', `[{"code":"${S}"}]`],
  ['one level down', `{"input":{"code":"${S}"}}`],
  ['under CODE', `{"CODE":"${S}"}`],
  ['under a name with NUL', `{"code\\u0000":"${S}"}`],
  ['40,000 lists down', `{"code":${'['.repeat(40_000)}${']'.repeat(40_000)}}`],
])('a code in a body: %s', async (_name, body) => {
  expect(await post('/auth/v1/wechat_mini/bind_phone', body)).toEqual([400, 'validation_failed'])
})

test.each([
  ['missing', ''],
  ['empty', '?grant_type='],
  ['password', '?grant_type=password'],
  ['authorization_code', `?grant_type=authorization_code&code=${S}`],
  ['in capitals', '?grant_type=REFRESH_TOKEN'],
  ['with a space', '?grant_type=refresh_token%20'],
  ['with NUL', '?grant_type=refresh_token%00'],
  ['twice', '?grant_type=refresh_token&grant_type=refresh_token'],
  ['a list', '?grant_type[]=refresh_token'],
  ['an object', '?grant_type[x]=refresh_token'],
])('a grant type that is %s', async (_name, query) => {
  const body = { grant_type: 'refresh_token', refresh_token: user.refreshToken }
  expect(await post(`/auth/v1/token${query}`, body)).toEqual([400, 'validation_failed'])
})

test('a refresh token in the query, or by GET, is none', async () => {
  const target = `/auth/v1/token?grant_type=refresh_token&refresh_token=${user.refreshToken}`
  expect(await post(target, {})).toEqual([400, 'validation_failed'])
  expect(await told({ target })).toEqual([405, 'validation_failed'])
})

test.each<[string, unknown, string]>([
  ['empty', '', '?scope='],
  ['unknown', S, `?scope=${S}`],
  ['in capitals', 'GLOBAL', '?scope=GLOBAL'],
  ['with a space', 'global ', '?scope=global%20'],
  ['with NUL', 'global\0', '?scope=global%00'],
  ['CJK', '全部', '?scope=%E5%85%A8%E9%83%A8'],
  ['of a prototype', '__proto__', '?scope=__proto__'],
  ['5,000 characters', S.repeat(834), `?scope=${S.repeat(834)}`],
])('a scope that is %s', async (_name, scope, query) => {
  const signOut = 'mutation ($scope: String) { signOut(input: { scope: $scope }) { query { id } } }'
  expect(await told({ method: 'POST', target: `/auth/v1/logout${query}` })).toEqual([
    400,
    'validation_failed',
  ])
  expect(await graphql(signOut, { scope })).toEqual([200, 'validation_failed'])
})

test.each<[string, unknown, string]>([
  ['a list', ['global'], '?scope=global&scope=local'],
  ['a number', 7, '?scope=7'],
  ['an object', { scope: 'global' }, '?scope=[object%20Object]'],
  ['a boolean', true, '?scope=true'],
])('a scope that is %s', async (_name, scope, query) => {
  const signOut = 'mutation ($scope: String) { signOut(input: { scope: $scope }) { query { id } } }'
  expect(await told({ method: 'POST', target: `/auth/v1/logout${query}` })).toEqual([
    400,
    'validation_failed',
  ])
  expect(await graphql(signOut, { scope })).toEqual([400, 'validation_failed'])
})

test('none of it wrote anything, asked WeChat, or changed what every object has', async () => {
  expect(await rowCounts(db)).toEqual(before)
  expect(simulator.callCounts).toMatchObject({ jscode2session: 1, getuserphonenumber: 0 })
  expect(Object.keys(Object.prototype)).toEqual([])
  expect(({} as { code?: unknown }).code).toBeUndefined()
})

test.each<[string, string]>([
  ['%20, which was a plus', 'a%20b'],
  ['one character', '~'],
  ['512 characters', 'x'.repeat(512)],
  ['signs', encodeURIComponent('!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~')],
  ['SQL', encodeURIComponent("';drop/**/table/**/auth.users;--")],
  ['a path', '../../etc/passwd'],
  ['a template', '$%7B7*7}{{7*7}}'],
  ['a percent sign that stands alone', '100%'],
])('what may be a code is for WeChat to judge: %s', async (_name, text) => {
  expect(await told({ target: fields['a code to sign in'].query(text) })).toEqual([
    400,
    'wechat_code_invalid',
  ])
})
