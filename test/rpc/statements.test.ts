import type pg from 'pg'
import {
  type Answer,
  freshOpenid,
  freshPhone,
  graphql,
  loginCode,
  phoneCode,
  type SignedIn,
  send,
  signIn,
} from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { type Node, startNode, startSimulator, type TestSimulator } from '../support/service.ts'

// Which statements each operation sends, by either entrance: what it needs, and not one more.

let db: TestDatabase
let simulator: TestSimulator
let node: Node
let limited: Node

beforeAll(async () => {
  db = await createDatabase()
  simulator = await startSimulator()
  const env = { ACCOUNT_DELETION: 'on' }
  node = await startNode({ db, wechatUrl: simulator.url, env })
  limited = await startNode({ db, wechatUrl: simulator.url, env: { ...env, RATE_LIMITS: 'on' } })
  // From then on each has WeChat's access token in its memory.
  for (const at of [node, limited]) await operations.bind!.REST(at, await signIn(node, simulator))
})
afterAll(async () => {
  await node.close()
  await limited.close()
  await simulator.close()
  await db.drop()
})

/** The names of the statements that a node sends meanwhile; of what PostGraphile writes itself, the first word. */
async function statementsOf(at: Node, work: () => Promise<Answer>) {
  const names: string[] = []
  const watched = new Map<pg.PoolClient, pg.PoolClient['query']>()
  const watch = (client: pg.PoolClient) => {
    if (watched.has(client)) return
    const { query } = client
    watched.set(client, query)
    const recording = (...args: unknown[]) => {
      const [asked] = args as [string | { name?: string; text: string }]
      const { name, text } = typeof asked === 'string' ? { name: undefined, text: asked } : asked
      // What was counted is written down by its own clock, and belongs to no operation.
      if (name !== 'wechat_count_calls') names.push(name ?? text.trim().split(/\s/)[0]!)
      return Reflect.apply(query, client, args)
    }
    client.query = recording as typeof query
  }
  const { pool } = at.services.db
  pool.on('acquire', watch)
  try {
    const { status, body } = await work()
    expect([status, body.errors]).toEqual([status < 300 ? status : 'a success', undefined])
  } finally {
    pool.off('acquire', watch)
    for (const [client, query] of watched) client.query = query
  }
  return names
}

type Entrance = (at: Node, user: SignedIn) => Promise<Answer>

const rest = (at: Node, { accessToken }: SignedIn, method: string, path: string, body?: object) =>
  send(`${at.url}/auth/v1${path}`, {
    method,
    token: accessToken,
    ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  })
const ask = (at: Node, { accessToken }: SignedIn, query: string, variables: object = {}) =>
  graphql(at, query, variables, accessToken)
const mutation = (name: string, type: string, field: string, values: string) =>
  `mutation ($v: ${type}) { ${name}(input: { ${field}: $v }) { ${values} } }`

const login = (openid: string, appid?: string) => loginCode(simulator, openid, appid ? { appid } : {})
const identityOf = async ({ userId }: SignedIn) => {
  const { id } = await db.row<{ id: string }>(
    `insert into auth.identities (user_id, appid, provider_id) values ($1, 'wx' || left(md5($2), 16), $2) returning id`,
    [userId, freshOpenid()],
  )
  return id
}

