import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { jest } from '@jest/globals'
import fc from 'fast-check'
import { pino } from 'pino'
import { ENDPOINTS, type WechatCall } from '../../src/wechat/http.ts'
import { createUsage, type UsageOptions } from '../../src/wechat/usage.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { ROUNDS } from '../support/rounds.ts'
import { until } from '../tasks/harness.ts'

// Counting in a process, over a database that fails: nothing is lost while the process lives, and nothing is counted twice.

let db: TestDatabase
let logged: { level: number; msg: string; [field: string]: unknown }[]
const log = pino({ level: 'warn', base: null }, { write: (line: string) => logged.push(JSON.parse(line)) })

beforeAll(async () => {
  db = await createDatabase()
})
beforeEach(() => {
  logged = []
})
afterEach(() => void jest.restoreAllMocks())
afterAll(() => db.drop())

type Query = UsageOptions['query']
const freshApp = () => `wx${randomUUID().replaceAll('-', '').slice(0, 16)}`
const call = (appid: string, more: Partial<WechatCall> = {}): WechatCall => ({
  appid,
  endpoint: 'getuserphonenumber',
  errcode: 0,
  ms: 1,
  ...more,
})

/** As a worker sends them: by the owner's login. */
const asOwner: Query = async (statement, values) => (await db.owner.query({ ...statement, values })).rows

/** What stands in the database of an app: `day endpoint errcode` → calls. */
const stored = async (appid: string) =>
  Object.fromEntries(
    (
      await db.rows<{ key: string; calls: string }>(
        `select day || ' ' || endpoint || ' ' || coalesce(errcode::text, 'null') as key, calls
         from auth.wechat_calls where appid = $1`,
        [appid],
      )
    ).map(({ key, calls }) => [key, Number(calls)]),
  )

/** What becomes of an addition. */
const FATES = {
  /** It is written, and the answer comes. */
  fine: asOwner,
  /** It never gets there. */
  refused: () => Promise.reject(new Error('refused')),
  /** It is written; the answer is lost. */
  lost: async (...sent) => {
    await asOwner(...sent)
    throw new Error('lost')
  },
  /** The process gives it up, and it goes on: what comes after it may be written first. */
  late: async (...sent) => {
    pending.push(sleep(Math.random() * 30).then(() => asOwner(...sent)))
    throw new Error('late')
  },
  /** It takes its time. */
  slow: async (...sent) => {
    await sleep(5)
    return asOwner(...sent)
  },
} satisfies Record<string, Query>
let pending: Promise<unknown>[] = []

const anyCall = fc.record({
  endpoint: fc.constantFrom(...ENDPOINTS),
  errcode: fc.oneof(fc.constantFrom(0, null, -1, 40029, 45011), fc.maxSafeInteger()),
  /** Milliseconds until the next one. */
  pause: fc.constantFrom(0, 0, 0, 1, 4),
})
const fates = fc.array(fc.constantFrom(...(Object.keys(FATES) as (keyof typeof FATES)[])), { maxLength: 12 })

test(
  'nothing is lost and nothing is counted twice, whatever becomes of the additions',
  () =>
    fc.assert(
      fc.asyncProperty(fc.array(anyCall, { maxLength: 40 }), fates, async (calls, plan) => {
        const appid = freshApp()
        pending = []
        const left = [...plan]
        const query: Query = (...sent) => FATES[left.shift() ?? 'fine'](...sent)
        const usage = createUsage({ query, log, flushMs: 1 })
        const expected: Record<string, number> = {}
        for (const { endpoint, errcode, pause } of calls) {
          const day = new Date(Date.now() + 8 * 3_600_000).toISOString().slice(0, 10)
          const key = `${day} ${endpoint} ${errcode}`
          expected[key] = (expected[key] ?? 0) + 1
          usage.observe(call(appid, { endpoint, errcode }))
          if (pause) await sleep(pause)
        }
        // Its clock goes on by itself, as long as something waits.
        await until(async () => Object.values(await stored(appid)).reduce((a, b) => a + b, 0) >= calls.length)
        await usage.close()
        await Promise.all(pending)
        expect(await stored(appid)).toEqual(expected)
      }),
      { numRuns: 10 * ROUNDS },
    ),
  300_000,
)

test('stopping writes down what is left, whatever it waits for', async () => {
  const appid = freshApp()
  let isFirst = true
  const query: Query = (...sent) => {
    const fate = isFirst ? FATES.slow : FATES.fine
    isFirst = false
    return fate(...sent)
  }
  const usage = createUsage({ query, log, flushMs: 1 })
  usage.observe(call(appid))
  await until(() => !isFirst)
  // One is on its way, and one more is counted meanwhile.
  usage.observe(call(appid))
  await usage.close()
  expect(Object.values(await stored(appid))).toEqual([2])
  expect(logged).toEqual([])
})

