import { graphql, post, type SignedIn, send, signIn } from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { type Node, startNode, startSimulator, type TestSimulator } from '../support/service.ts'

// What somebody is told whose input is wrong: the field as his entrance spells it, and what is wrong with it.

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

const CODE = 'code is not a code: 1 to 512 visible ASCII characters'

test.each<[path: string, body: object, message: string]>([
  ['/wechat_mini/login', {}, 'code is missing'],
  ['/wechat_mini/login', { code: 7 }, 'code is not a string'],
  ['/wechat_mini/login', { code: null }, 'code is not a string'],
  ['/wechat_mini/login', { code: '' }, CODE],
  ['/wechat_mini/bind_phone', {}, 'code is missing'],
  ['/wechat_mini/bind_phone', { code: 'a b' }, CODE],
  ['/wechat_mini/bind_account', { code: ['a'] }, 'code is not a string'],
  ['/wechat_mini/bind_account', { code: 'é' }, CODE],
  ['/token?grant_type=refresh_token', {}, 'refresh_token is missing'],
  ['/token?grant_type=refresh_token', { refresh_token: 7 }, 'refresh_token is not a string'],
  ['/token?grant_type=refresh_token', { refresh_token: '' }, 'refresh_token is empty'],
  ['/token?grant_type=refresh_token', { refresh_token: 'x'.repeat(1025) }, 'refresh_token is too long'],
  ['/token?grant_type=password', {}, 'grant_type is not refresh_token'],
  ['/logout?scope=all', {}, 'scope is neither global, local nor others'],
])('POST %s with %j: %s', async (path, body, message) => {
  const answer = await post(`${node.url}/auth/v1${path}`, body, user.accessToken)
  expect(answer).toMatchObject({ status: 400, body: { error_code: 'validation_failed', msg: message } })
})

test.each<[path: string, method: string, body: object, message: string]>([
  ['/user', 'PUT', { data: 'text' }, 'data is not a JSON object'],
  [
    '/user',
    'PUT',
    { data: { a: '\0' } },
    'data holds a NUL, half a character or a number without end, or is nested deeper than 32',
  ],
  ['/user/identities/7', 'DELETE', {}, 'identity_id is not a uuid'],
])('%s by %s with %j: %s', async (path, method, body, message) => {
  const answer = await send(`${node.url}/auth/v1${path}`, {
    method,
    body: JSON.stringify(body),
    token: user.accessToken,
    headers: { 'content-type': 'application/json' },
  })
  expect(answer).toMatchObject({ status: 400, body: { error_code: 'validation_failed' } })
  expect(answer.body.msg.split(';')[0]).toBe(message)
})

test.each<[mutation: string, message: string]>([
  ['wechatSignIn(input: { code: "" })', CODE],
  ['wechatBindPhone(input: { code: "a b" })', CODE],
  ['refreshSession(input: { refreshToken: "" })', 'refreshToken is empty'],
  ['signOut(input: { scope: "all" })', 'scope is neither global, local nor others'],
  ['updateCurrentUser(input: { userMetadata: [] })', 'userMetadata is not a JSON object'],
])('%s: %s', async (mutation, message) => {
  const { body } = await graphql(node, `mutation { ${mutation} { query { id } } }`, {}, user.accessToken)
  expect(body.errors).toMatchObject([{ message, extensions: { code: 'validation_failed' } }])
})

test('two faults are told at once', async () => {
  const { body } = await post(`${node.url}/auth/v1/wechat_mini/unlimited_qrcode`, { scene: '', width: 1 })
  expect(body.msg).toMatch(/^scene is .*; width is not a whole number from 280 to 1280$/)
})
