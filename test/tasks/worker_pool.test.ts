import { createLog } from '../../src/log.ts'
import { openWorkerPool } from '../../src/tasks/worker_pool.ts'
import { createDatabase } from '../support/database.ts'
import { startProxy } from '../support/proxy.ts'
import { until } from './harness.ts'

test('a worker that stops while the database is away is given no job and ends none, and a task is not told "nothing found"', async () => {
  const db = await createDatabase()
  const wire = await startProxy(db.ownerUrl)
  const { pool, wait, hurry, end } = openWorkerPool(wire.url, createLog('silent'))
  try {
    await pool.query('select')
    wait()
    hurry()
    wire.cut()
    await until(() => pool.totalCount === 0)
    const client = await pool.connect()
    for (const name of [
      'get_job/graphile_worker',
      'complete_job/graphile_worker',
      'fail_job/graphile_worker',
    ])
      expect(await client.query({ name, text: 'select' })).toEqual({ rows: [] })
    await expect(client.query('select type from auth_private.events')).rejects.toThrow('cannot be reached')
    client.release()
  } finally {
    await end()
    await wire.close()
    await db.drop()
  }
})

test("graphile-worker's first look at the tasks is repeated until it is answered: it would remember a failure for good", async () => {
  const db = await createDatabase()
  const wire = await startProxy(db.ownerUrl)
  const { pool, wait, hurry, end } = openWorkerPool(wire.url, createLog('silent'))
  try {
    await pool.query(`insert into graphile_worker._private_tasks as tasks (identifier) values ('auth_event')`)
    wait()
    const client = await pool.connect()
    wire.cut()
    const look = client.query({
      text: 'select id, identifier from graphile_worker._private_tasks as tasks where identifier = any($1::text[])',
      values: [['auth_event']],
    })
    await until(() => pool.totalCount === 0 || pool.idleCount === 0)
    wire.mend()
    expect((await look).rows).toMatchObject([{ identifier: 'auth_event' }])
    client.release(true)
  } finally {
    hurry()
    await end()
    await wire.close()
    await db.drop()
  }
})
