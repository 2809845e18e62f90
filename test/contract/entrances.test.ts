import { readFileSync } from 'node:fs'
import { buildSchema } from 'graphql'
import { authRouter } from '../../src/index.ts'
import { adminRoutes } from '../../src/rest/admin_routes.ts'
import { publicRoutes } from '../../src/rest/public_routes.ts'
import { rpcs } from '../../src/rpc/index.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { type Node, startNode, startSimulator, type TestSimulator } from '../support/service.ts'

// What an application does by REST it can do by GraphQL, and the other way round.

/** Each route of the application, and the field that does the same. */
const fields: Record<string, string> = {
  'GET /wechat_mini/login': 'Mutation.wechatSignIn',
  'POST /wechat_mini/login': 'Mutation.wechatSignIn',
  'GET /wechat_mini/bind_phone': 'Mutation.wechatBindPhone',
  'POST /wechat_mini/bind_phone': 'Mutation.wechatBindPhone',
  'POST /wechat_mini/unbind_phone': 'Mutation.wechatUnbindPhone',
  'GET /wechat_mini/bind_account': 'Mutation.wechatBindAccount',
  'POST /wechat_mini/bind_account': 'Mutation.wechatBindAccount',
  'POST /wechat_mini/unlimited_qrcode': 'Mutation.wechatUnlimitedQrcode',
  'POST /token': 'Mutation.refreshSession',
  'POST /logout': 'Mutation.signOut',
  'GET /user': 'Query.currentUser',
  'PUT /user': 'Mutation.updateCurrentUser',
  'DELETE /user': 'Mutation.deleteCurrentUser',
  'DELETE /user/identities/:identity_id': 'Mutation.unlinkIdentity',
}

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

test('every route of an application has a field in GraphQL', () => {
  const others = [...adminRoutes(node.services), ...publicRoutes(node.services)].map(({ path }) => path)
  const routes = authRouter(node.services).stack.flatMap(({ route }) =>
    route && !others.includes(route.path) && !route.path.startsWith('/{')
      ? Object.keys((route as never as { methods: object }).methods)
          .filter(method => method !== '_all')
          .map(method => `${method.toUpperCase()} ${route.path}`)
      : [],
  )
  expect(routes.sort()).toEqual(Object.keys(fields).sort())
})

test('every operation of GraphQL has a route', () => {
  const schema = buildSchema(readFileSync(new URL('../../generated/schema.graphql', import.meta.url), 'utf8'))
  const inGraphql = [
    ...Object.keys(schema.getMutationType()!.getFields()).map(name => `Mutation.${name}`),
    'Query.currentUser',
  ]
  expect([...new Set(Object.values(fields))].sort()).toEqual(inGraphql.sort())
  expect(rpcs.map(({ name }) => `Mutation.${name}`)).toEqual(expect.arrayContaining(inGraphql.slice(0, -1)))
})
