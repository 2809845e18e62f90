import { jest } from '@jest/globals'
import { parseWorkerConfig } from '../../src/config.ts'
import { startWorker } from '../../src/tasks/worker.ts'
import { bindEntrances, freshPhone, phoneCode, signIn } from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { recordedLog } from '../support/leaks.ts'
import { startProxy } from '../support/proxy.ts'
import { type Node, startNode, startSimulator, type TestSimulator } from '../support/service.ts'
import { isDelivered, until } from '../tasks/harness.ts'
import { type Receiver, startReceiver, subscribe } from '../tasks/receiver.ts'
import { RHYTHM } from '../tasks/rhythm.ts'

// A node in whole: what is called stands in the view, and a budget reaches a subscriber.

let db: TestDatabase
let simulator: TestSimulator

beforeAll(async () => {
  simulator = await startSimulator()
})
beforeEach(async () => {
  db = await createDatabase()
})
afterEach(() => db.drop())
afterAll(() => simulator.close())

const start = (env: Record<string, string> = {}, webUrl = db.webUrl) =>
  startNode({ db: { ...db, webUrl }, wechatUrl: simulator.url, env })
const bind = async (node: Node, code?: string) => {
  const { accessToken } = await signIn(node, simulator)
  return bindEntrances.GraphQL!(node, code ?? (await phoneCode(simulator, freshPhone())), accessToken)
}
const usage = () =>
  db.rows('select calls, failures, unanswered, taps, cost from auth.wechat_usage order by day')
const calls = async () =>
  (
    await db.rows<{ line: string }>(
      `select concat_ws(' ', endpoint, coalesce(errcode::text, 'null'), calls) as line from auth.wechat_calls order by 1`,
    )
  ).map(({ line }) => line)

jest.setTimeout(120_000)

test('a node that is stopped has written down what it called', async () => {
  const node = await start()
  expect(await bind(node)).toMatchObject({ code: undefined })
  expect(await bind(node, 'no-code-of-wechat')).toMatchObject({ code: 'wechat_code_invalid' })
  await node.close()
  expect(await calls()).toEqual([
    'getuserphonenumber 0 1',
    'getuserphonenumber 40029 1',
    'jscode2session 0 2',
    'stable_token 0 1',
  ])
  expect(await usage()).toEqual([{ calls: '5', failures: '1', unanswered: '0', taps: '1', cost: '0.03' }])
})

test('a code that is sent again costs nothing, and a call without an answer is counted as one', async () => {
  const node = await start()
  const { accessToken } = await signIn(node, simulator)
  const code = await phoneCode(simulator, freshPhone())
  for (let n = 0; n < 2; n++)
    expect(await bindEntrances.GraphQL!(node, code, accessToken)).toMatchObject({ code: undefined })
  await node.close()
  const deaf = await startNode({ db, wechatUrl: 'http://127.0.0.1:1' })
  await bindEntrances.GraphQL!(deaf, await phoneCode(simulator, freshPhone()), accessToken)
  await deaf.close()
  expect(await calls()).toEqual([
    'getuserphonenumber 0 1',
    // Where nobody listens a call may be tried more than once.
    expect.stringMatching(/^getuserphonenumber null [1-9]$/),
    'jscode2session 0 1',
    'stable_token 0 1',
  ])
})

test('a worker counts what it asks for', async () => {
  const env = { DATABASE_OWNER_URL: db.ownerUrl, WECHAT_API_URL: simulator.url }
  const worker = await startWorker({ ...parseWorkerConfig(env), log: recordedLog(), rhythm: RHYTHM })
  await db.rows(`select graphile_worker.add_job('access_tokens')`)
  await until(
    async () =>
      (await db.rows('select from auth_private.wechat_access_tokens where expires_at > now()')).length > 0,
  )
  await worker.stop()
  expect(await calls()).toEqual(['stable_token 0 1'])
})

describe('a budget', () => {
  let receiver: Receiver
  beforeEach(async () => {
    receiver = await startReceiver()
  })
  afterEach(() => receiver.close())

  test('that is nearly used up is told to subscribers, once, without a user, while the nodes go on', async () => {
    const { verify } = await subscribe(db, receiver.url, ['wechat.budget_warning'])
    const everything = await startReceiver()
    await subscribe(db, everything.url)
    const worker = await startWorker({
      ownerUrl: db.ownerUrl,
      log: recordedLog(),
      rhythm: RHYTHM,
      webhookAllowPrivate: true,
    })
    const nodes = await Promise.all([1, 2].map(() => start({ WECHAT_MONTHLY_BUDGET: '0.07' })))
    try {
      for (const node of nodes) expect(await bind(node)).toMatchObject({ code: undefined })
      await until(() => receiver.received.length > 0)
      const [received] = receiver.received
      const event = verify(received!)
      const { appid, month } = await db.row<{ appid: string; month: string }>(
        `select appid, to_char(day, 'YYYY-MM') as month from auth.wechat_calls`,
      )
      expect(event).toEqual({
        type: 'wechat.budget_warning',
        timestamp: expect.any(String),
        data: { appid, month, taps: 2, cost: 0.06, budget: 0.07 },
      })
      for (const node of nodes) await bind(node)
    } finally {
      await Promise.all(nodes.map(node => node.close()))
      await until(() => isDelivered(db))
      await worker.stop()
      await everything.close()
    }
    expect(receiver.received).toHaveLength(1)
    const types = everything.received.map(({ event }) => event.type)
    expect(types.filter(type => type === 'wechat.budget_warning')).toHaveLength(1)
    expect(types.filter(type => type === 'phone.bound')).toHaveLength(4)
    expect(await usage()).toMatchObject([{ taps: '4', cost: '0.12' }])
  })
})

test('a database that says nothing delays a stop by seconds only', async () => {
  const wire = await startProxy(db.webUrl)
  const node = await start({}, wire.url)
  try {
    await signIn(node, simulator)
    wire.stall()
    const started = performance.now()
    await node.close()
    expect(performance.now() - started).toBeLessThan(20_000)
  } finally {
    await wire.close()
  }
})
