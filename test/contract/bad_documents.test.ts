import { freshOpenid, loginCode } from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { type RawHeaders, sendRequest } from '../support/raw.ts'
import { refusalOf } from '../support/refusals.ts'
import { type Node, startNode, startSimulator, type TestSimulator } from '../support/service.ts'

// GraphQL documents, and the JSON around them, that are wrong, hostile or odd.

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

const SECRET = 's3cr3t-code'

const send = (body: unknown, headers: RawHeaders = []) =>
  sendRequest(node.url, {
    method: 'POST',
    target: '/graphql',
    headers: [['content-type', 'application/json'], ...headers],
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })

const many = (n: number, text: (index: number) => string) =>
  Array.from({ length: n }, (_, i) => text(i)).join(' ')
const signIn = (input: string) => `mutation { wechatSignIn(input: ${input}) { clientMutationId } }`
const nest = (n: number, open: string, inside: string, close: string) =>
  `${open.repeat(n)}${inside}${close.repeat(n)}`
const fragments = (n: number, body: (next: string) => string) =>
  `{ ...F0 } ${many(n, i => `fragment F${i} on Query { ${body(`...F${i + 1}`)} }`)} fragment F${n} on Query { __typename }`

const refused = { status: 400, code: 'validation_failed' }

describe('a document that is refused: 400, validation_failed, and nothing of it repeated', () => {
  test.each<[string, string]>([
    ['empty', ''],
    ['blank', ' '.repeat(90_000)],
    ['a comment', `# ${'x'.repeat(90_000)}`],
    ['cut', '{ __typename'],
    ['cut in a string', `mutation { wechatSignIn(input: { code: "${SECRET}`],
    ['a string where a name should be', `mutation { wechatSignIn "${SECRET}" }`],
    [
      'a name where a colon should be',
      `mutation { wechatSignIn(input: { code ${SECRET.replace('-', '_')} }) }`,
    ],
    ['a block string at an odd place', `mutation { wechatSignIn(input: { code: "x" } """${SECRET}""") }`],
    ['a number at an odd place', `{ 1234567${SECRET} }`],
    ['an escape that is none', signIn(`{ code: "${SECRET}\\q" }`)],
    ['NUL in it', signIn('{ code: \0 }')],
    ['a lone surrogate in it', '{ \ud800 }'],
    ['an unknown field', '{ nonsense }'],
    ['an unknown mutation', 'mutation { wechatUnbindEverybody { x } }'],
    ['a field of our tables', '{ allUsers { nodes { phone } } }'],
    ['a hidden column', '{ currentUser { phoneRaw } }'],
    ['an unknown argument', `{ currentUser(id: "${SECRET}") { id } }`],
    ['a missing argument', 'mutation { wechatSignIn { clientMutationId } }'],
    ['a missing field of the input', signIn('{}')],
    ['an unknown field of the input', signIn(`{ code: "x", phone: "${SECRET}" }`)],
    ['an input that is a string', signIn(`"${SECRET}"`)],
    ['an input that is a list', signIn(`[{ code: "${SECRET}" }, 7]`)],
    ['an input that is null', signIn('null')],
    ['a code that is null', signIn('{ code: null }')],
    ['a code that is a number', signIn('{ code: 13800138000 }')],
    ['a code that is a boolean', signIn('{ code: true }')],
    ['a code that is a name', signIn(`{ code: ${SECRET.replace('-', '_')} }`)],
    ['a code that is an object', signIn(`{ code: { a: "${SECRET}" } }`)],
    ['a code that is a list', signIn(`{ code: ["${SECRET}"] }`)],
    ['a code that is given twice', signIn(`{ code: "${SECRET}", code: "${SECRET}" }`)],
    ['a default of another type', `query ($c: String = [{ a: "${SECRET}" }]) { __typename @skip(if: $c) }`],
    ['a variable that is not declared', signIn('{ code: $code }')],
    ['a variable that is declared twice', `query ($c: String, $c: String) { __typename }`],
    ['a variable of an unknown type', 'query ($c: Secret) { __typename }'],
    [
      'a variable that may be null',
      `mutation ($c: String) { wechatSignIn(input: { code: $c }) { query { id } } }`,
    ],
    ['no fields of an object', 'mutation { signOut(input: {}) }'],
    ['fields of a scalar', '{ currentUser { id { x } } }'],
    ['an unknown directive', '{ __typename @nonsense }'],
    ['40,000 unknown directives', `{ __typename ${'@a'.repeat(40_000)} }`],
    ['5,000 known directives', `{ __typename ${'@skip(if:false)'.repeat(5_000)} }`],
    ['@defer', '{ ... @defer { __typename } }'],
    ['@stream', '{ __typename @stream }'],
    ['a subscription', 'subscription { x }'],
    ['a definition of a type', 'type A { b: Int }'],
    ['an unknown fragment', '{ ...Nothing }'],
    ['a fragment of an unknown type', '{ ...A } fragment A on Nothing { x }'],
    ['a fragment that is not used', '{ __typename } fragment A on Query { __typename }'],
    ['a fragment in itself', '{ ...A } fragment A on Query { ...A }'],
    ['a fragment in itself below', '{ ...A } fragment A on Query { query { ...A } }'],
    ['fragments in a circle', '{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }'],
    ['30 fragments, each twice the next', fragments(30, next => `${next} ${next}`)],
    [
      '30 fragments, each twice the next, below',
      fragments(30, next => `query { ${next} } id query { ${next} }`),
    ],
    [
      '30 fragments, each twice the next, with aliases',
      fragments(30, next => `a: query { ${next} } b: query { ${next} }`),
    ],
    ['500 fragments, one in the other', fragments(500, next => `query { ${next} }`)],
    ['2,500 fragments', `{ __typename } ${many(2_500, i => `fragment F${i} on Query { id }`)}`],
    ['depth 17', nest(17, '{ query ', '{ __typename }', '}')],
    ['depth 50', nest(50, '{ query ', '{ __typename }', '}')],
    ['depth 9,000', nest(9_000, '{ query ', '{ __typename }', '}')],
    ['15,000 inline fragments, one in the other', nest(15_000, '{ ...', '{ __typename }', '}')],
    ['a list in a list, 40,000 times', signIn(`{ code: ${nest(40_000, '[', '', ']')} }`)],
    ['90,000 lists without an end', `mutation { wechatSignIn(input: ${'['.repeat(90_000)}`],
    ['an object in an object, 20,000 times', signIn(nest(20_000, '{a:', '1', '}'))],
    ['a type of lists, 40,000 times', `query ($a: ${nest(40_000, '[', 'Int', ']')}) { __typename }`],
    ['101 aliases', `{ ${many(101, i => `a${i}: __typename`)} }`],
    ['1,000 aliases', `{ ${many(1_000, i => `a${i}: __typename`)} }`],
    [
      '1,000 aliased mutations',
      `mutation { ${many(1_000, i => `a${i}: signOut(input: {}) { query { id } }`)} }`,
    ],
    ['1,000 times the same mutation', `mutation { ${'signOut(input: {}) { query { id } } '.repeat(1_000)} }`],
    ['30,000 times the same field', `{ ${'id '.repeat(30_000)} }`],
    ['7,000 times the same field with fields', `{ ${'query { id } '.repeat(7_000)} }`],
    ['10,000 unknown fields', `{ ${many(10_000, i => `f${i}`)} }`],
    ['5,000 variables', `query (${many(5_000, i => `$v${i}: Int`)}) { __typename }`],
    ['3,000 operations', many(3_000, i => `query Q${i} { __typename }`)],
    ['a name of 90,000 letters', `{ ${'x'.repeat(90_000)} }`],
    ['introspection in circles', `{ __schema { types ${nest(6, '{ fields { type ', '{ name }', '} }')} } }`],
  ])('%s', async (_name, query) => {
    const answer = await send({ query })
    expect(refusalOf(answer, [SECRET, SECRET.replace('-', '_'), '13800138000'])).toEqual(refused)
    expect(answer.body.data).toBeUndefined()
  })
})

