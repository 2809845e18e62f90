import type { Database } from '../../src/db/database.ts'
import { openDatabase } from '../../src/db/database.ts'
import { createLog } from '../../src/log.ts'
import { SIMULATOR_APP_SECRET } from '../../src/simulator/index.ts'
import { type AccessTokens, createAccessTokens, WORKER_MARGIN_MS } from '../../src/wechat/access_token.ts'
import { createCalls } from '../../src/wechat/calls.ts'
import { createAsk, createFetch } from '../../src/wechat/http.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { startSimulator } from '../support/simulator.ts'
import { APPID } from './harness.ts'

// A day of a fleet in seconds: the clock of the processes and of the simulator is moved on, and the row of the database is
// moved back by as much, which is the same to whoever compares it with the database's own clock.

const MINUTE_MS = 60_000
const DAY_MINUTES = 24 * 60

let db: TestDatabase
let database: Database
let offset = 0
const realNow = Date.now

beforeAll(async () => {
  db = await createDatabase()
  database = openDatabase({ url: db.webUrl, poolSize: 4, timeoutMs: 10_000, log: createLog('silent') })
  Date.now = () => realNow() + offset
})
afterAll(async () => {
  Date.now = realNow
  await database.close()
  await db.drop()
})
beforeEach(async () => {
  offset = 0
  await db.rows('truncate auth_private.wechat_access_tokens')
})

async function advance(ms: number) {
  offset += ms
  const shifted = ['expires_at', 'fetched_at', 'fetching_until', 'forced_at', 'retry_at'].map(
    name => `${name} = ${name} - $1 * interval '1 millisecond'`,
  )
  await db.rows(`update auth_private.wechat_access_tokens set ${shifted.join(', ')}`, [ms])
}

/** The tokens of one process. */
function createProcess(url: string, kind: 'stable' | 'legacy', marginMs?: number): AccessTokens {
  const once = createAsk(createFetch(2_000), createLog('silent'), () => {})
  const translated: Pick<Database, 'one'> = {
    async one<Row extends object>(...query: Parameters<Database['one']>) {
      const row = (await database.one<Row>(...query)) as Row & { expires_at?: Date | null }
      return row?.expires_at ? { ...row, expires_at: new Date(row.expires_at.getTime() + offset) } : row
    },
  }
  const { ask } = createCalls(once, { calls: 10, queue: 10 })
  const secretOf = () => SIMULATOR_APP_SECRET
  return createAccessTokens({ db: translated, ask, apiUrl: url, kind, secretOf, timeoutMs: 5_000, marginMs })
}

describe.each([
  ['stable', 'stable_token', true],
  ['stable', 'stable_token', false],
  ['legacy', 'token', true],
] as const)('%s tokens (%s), a worker: %p', (kind, endpoint, hasWorker) => {
  test('a day of three processes: as many fetches as tokens have lived, and every one of them was good', async () => {
    const simulator = await startSimulator({ now: () => Date.now() })
    const nodes = [1, 2, 3].map(() => createProcess(simulator.url, kind))
    const worker = hasWorker ? createProcess(simulator.url, kind, WORKER_MARGIN_MS) : undefined
    const seen = new Set<string>()
    try {
      for (let minute = 0; minute < DAY_MINUTES; minute++) {
        const all = [...(worker ? [worker] : []), ...nodes.filter(() => Math.random() < 0.7)]
        const given = await Promise.all(all.map(one => one.get(APPID)))
        await Promise.all(all.map(one => one.settle()))
        for (const { token } of given) seen.add(token)
        if (minute % 20 === 0) for (const { token } of given) await expectGood(simulator, token)
        await advance(MINUTE_MS)
      }
      expect(simulator.callCounts[endpoint]).toBe(seen.size)
      // 1,440 minutes, of which each token serves 115 to 117.
      expect(seen.size).toBe(13)
    } finally {
      await simulator.close()
    }
  })
})

/** WeChat takes it: what it refuses is the empty body of a code, not the token. */
async function expectGood(simulator: { url: string }, token: string) {
  const response = await fetch(`${simulator.url}/wxa/business/getuserphonenumber?access_token=${token}`, {
    method: 'POST',
    body: '{"code": "none"}',
  })
  expect(await response.json()).toMatchObject({ errcode: 40029 })
}
