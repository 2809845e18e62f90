import { createLog } from '../../src/log.ts'
import { startWorker } from '../../src/tasks/worker.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { startSimulator, type TestSimulator } from '../support/service.ts'
import { addChores, until, writeEvents } from '../tasks/harness.ts'
import { startReceiver } from '../tasks/receiver.ts'
import { RHYTHM } from '../tasks/rhythm.ts'
import { doctor, SECRET } from './harness.ts'

// What waits, what was given up, and whether anybody works.

let db: TestDatabase
let simulator: TestSimulator
beforeEach(async () => {
  db = await createDatabase()
  simulator = await startSimulator()
})
afterEach(async () => {
  await simulator.close()
  await db.drop()
})

/** By the login of the web service, and by the owner's: what they say is the same. */
async function examine() {
  const wechat = { WECHAT_API_URL: simulator.url }
  const [web, owner] = [
    await doctor({ ...wechat, DATABASE_URL: db.webUrl, JWT_SECRET: SECRET }),
    await doctor({ ...wechat, DATABASE_OWNER_URL: db.ownerUrl }),
  ]
  for (const check of ['worker', 'deliveries', 'jobs'] as const)
    expect(owner.of(check)).toEqual(web.of(check))
  return web
}

test('a worker that lives, and one that has ended', async () => {
  const log = createLog('silent')
  const worker = await startWorker({ ownerUrl: db.ownerUrl, log, rhythm: RHYTHM })
  await until(async () => (await examine()).of('worker')[0] === 'ok: 1 worker at work')
  await worker.stop()
  const { of, exitCode } = await examine()
  expect(of('worker')).toEqual([
    expect.stringMatching(
      '^warning: no worker lives: .* → Start "postgraphile-wechat worker" with DATABASE_OWNER_URL',
    ),
  ])
  expect(exitCode).toBe(0)
})

test('events that wait', async () => {
  expect((await examine()).of('events')).toEqual(['ok: none waits'])
  await writeEvents(db, 3)
  expect((await examine()).of('events')).toEqual(['ok: 3 on their way'])
  await db.rows(`update auth_private.events set created_at = now() - interval '5 minutes'`)
  expect((await examine()).of('events')).toEqual([
    expect.stringMatching(/^warning: 3 wait, the oldest for 30\d s → Is a worker running/),
  ])
})

test('deliveries that were given up, and that are late', async () => {
  const receiver = await startReceiver()
  const { id } = await db.row<{ id: string }>('select id from auth.admin_add_webhook($1, null, null)', [
    receiver.url,
  ])
  await writeEvents(db, 3, 'now()')
  const deliver = (more: string, where: string) =>
    db.rows(
      `insert into auth_private.deliveries (webhook_id, event_id, user_id, state, attempts, due_at)
       select $1, e.id, e.user_id, ${more} from auth_private.events e where ${where}`,
      [id],
    )
  const [first] = await db.rows<{ id: string }>('select id from auth_private.events order by id')
  await deliver(`'waiting', 2, now() + interval '1 hour'`, `e.id = ${first!.id}`)
  expect((await examine()).of('deliveries')).toEqual(['ok: 1 is tried again'])
  await deliver(`'failed', 9, now()`, `e.id = ${Number(first!.id) + 1}`)
  await deliver(`'waiting', 0, now() - interval '10 minutes'`, `e.id = ${Number(first!.id) + 2}`)
  expect((await examine()).of('deliveries')).toEqual([
    expect.stringMatching('^warning: 1 was given up → auth.admin_list_failed_deliveries says why'),
    expect.stringMatching(/^warning: one has been due for 60\d s → /),
  ])
  await receiver.close()
})

test('jobs that have failed, that nobody does, and that cannot be seen', async () => {
  await addChores(db, 2)
  await db.rows(
    `update graphile_worker._private_jobs set attempts = max_attempts where id = (select min(id) from graphile_worker._private_jobs)`,
  )
  await db.rows(
    `update graphile_worker._private_jobs set run_at = now() - interval '20 minutes' where attempts < max_attempts`,
  )
  expect((await examine()).of('jobs')).toEqual([
    expect.stringMatching('^warning: 1 has failed for good → As the owner: select id'),
    expect.stringMatching(/^warning: one has been due for 120\d s → No worker lives/),
  ])
  await db.rows('revoke all on graphile_worker.jobs from auth_watcher')
  expect((await examine()).of('jobs')).toEqual([expect.stringMatching('^warning: they cannot be seen → Run')])
})
