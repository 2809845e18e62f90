import type { JobHelpers } from 'graphile-worker'
import { cleanUpTask } from '../../src/tasks/clean_up.ts'
import { RETENTION } from '../../src/tasks/retention.ts'
import { startWorker } from '../../src/tasks/worker.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { recordedLog } from '../support/leaks.ts'
import { until } from './harness.ts'

let db: TestDatabase

beforeAll(async () => {
  db = await createDatabase()
})
beforeEach(() => db.rows('truncate auth_private.rate_limits'))
afterAll(() => db.drop())

const windows = (count: number, name: string, endsIn: string) =>
  db.rows(
    `insert into auth_private.rate_limits select $2 || n, 1, now() + $3::interval from generate_series(1, $1) n`,
    [count, name, endsIn],
  )
const left = async () =>
  (await db.row<{ n: number }>('select count(*)::int as n from auth_private.rate_limits')).n
const cleanUp = () =>
  cleanUpTask(RETENTION)({}, {
    query: (text: string, values?: unknown[]) => db.owner.query(text, values),
  } as unknown as JobHelpers)

test('windows that have ended go, in batches, and those that run stay', async () => {
  await windows(25_000, 'ended ', '-1 second')
  await windows(3, 'running ', '1 minute')
  await cleanUp()
  expect(await left()).toBe(3)
})

test('a counter that is being counted is passed over, and nobody waits', async () => {
  await windows(10, 'ended ', '-1 second')
  await db.experiment(async client => {
    await client.query(`select from auth_private.count_operations('{ended 5}', '{1}', '{60000}')`)
    await cleanUp()
    expect(await left()).toBe(1)
  })
})

test('the worker does it by its clock', async () => {
  const worker = await startWorker({ ownerUrl: db.ownerUrl, log: recordedLog() })
  try {
    const crontabs = () => db.rows('select identifier from graphile_worker._private_known_crontabs')
    await until(async () => (await crontabs()).length === 1)
    expect(await crontabs()).toEqual([{ identifier: 'clean_up' }])
    await windows(5, 'ended ', '-1 second')
    await db.rows(`select graphile_worker.add_job('clean_up')`)
    await until(async () => (await left()) === 0)
  } finally {
    await worker.stop()
  }
})
