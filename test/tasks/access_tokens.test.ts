import { type Env, parseConfig, parseWorkerConfig } from '../../src/config.ts'
import { createLog } from '../../src/log.ts'
import { SIMULATOR_APP_ID as APPID, SIMULATOR_APP_SECRET as SECRET } from '../../src/simulator/index.ts'
import { startWorker, type Worker } from '../../src/tasks/worker.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { startSimulator, type TestSimulator } from '../support/simulator.ts'
import { jobs, until } from './harness.ts'

const log = createLog('silent')
let db: TestDatabase
let simulator: TestSimulator
const workers: Worker[] = []

beforeAll(async () => {
  db = await createDatabase()
})
beforeEach(async () => {
  await db.rows('truncate auth_private.wechat_access_tokens, graphile_worker._private_jobs')
  simulator = await startSimulator()
})
afterEach(async () => {
  await Promise.all(workers.splice(0).map(worker => worker.stop()))
  await simulator.close()
})
afterAll(() => db.drop())

/** A worker as its command starts it. */
async function work(
  env: Env = { WECHAT_APP_ID: APPID, WECHAT_APP_SECRET: SECRET, WECHAT_API_URL: simulator.url },
) {
  workers.push(await startWorker({ ...parseWorkerConfig({ DATABASE_OWNER_URL: db.ownerUrl, ...env }), log }))
}
/** One that remembers nothing: no token's end is moved in life, so each is remembered for a minute. */
async function another() {
  await workers.pop()!.stop()
  await work()
}
/** What the clock does every minute. */
const tick = () => db.rows(`select graphile_worker.add_job('access_tokens', job_key => 'access_tokens')`)
const row = () =>
  db.row<{ access_token: string; seconds: number }>(
    `select access_token, extract(epoch from expires_at - now())::int as seconds from auth_private.wechat_access_tokens`,
  )
const lasts = async (interval: string) =>
  db.rows(`update auth_private.wechat_access_tokens
    set expires_at = now() + interval '${interval}', fetched_at = now() - interval '1 hour'`)

test('the worker fetches the first token, leaves it alone while it lasts, and replaces it before its end', async () => {
  await work()
  await tick()
  await until(() => simulator.callCounts.stable_token === 1)
  await until(async () => (await jobs(db)).length === 0)
  const first = await row()
  await lasts('6 minutes')
  await another()
  await tick()
  await until(async () => (await jobs(db)).length === 0)
  expect(simulator.callCounts.stable_token).toBe(1)
  await lasts('4 minutes')
  simulator.killTokens()
  await another()
  await tick()
  await until(async () => (await row()).seconds > 7_000)
  expect((await row()).access_token).not.toBe(first.access_token)
  expect(simulator.callCounts).toMatchObject({ stable_token: 2, getuserphonenumber: 0 })
})

test('of several workers one fetches', async () => {
  await Promise.all([work(), work(), work()])
  await Promise.all([tick(), tick(), tick()])
  await until(() => simulator.callCounts.stable_token > 0)
  await until(async () => (await jobs(db)).length === 0)
  expect(simulator.callCounts.stable_token).toBe(1)
})

test('what WeChat refuses is kept in the row, is no failed job, and the rest of the jobs are done', async () => {
  simulator.failNext('stable_token', { errcode: 40125 })
  await work()
  await tick()
  await until(
    async () =>
      (await db.rows('select from auth_private.wechat_access_tokens where failures = 1')).length > 0,
  )
  await until(async () => (await jobs(db)).length === 0)
})

test('a worker that is told of no app leaves tokens to the nodes', async () => {
  await work({})
  await tick()
  await db.rows(`select graphile_worker.add_job('clean_up')`)
  await until(
    async () =>
      (await db.rows(`select from graphile_worker.jobs where task_identifier = 'clean_up'`)).length === 0,
  )
  expect(await jobs(db)).toMatchObject([{ task: 'access_tokens', attempts: 0 }])
  expect(simulator.callCounts.stable_token).toBe(0)
})

test('the worker reads of the apps what the nodes read', () => {
  const env = {
    DATABASE_OWNER_URL: 'postgres://owner@db/app',
    DATABASE_URL: 'postgres://web@db/app',
    JWT_SECRET: 'a secret of the tests, 32 bytes or more',
    WECHAT_APP_ID: 'wx00000000000000aa',
    WECHAT_APP_SECRET: 'the secret',
    WECHAT_APPS: '{"wx00000000000000bb": "another"}',
    WECHAT_TOKEN_KIND: 'legacy',
    WECHAT_MAX_CALLS: '7',
  }
  expect(parseWorkerConfig(env).wechat).toEqual({
    config: parseConfig(env).wechat,
    apiUrl: 'https://api.weixin.qq.com',
  })
  expect(() => parseWorkerConfig({ ...env, WECHAT_APP_SECRET: undefined })).toThrow(
    /WECHAT_APP_SECRET is not set/,
  )
  expect(() => parseWorkerConfig({ ...env, WECHAT_APP_ID: undefined })).toThrow(/WECHAT_APP_ID is not set/)
  expect(parseWorkerConfig({ DATABASE_OWNER_URL: env.DATABASE_OWNER_URL }).wechat).toBeUndefined()
})