const operations: Record<string, { REST: Entrance; GraphQL: Entrance; statements: string[] }> = {
  'sign in': {
    REST: async (at, user) =>
      rest(at, user, 'POST', '/wechat_mini/login', { code: await login(freshOpenid()) }),
    GraphQL: async (at, user) =>
      ask(at, user, mutation('wechatSignIn', 'String!', 'code', 'session { expiresIn }'), {
        v: await login(freshOpenid()),
      }),
    // Needs no user; a dead token is refused all the same.
    statements: ['get_user', 'wechat_sign_in'],
  },
  bind: {
    REST: async (at, user) =>
      rest(at, user, 'POST', '/wechat_mini/bind_phone', { code: await phoneCode(simulator, freshPhone()) }),
    GraphQL: async (at, user) =>
      ask(at, user, mutation('wechatBindPhone', 'String!', 'code', 'user { id }'), {
        v: await phoneCode(simulator, freshPhone()),
      }),
    statements: ['wechat_claim_code', 'wechat_bind_phone'],
  },
  unbind: {
    REST: (at, user) => rest(at, user, 'POST', '/wechat_mini/unbind_phone'),
    GraphQL: (at, user) => ask(at, user, 'mutation { wechatUnbindPhone(input: {}) { user { id } } }'),
    statements: ['wechat_unbind_phone'],
  },
  link: {
    REST: async (at, user) =>
      rest(at, user, 'POST', '/wechat_mini/bind_account', { code: await login(user.openid) }),
    GraphQL: async (at, user) =>
      ask(at, user, mutation('wechatBindAccount', 'String!', 'code', 'user { id }'), {
        v: await login(user.openid),
      }),
    statements: ['get_user', 'wechat_bind_account'],
  },
  'mini program code': {
    REST: (at, user) => rest(at, user, 'POST', '/wechat_mini/unlimited_qrcode', { scene: 'a' }),
    GraphQL: (at, user) =>
      ask(at, user, 'mutation { wechatUnlimitedQrcode(input: { scene: "a" }) { clientMutationId } }'),
    statements: ['get_user'],
  },
  refresh: {
    REST: (at, user) =>
      rest(at, user, 'POST', '/token?grant_type=refresh_token', { refresh_token: user.refreshToken }),
    GraphQL: (at, user) =>
      ask(at, user, mutation('refreshSession', 'String!', 'refreshToken', 'session { expiresIn }'), {
        v: user.refreshToken,
      }),
    statements: ['get_user', 'refresh_session'],
  },
  update: {
    REST: (at, user) => rest(at, user, 'PUT', '/user', { data: { a: 1 } }),
    GraphQL: (at, user) =>
      ask(at, user, 'mutation { updateCurrentUser(input: { userMetadata: { a: 1 } }) { user { id } } }'),
    statements: ['update_user'],
  },
  unlink: {
    REST: async (at, user) => rest(at, user, 'DELETE', `/user/identities/${await identityOf(user)}`),
    GraphQL: async (at, user) =>
      ask(at, user, mutation('unlinkIdentity', 'UUID!', 'identityId', 'user { id }'), {
        v: await identityOf(user),
      }),
    statements: ['unlink_identity'],
  },
  user: {
    REST: (at, user) => rest(at, user, 'GET', '/user'),
    GraphQL: (at, user) => ask(at, user, '{ currentUser { id } }'),
    statements: ['get_user'],
  },
  'sign out': {
    REST: (at, user) => rest(at, user, 'POST', '/logout'),
    GraphQL: (at, user) => ask(at, user, 'mutation { signOut(input: {}) { clientMutationId } }'),
    statements: ['sign_out'],
  },
  delete: {
    REST: (at, user) => rest(at, user, 'DELETE', '/user'),
    GraphQL: (at, user) => ask(at, user, 'mutation { deleteCurrentUser(input: {}) { clientMutationId } }'),
    statements: ['delete_user'],
  },
}

describe.each(Object.entries(operations))('%s', (name, { statements, ...entrances }) => {
  test.each(Object.entries(entrances))('by %s', async (_entrance, send) => {
    const user = await signIn(node, simulator)
    expect(await statementsOf(node, () => send(node, user))).toEqual(statements)
  })

  test('with rate limits, which look for the session before they count on its user', async () => {
    const user = await signIn(node, simulator)
    const sent = await statementsOf(limited, () => entrances.REST(limited, user))
    const looks = name === 'user' || statements[0] === 'get_user' ? [] : ['get_user']
    expect(sent.filter(statement => statement !== 'count_operations')).toEqual([
      ...looks,
      ...(name === 'link' ? ['get_user'] : []),
      ...statements,
    ])
    expect(sent).toContain('count_operations')
  })
})

test.each([
  ['without a token nobody is looked for', undefined, ['wechat_sign_in']],
  ['nor with the anon key', 'anon' as const, ['wechat_sign_in']],
])('signing in: %s', async (_what, key, expected) => {
  const code = await login(freshOpenid())
  const token = key && node.services.apiKeys[key]
  const body = JSON.stringify({ code })
  const headers = { 'content-type': 'application/json' }
  const work = () => send(`${node.url}/auth/v1/wechat_mini/login`, { method: 'POST', token, body, headers })
  expect(await statementsOf(node, work)).toEqual(expected)
})

test('refreshing with the anon key, as clients do, is one statement', async () => {
  const { refreshToken } = await signIn(node, simulator)
  const asClients = { accessToken: node.services.apiKeys.anon, refreshToken } as SignedIn
  const work = () => operations.refresh!.REST(node, asClients)
  expect(await statementsOf(node, work)).toEqual(['refresh_session'])
})

test('a document in which nothing asks for the user looks for his session once', async () => {
  const user = await signIn(node, simulator)
  expect(await statementsOf(node, () => ask(node, user, '{ __typename }'))).toEqual(['get_user'])
})

test('a document with two operations has their statements, and no other', async () => {
  const user = await signIn(node, simulator)
  const two = `mutation {
    a: updateCurrentUser(input: { userMetadata: { a: 1 } }) { user { id } }
    b: updateCurrentUser(input: { userMetadata: { b: 1 } }) { user { id } }
  }`
  expect(await statementsOf(node, () => ask(node, user, two))).toEqual(['update_user', 'update_user'])
})
