import { setTimeout as sleep } from 'node:timers/promises'
import { readMetrics } from '../../src/db/statements.ts'
import { definitionOf, names } from '../../src/metrics/catalogue.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { startProxy, type Wire } from '../support/proxy.ts'
import { type Node, startNode, startSimulator, type TestSimulator } from '../support/service.ts'
import { until } from '../tasks/harness.ts'
import { AT_ONCE, type Sample, scrape, sumOf } from './samples.ts'

// While the database is away, hangs, or is asked by everybody.

let db: TestDatabase
let simulator: TestSimulator
let wire: Wire
const nodes: Node[] = []

beforeAll(async () => {
  db = await createDatabase()
  simulator = await startSimulator()
  wire = await startProxy(db.webUrl)
})
afterEach(async () => {
  await wire.mend()
  await Promise.all(nodes.splice(0).map(node => node.close()))
})
afterAll(async () => {
  await wire.close()
  await simulator.close()
  await db.drop()
})

async function start(metricsPace: object, env: Record<string, string> = {}) {
  const node = await startNode({
    db: { ...db, webUrl: wire.url },
    wechatUrl: simulator.url,
    // Longer than any scrape may take.
    env: { DATABASE_TIMEOUT_MS: '20000', ...env },
    metricsPace,
  })
  nodes.push(node)
  return node
}

const ofDatabase = names.filter(name => definitionOf(name).of === 'database')
const told = (samples: Sample[]) => ofDatabase.filter(name => sumOf(samples, name) !== undefined)
/** Without a token there are none of tokens. */
const WITHOUT_TOKENS = ofDatabase.filter(name => !name.startsWith('access_token'))

/** How many statements of metrics, and how many connections, the node needs meanwhile. */
function watch({ services: { db } }: Node) {
  const seen = { statements: 0, atOnce: 0 }
  const { all } = db
  db.all = (async (statement: { name: string }, values: unknown[]) => {
    if (statement.name !== 'metrics') return Reflect.apply(all, db, [statement, values])
    seen.statements += 1
    running += 1
    seen.atOnce = Math.max(seen.atOnce, running)
    try {
      return await Reflect.apply(all, db, [statement, values])
    } finally {
      running -= 1
    }
  }) as typeof all
  let running = 0
  return seen
}

test.each<[string, () => void | Promise<void>]>([
  ['is cut off', () => wire.cut()],
  ['is gone', () => wire.shut()],
  ['takes connections and says nothing', () => wire.stall()],
])(
  'a database that %s: its numbers are left out, the others are there, and it comes back',
  async (_what, fail) => {
    const node = await start({ ...AT_ONCE, waitMs: 400 })
    const before = await scrape(node)
    expect([sumOf(before, 'database_up'), told(before)]).toEqual([1, WITHOUT_TOKENS])
    await fail()
    const started = performance.now()
    const during = await scrape(node)
    expect(performance.now() - started).toBeLessThan(5_000)
    expect([sumOf(during, 'database_up'), told(during)]).toEqual([0, []])
    expect(sumOf(during, 'build_info')).toBe(1)
    expect(sumOf(during, 'database_pool_size')).toBe(10)
    await wire.mend()
    await until(async () => sumOf(await scrape(node), 'database_up') === 1)
    expect(told(await scrape(node))).toEqual(WITHOUT_TOKENS)
  },
)

test('scrapes while it hangs do not pile up: one statement on one connection, whoever asks', async () => {
  const node = await start({ ...AT_ONCE, waitMs: 300 })
  await scrape(node)
  const seen = watch(node)
  wire.stall()
  for (let n = 0; n < 3; n++)
    for (const samples of await Promise.all(Array.from({ length: 30 }, () => scrape(node))))
      expect(sumOf(samples, 'database_up')).toBe(0)
  expect(seen).toEqual({ statements: 1, atOnce: 1 })
  expect(node.services.db.pool.totalCount).toBeLessThanOrEqual(2)
})

test('scrapes without end cost one statement every few seconds', async () => {
  const node = await start({})
  const seen = watch(node)
  const until = performance.now() + 3_000
  let scrapes = 0
  while (performance.now() < until)
    scrapes += (await Promise.all(Array.from({ length: 20 }, () => scrape(node)))).length
  expect(scrapes).toBeGreaterThan(100)
  expect(seen.statements).toBe(1)
})

test('what was read is asked again when it is old', async () => {
  const node = await start({ answerMs: 50, databaseMs: 200 })
  const seen = watch(node)
  await scrape(node)
  await sleep(500)
  await scrape(node)
  expect(seen.statements).toBe(2)
})

test('a pool whose connections are all held says that something waits, and that the database was not to be had', async () => {
  const node = await start({ ...AT_ONCE, waitMs: 200 }, { DATABASE_POOL_SIZE: '2' })
  const { pool } = node.services.db
  const held = [await pool.connect(), await pool.connect()]
  try {
    const first = await scrape(node)
    expect(sumOf(first, 'database_up')).toBe(0)
    expect(sumOf(first, 'database_pool_connections', { state: 'busy' })).toBe(2)
    expect(sumOf(first, 'database_pool_connections', { state: 'idle' })).toBe(0)
    expect(sumOf(first, 'database_pool_waiting')).toBe(1)
  } finally {
    for (const client of held) client.release()
  }
  await until(async () => sumOf(await scrape(node), 'database_up') === 1)
  expect(sumOf(await scrape(node), 'database_pool_waiting')).toBe(0)
})

test('a node that ends while the database hangs ends', async () => {
  const node = await start({ ...AT_ONCE, waitMs: 100 }, { DATABASE_TIMEOUT_MS: '1500' })
  wire.stall()
  await scrape(node)
  nodes.pop()
  await node.close()
  await expect(readMetrics(node.services.db, [], 'stable')).rejects.toMatchObject({
    code: 'database_unavailable',
  })
})