describe('JSON around a document', () => {
  const query = '{ __typename }'
  test.each<[string, unknown]>([
    ['no query', {}],
    ...[7, true, null, [], ['{ __typename }'], {}].map((q): [string, unknown] => [
      `query ${JSON.stringify(q)}`,
      { query: q },
    ]),
    ...['x', '{"a":1}', [], [1], 7, true].map((variables): [string, unknown] => [
      `variables ${JSON.stringify(variables)}`,
      { query, variables },
    ]),
    ...[7, true, [], {}, '', 'Nothing', '__proto__'].map((operationName): [string, unknown] => [
      `operationName ${JSON.stringify(operationName)}`,
      { query, operationName },
    ]),
    ...['x', 7, []].map((extensions): [string, unknown] => [
      `extensions ${JSON.stringify(extensions)}`,
      { query, extensions },
    ]),
    ['a persisted query', { extensions: { persistedQuery: { version: 1, sha256Hash: 'a'.repeat(64) } } }],
    ['a query by its id', { id: 'x' }],
    ['a document by its id', { documentId: 'x' }],
    ['an odd onError', { query, onError: SECRET }],
    ['a batch', [{ query }]],
    ['a batch of nothing', []],
    ['a batch in query', { query: [{ query }] }],
    ['query twice, the last one wrong', `{"query":"${query}","query":"{ nonsense }"}`],
    ['query in __proto__', `{"__proto__":{"query":"${query}"}}`],
    ['two operations and no name', { query: 'query A { __typename } query B { __typename }' }],
  ])('%s: refused', async (_name, body) => {
    expect(refusalOf(await send(body), [SECRET])).toEqual(refused)
  })

  const withCode = 'mutation ($c: String!) { wechatSignIn(input: { code: $c }) { clientMutationId } }'
  const withInput = 'mutation ($i: WechatSignInInput!) { wechatSignIn(input: $i) { clientMutationId } }'
  test.each<[string, object | string]>([
    ['no variables', { query: withCode }],
    ...[null, 7, true, { a: SECRET }, [SECRET], [[SECRET]]].map((c): [string, object] => [
      `a code ${JSON.stringify(c)}`,
      { query: withCode, variables: { c } },
    ]),
    ...[null, SECRET, 7, [SECRET], {}, { code: [SECRET] }, { code: SECRET, [SECRET]: 1 }].map(
      (i): [string, object] => [`an input ${JSON.stringify(i)}`, { query: withInput, variables: { i } }],
    ),
    [
      'an input in __proto__',
      `{"query":"${withInput}","variables":{"i":{"__proto__":{"code":"${SECRET}"}}}}`,
    ],
    [
      'variables in __proto__',
      `{"query":"${withInput}","variables":{"__proto__":{"i":{"code":"${SECRET}"}}}}`,
    ],
    ['a code 40,000 lists deep', `{"query":"${withCode}","variables":{"c":${nest(40_000, '[', '', ']')}}}`],
    [
      'an input 15,000 objects deep',
      `{"query":"${withInput}","variables":{"i":${nest(15_000, '{"a":', '1', '}')}}}`,
    ],
  ])('%s: refused', async (_name, body) => {
    expect(refusalOf(await send(body), [SECRET])).toEqual(refused)
  })
})