test('where the last addition fails the log says how many calls that were', async () => {
  const usage = createUsage({ query: FATES.refused, log })
  const appid = freshApp()
  for (let n = 0; n < 3; n++) usage.observe(call(appid))
  usage.observe(call(appid, { errcode: null }))
  await usage.close()
  expect(logged.map(({ msg, calls }) => [msg, calls])).toEqual([
    ['calls of WeChat could not be written down; they wait', undefined],
    ['calls of WeChat were not written down, or not known to be, before the end', 4],
  ])
})

test('stopping does not wait for a database that says nothing', async () => {
  const usage = createUsage({ query: () => new Promise(() => {}), log })
  usage.observe(call(freshApp()))
  await usage.close()
  expect(logged).toMatchObject([{ calls: 1 }])
})

test('without calls nothing is asked, and stopping is at once', async () => {
  const query = jest.fn<Query>(async () => [])
  const usage = createUsage({ query, log, flushMs: 1 })
  await sleep(20)
  await usage.close()
  expect(query).not.toHaveBeenCalled()
})

test('one addition at a time, of all that was counted meanwhile', async () => {
  let running = 0
  let most = 0
  const sizes: number[] = []
  const usage = createUsage({
    log,
    flushMs: 1,
    async query(_statement, values) {
      most = Math.max(most, ++running)
      sizes.push((values[2] as unknown[]).length)
      await sleep(20)
      running--
      return []
    },
  })
  const appid = freshApp()
  // Many calls, few keys: what waits does not grow with the calls.
  for (let n = 0; n < 10_000; n++) {
    usage.observe(call(appid, { errcode: n % 3 }))
    if (n % 1000 === 0) await sleep(5)
  }
  await usage.close()
  expect(most).toBe(1)
  expect(Math.max(...sizes)).toBe(3)
  expect(sizes.length).toBeLessThan(100)
})

test('an addition that is repeated is the same; what came meanwhile goes with the next', async () => {
  const seen: unknown[][] = []
  const appid = freshApp()
  const usage = createUsage({
    log,
    flushMs: 1,
    async query(_statement, values) {
      seen.push(values)
      if (seen.length === 1) usage.observe(call(appid))
      if (seen.length < 3) throw new Error('lost')
      return []
    },
  })
  usage.observe(call(appid))
  await until(() => seen.length === 4)
  await usage.close()
  expect(seen.map(([counter, flush]) => [counter, flush])).toEqual([1, 1, 1, 2].map(n => [seen[0]![0], n]))
  expect(new Set(seen.slice(0, 3).map(values => JSON.stringify(values))).size).toBe(1)
})

test.each([
  ['2026-11-30T15:59:59.999Z', '2026-11-30'],
  ['2026-11-30T16:00:00.000Z', '2026-12-01'],
  ['2026-12-31T16:00:00.000Z', '2027-01-01'],
  ['2028-02-28T16:00:00.000Z', '2028-02-29'],
])('what ends at %s is of %s in Beijing', async (time, day) => {
  const appid = freshApp()
  const usage = createUsage({ query: asOwner, log })
  jest.spyOn(Date, 'now').mockReturnValue(Date.parse(time))
  usage.observe(call(appid))
  jest.restoreAllMocks()
  await usage.close()
  expect(await stored(appid)).toEqual({ [`${day} getuserphonenumber 0`]: 1 })
})

test('a budget that is nearly used up is in the log, once', async () => {
  const appid = freshApp()
  for (const _process of [1, 2]) {
    const usage = createUsage({ query: asOwner, log, monthlyBudget: 0.05 })
    usage.observe(call(appid))
    usage.observe(call(appid))
    await usage.close()
  }
  expect(logged).toEqual([
    {
      level: 40,
      time: expect.any(Number),
      appid,
      month: expect.stringMatching(/^\d{4}-\d\d$/),
      taps: '2',
      cost: '0.06',
      budget: 0.05,
      msg: '80 % of the budget of the month is used up',
    },
  ])
})

test('what waits keeps no process alive', async () => {
  const usage = fileURLToPath(new URL('../../src/wechat/usage.ts', import.meta.url))
  const script = `
    const { createUsage } = await import(${JSON.stringify(usage)})
    const { observe } = createUsage({ query: () => new Promise(() => {}), log: console, flushMs: 600_000 })
    observe({ appid: 'wx', endpoint: 'token', errcode: 0, ms: 1 })`
  await promisify(execFile)(process.execPath, ['--no-warnings', '--input-type=module', '-e', script])
})
