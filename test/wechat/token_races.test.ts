import { type Database, openDatabase } from '../../src/db/database.ts'
import { createLog } from '../../src/log.ts'
import type { AccessTokenOptions } from '../../src/wechat/access_token.ts'
import { createAccessTokens } from '../../src/wechat/access_token.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { APPID, failure } from './harness.ts'

let db: TestDatabase
let database: Database
/** The statements that were run, by name. */
let statements: string[]
/** The fetches that WeChat has not answered yet, in their order. */
let fetches: ((token: string) => void)[]

beforeAll(async () => {
  db = await createDatabase()
  database = openDatabase({ url: db.webUrl, poolSize: 3, timeoutMs: 10_000, log: createLog('silent') })
})
beforeEach(async () => {
  await db.rows('delete from auth_private.wechat_access_tokens')
  statements = []
  fetches = []
})
afterAll(async () => {
  await database.close()
  await db.drop()
})

const ask: AccessTokenOptions['ask'] = () =>
  new Promise(resolve => fetches.push(token => resolve({ access_token: token, expires_in: 7200 })))

/** The tokens of one process. */
function createNode(timeoutMs = 10_000) {
  const tokens = createAccessTokens({
    db: {
      ...database,
      one: (statement, values) => {
        statements.push(statement.name)
        return database.one(statement, values)
      },
    },
    ask,
    apiUrl: 'http://wechat.test',
    kind: 'stable',
    secretOf: () => 'a secret',
    timeoutMs,
  })
  return {
    get: async (appid: string, dead?: string) =>
      (await tokens.get(appid, dead === undefined ? undefined : { token: dead, wechat: undefined })).token,
  }
}

/** Answers the next fetch, once it has begun. */
async function answer(token: string): Promise<void> {
  while (fetches.length === 0) await new Promise(resolve => setImmediate(resolve))
  fetches.shift()!(token)
}

async function answered(promise: Promise<string>, ...tokens: string[]): Promise<string> {
  for (const token of tokens) await answer(token)
  return promise
}

const [TAKE, PUT] = ['wechat_take_access_token', 'wechat_put_access_token']

test('while it lasts the token is in memory, whether this node has fetched it or another', async () => {
  const [one, other] = [createNode(), createNode()]
  expect(await answered(one.get(APPID), 'first')).toBe('first')
  expect(statements.splice(0)).toEqual([TAKE, PUT])
  expect(await one.get(APPID)).toBe('first')
  expect(statements).toEqual([])
  expect(await other.get(APPID)).toBe('first')
  expect(statements.splice(0)).toEqual([TAKE])
  expect(await other.get(APPID)).toBe('first')
  expect(statements).toEqual([])
})

test('a dead token is replaced by one fetch', async () => {
  const node = createNode()
  await answered(node.get(APPID), 'first')
  statements = []
  expect(await answered(node.get(APPID, 'first'), 'second')).toBe('second')
  expect(statements).toEqual([TAKE, PUT])
  expect(await node.get(APPID)).toBe('second')
})

test('who joins a fetch that brings the very token that is dead to him gets the next one', async () => {
  const node = createNode()
  const early = node.get(APPID)
  const late = node.get(APPID, 'first')
  expect(await answered(early, 'first')).toBe('first')
  expect(await answered(late, 'second')).toBe('second')
  expect(await node.get(APPID)).toBe('second')
})

test('a token that comes when another fetch has begun serves its caller, and is not kept', async () => {
  const node = createNode()
  const slow = node.get(APPID)
  while (fetches.length === 0) await new Promise(resolve => setImmediate(resolve))
  await db.rows(
    `update auth_private.wechat_access_tokens set fetch_id = null, fetching_until = null,
       access_token = 'of another node', expires_at = now() + interval '1 hour'`,
  )
  expect(await answered(slow, 'too late')).toBe('too late')
  expect(await node.get(APPID)).toBe('of another node')
})

test('nobody waits for ever where the lease of somebody else does not end', async () => {
  await db.rows(
    `insert into auth_private.wechat_access_tokens (appid, kind, fetching_until)
     values ($1, 'stable', now() + interval '1 hour')`,
    [APPID],
  )
  expect((await failure(createNode(1).get(APPID))).code).toBe('wechat_unavailable')
  expect(fetches).toEqual([])
})