test.each<[string, string | undefined]>([
  ['missing', undefined],
  ['empty', ''],
  ['nonsense', 'nonsense'],
  ['full of semicolons', ';;;'],
  ['cut', 'application/'],
  ['of pictures', 'image/png'],
  ['of pages', 'text/html'],
  ['of pages first, as browsers send it', 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8'],
  ['with an odd weight', 'application/json;q=many'],
  ['with a quote that does not end', 'application/json;a="'],
  ['of 8 KB', 'a/b,'.repeat(2_000)],
])('an Accept that is %s is no reason to fail', async (_name, accept) => {
  const answer = await send({ query: '{ __typename }' }, accept === undefined ? [] : [['accept', accept]])
  expect([answer.status, answer.body]).toEqual([200, { data: { __typename: 'Query' } }])
})

test('what stays below the limits runs: GraphiQL asks for the whole schema, and 50 fields for themselves', async () => {
  const { getIntrospectionQuery } = await import('graphql')
  const query = getIntrospectionQuery({ inputValueDeprecation: true, specifiedByUrl: true })
  expect((await send({ query })).body.data.__schema.types.length).toBeGreaterThan(20)
  const fields = many(50, i => `a${i}: currentUser { id phone createdAt updatedAt }`)
  expect((await send({ query: `{ ${fields} }` })).body.errors).toBeUndefined()
  expect((await send({ query: fragments(8, next => `${next} ${next}`) })).body).toEqual({
    data: { __typename: 'Query' },
  })
})

test('nothing came of any of it', async () => {
  expect(simulator.callCounts.jscode2session).toBe(0)
  expect(
    await db.row('select (select count(*) from auth.users) + (select count(*) from auth.sessions) as n'),
  ).toEqual({ n: '0' })
  expect(({} as { code?: unknown; query?: unknown }).code).toBeUndefined()
  const { body } = await send({ query: signIn(`{ code: "${await loginCode(simulator, freshOpenid())}" }`) })
  expect(body).toEqual({ data: { wechatSignIn: { clientMutationId: null } } })
})
