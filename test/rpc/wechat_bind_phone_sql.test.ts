import { setTimeout as sleep } from 'node:timers/promises'
import { jest } from '@jest/globals'
import pg from 'pg'
import { adminStatements } from '../../src/db/admin_statements.ts'
import { statements } from '../../src/db/statements.ts'
import {
  bindEntrances,
  freshPhone,
  graphql,
  phoneCode,
  type SignedIn,
  send,
  signIn,
} from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { type Node, startNode, startSimulator, type TestSimulator } from '../support/service.ts'

let db: TestDatabase
let simulator: TestSimulator
let node: Node
let query: jest.SpiedFunction<(config: { name?: string; text: string }) => unknown>

beforeAll(async () => {
  db = await createDatabase()
  simulator = await startSimulator()
  query = jest.spyOn(pg.Client.prototype, 'query') as unknown as typeof query
  // One connection: whoever held it while WeChat is asked would stop everybody else.
  node = await startNode({ db, wechatUrl: simulator.url, env: { DATABASE_POOL_SIZE: '1' } })
})
afterAll(async () => {
  jest.restoreAllMocks()
  await node.close()
  await simulator.close()
  await db.drop()
})

const executed = () =>
  query.mock.calls.map(([config]) => (typeof config === 'string' ? config : (config.name ?? config.text)))

describe.each(Object.entries(bindEntrances))('%s', (_entrance, bind) => {
  test('a bind costs two statements, prepared: one before WeChat, one after', async () => {
    const user = await signIn(node, simulator)
    await bind(node, await phoneCode(simulator, freshPhone()), user.accessToken)
    const code = await phoneCode(simulator, freshPhone())
    query.mockClear()
    expect(await bind(node, code, user.accessToken)).toMatchObject({ code: undefined })
    expect(executed()).toEqual(['wechat_claim_code', 'wechat_bind_phone'])
    query.mockClear()
    expect(await bind(node, code, user.accessToken)).toMatchObject({ code: undefined })
    expect(executed()).toEqual(['wechat_claim_code'])
  })

  test('no connection is held while WeChat is slow: a pool of one serves others', async () => {
    const users = await Promise.all([
      signIn(node, simulator),
      signIn(node, simulator),
      signIn(node, simulator),
    ])
    const codes = await Promise.all(users.map(() => phoneCode(simulator, freshPhone())))
    const before = simulator.callCounts.getuserphonenumber
    for (const _ of users) simulator.failNext('getuserphonenumber', { hang: 2_000 })
    const finished: string[] = []
    const binding = users.map(({ accessToken }, index) =>
      bind(node, codes[index], accessToken).then(outcome => {
        finished.push('bind')
        return outcome
      }),
    )
    while (simulator.callCounts.getuserphonenumber < before + users.length) await sleep(10)
    for (const { accessToken } of users) await others(accessToken)
    finished.push('others')
    expect((await Promise.all(binding)).map(({ code }) => code)).toEqual([undefined, undefined, undefined])
    expect(finished).toEqual(['others', 'bind', 'bind', 'bind'])
  })
})

async function others(token: SignedIn['accessToken']) {
  expect((await send(`${node.url}/auth/v1/user`, { token })).status).toBe(200)
  const { body } = await graphql(node, '{ currentUser { id } }', {}, token)
  expect(body.errors).toBeUndefined()
}

test('signing in and reading the current user cost one statement each', async () => {
  const user = await signIn(node, simulator)
  query.mockClear()
  await signIn(node, simulator, user.openid)
  await send(`${node.url}/auth/v1/user`, { token: user.accessToken })
  await graphql(node, '{ currentUser { id phone } }', {}, user.accessToken)
  expect(executed()).toEqual(['wechat_sign_in', 'get_user', 'get_user'])
})

test.each(Object.values({ ...statements, ...adminStatements }))(
  '$name is a statement of this schema',
  async ({ text }) => {
    const client = new pg.Client({ connectionString: db.webUrl })
    await client.connect()
    try {
      await client.query(`prepare statement_under_test as ${text}`)
    } finally {
      await client.end()
    }
  },
)
