import { graphql, post, send, signIn } from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { type Node, startNode, startSimulator, type TestSimulator } from '../support/service.ts'

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

const aliases = (n: number, field: string) =>
  `{ ${Array.from({ length: n }, (_, i) => `a${i}: ${field}`).join(' ')} }`
const deep = (n: number) => `${'{ query '.repeat(n)}{ __typename }${' }'.repeat(n)}`

describe('a request that is refused as a whole gets 400 and validation_failed', () => {
  test.each<[string, object]>([
    ['a syntax error', { query: '{ nons' }],
    ['an unknown field', { query: '{ nonsense }' }],
    ['a missing query', {}],
    ['a batch', [{ query: '{ __typename }' }]],
    ['an operation that is not there', { query: 'query A { __typename }', operationName: 'B' }],
    ['two operations without a name', { query: 'query A { __typename } query B { __typename }' }],
    ['a subscription', { query: 'subscription { x }' }],
    ['depth 50', { query: deep(50) }],
    ['1,000 aliases', { query: aliases(1_000, '__typename') }],
    ['101 aliased operations', { query: aliases(101, 'currentUser { id }') }],
    [
      'a variable of another type',
      { query: 'query ($id: ID!) { node(id: $id) { id } }', variables: { id: { a: 1 } } },
    ],
  ])('%s', async (_case, body) => {
    const answer = await post(`${node.url}/graphql`, body)
    expect(answer).toMatchObject({
      status: 400,
      body: { errors: [{ extensions: { code: 'validation_failed' } }] },
    })
    expect(answer.body.data).toBeUndefined()
    expect(answer.headers.get('cache-control')).toBe('no-store')
  })
})

test.each<[string, RequestInit, number]>([
  ['GET', { method: 'GET' }, 405],
  [
    'another type of content',
    { method: 'POST', body: 'query={__typename}', headers: { 'content-type': 'text/plain' } },
    415,
  ],
  [
    'JSON that does not parse',
    { method: 'POST', body: '{', headers: { 'content-type': 'application/json' } },
    400,
  ],
  [
    '2 MiB',
    {
      method: 'POST',
      body: JSON.stringify({ query: ' '.repeat(2 << 20) }),
      headers: { 'content-type': 'application/json' },
    },
    413,
  ],
])('%s is refused by its status', async (_case, init, status) => {
  const { query } = { query: init.method === 'GET' ? '?query={__typename}' : '' }
  expect(await send(`${node.url}/graphql${query}`, init)).toMatchObject({
    status,
    body: { errors: [{ extensions: { code: 'validation_failed' } }] },
  })
})

test('a wrong variable is named, and its value is not', async () => {
  const { body } = await graphql(
    node,
    'mutation ($c: String!) { wechatSignIn(input: { code: $c }) { clientMutationId } }',
    {
      c: { secret: 'a-code-in-an-object' },
    },
  )
  expect(body.errors[0].message).toBe('Variable "$c" is not of its type')
})

test('50 aliased operations run, each as one of its own', async () => {
  const user = await signIn(node, simulator)
  const { status, body } = await graphql(node, aliases(50, 'currentUser { id }'), {}, user.accessToken)
  expect(status).toBe(200)
  expect(Object.values(body.data)).toEqual(Array(50).fill({ id: user.userId }))
})

test('only our operations and the type User of our schemas are in the schema', async () => {
  const { body } = await graphql(
    node,
    '{ __schema { queryType { fields { name } } mutationType { fields { name } } types { name } } }',
  )
  const names = (type: { fields: { name: string }[] }) => type.fields.map(({ name }) => name).sort()
  expect(names(body.data.__schema.mutationType)).toEqual([
    'refreshSession',
    'signOut',
    'wechatBindPhone',
    'wechatSignIn',
  ])
  expect(names(body.data.__schema.queryType)).toEqual(['currentUser', 'id', 'node', 'query'])
  const types = body.data.__schema.types.map(({ name }: { name: string }) => name)
  expect(
    types.filter((name: string) => /Identit|Audit|Migration|Event|Token$|WechatCode/.test(name)),
  ).toEqual([])
})

test('the IDE is served from here: no page of it names another host', async () => {
  const { body } = await send(`${node.url}/graphiql`)
  expect(body).toContain('<!DOCTYPE html>')
  expect(body.match(/(?:src|href)=["']?(?:https?:)?\/\//g)).toBeNull()
})
