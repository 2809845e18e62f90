import { setTimeout as sleep } from 'node:timers/promises'
import { createLog } from '../../src/log.ts'
import type { AuthEvent, EventTask } from '../../src/tasks/auth_event.ts'
import { startWorker, type Worker } from '../../src/tasks/worker.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { startProxy } from '../support/proxy.ts'
import { everyRound } from '../support/rounds.ts'
import { deliveries, hurry, isDelivered, jobs, PHONE, until, writeEvents } from './harness.ts'

const log = createLog('silent')

let db: TestDatabase
const workers: Worker[] = []

beforeAll(async () => {
  db = await createDatabase()
})
beforeEach(() =>
  db.rows('truncate auth_private.events, auth_private.webhooks, graphile_worker._private_jobs cascade'),
)
afterEach(() => Promise.all(workers.splice(0).map(worker => worker.stop())))
afterAll(() => db.drop())

async function work(auth_event?: EventTask, ownerUrl = db.ownerUrl): Promise<Worker> {
  const worker = await startWorker({ ownerUrl, log, tasks: auth_event && { auth_event } })
  workers.push(worker)
  return worker
}
const stop = (worker: Worker) => {
  workers.splice(workers.indexOf(worker), 1)
  return worker.stop()
}
const everythingIsDelivered = () => until(() => isDelivered(db))
const whom = (events: AuthEvent[]) => events.map(({ data }) => data.user_id)

test('an event is delivered as a subscriber wants it', async () => {
  const events: AuthEvent[] = []
  await work(event => void events.push(event))
  const [userId] = await writeEvents(db, 1)
  await until(() => events.length > 0)
  const { id, created_at } = await db.row<{ id: string; created_at: Date }>(
    'select id, created_at from auth_private.events',
  )
  expect(events).toEqual([
    { id, type: 'phone.bound', timestamp: created_at.toISOString(), data: { user_id: userId, phone: PHONE } },
  ])
  await everythingIsDelivered()
})

test('where nobody defines the task, nothing piles up', async () => {
  await work()
  await writeEvents(db, 3)
  await everythingIsDelivered()
  expect(await db.rows('select id from auth_private.webhooks')).toEqual([])
  expect(await jobs(db)).toEqual([])
})

test('a worker without the task leaves it to one that has it; both are one subscriber', async () => {
  const events: AuthEvent[] = []
  await Promise.all([work(), work(event => void events.push(event))])
  await work(event => void events.push(event))
  expect(await db.rows('select url, events, secret from auth_private.webhooks')).toEqual([
    { url: null, events: null, secret: null },
  ])
  const users = await writeEvents(db, 20)
  await everythingIsDelivered()
  expect(whom(events).sort()).toEqual(users.sort())
})

test("the application's other tasks do their jobs, with graphile-worker's helpers, and their errors are masked", async () => {
  const payloads: unknown[] = []
  const worker = await startWorker({
    ownerUrl: db.ownerUrl,
    log,
    tasks: {
      greet: async (payload, { job, query }) => {
        payloads.push(payload, job.task_identifier, (await query('select 1 as one')).rows)
        throw new Error(`not ${PHONE}`)
      },
    },
  })
  workers.push(worker)
  await db.rows(`select graphile_worker.add_job('greet', '{"name": "you"}')`)
  await until(async () => (await jobs(db)).some(({ last_error }) => last_error !== null))
  expect(payloads).toEqual([{ name: 'you' }, 'greet', [{ one: 1 }]])
  expect(await jobs(db)).toMatchObject([{ last_error: 'not +86138****5678' }])
})

test.each(['deliver', 'clean_up'])("a task cannot have the name of the worker's own: %s", async name => {
  await expect(startWorker({ ownerUrl: db.ownerUrl, log, tasks: { [name]: () => {} } })).rejects.toThrow(
    `The task ${name} is the worker's own`,
  )
})

describe.each(everyRound)('round %i', () => {
  test("two workers are not in each other's way: every event is delivered once", async () => {
    const events: AuthEvent[] = []
    const slowly: EventTask = async event => {
      events.push(event)
      await sleep(5)
    }
    await Promise.all([work(slowly), work(slowly)])
    const users = await writeEvents(db, 300)
    await everythingIsDelivered()
    expect(whom(events).sort()).toEqual(users.sort())
  })
})

test('a subscriber that fails is called again, until it succeeds', async () => {
  const calls: AuthEvent[] = []
  await work(event => {
    calls.push(event)
    if (calls.length < 3) throw new Error(`not now, ${PHONE}`)
  })
  const [userId] = await writeEvents(db, 1)
  for (const attempts of [1, 2]) {
    await until(async () => (await deliveries(db)).some(delivery => delivery.attempts === attempts))
    expect(calls).toHaveLength(attempts)
    expect(await deliveries(db)).toMatchObject([{ last_error: 'not now, +86138****5678', last_status: null }])
    await hurry(db)
  }
  await everythingIsDelivered()
  expect(whom(calls)).toEqual([userId, userId, userId])
  expect(calls).toEqual([calls[0], calls[0], calls[0]])
})

test('a subscriber that fails for one user is told about everybody else', async () => {
  const events: AuthEvent[] = []
  const [bad, ...good] = await writeEvents(db, 10)
  await work(event => {
    if (event.data.user_id === bad) throw new Error('never')
    events.push(event)
  })
  await until(
    async () => (await deliveries(db)).every(({ attempts }) => attempts === 1) && events.length === 9,
  )
  expect(whom(events).sort()).toEqual(good.sort())
  expect(await deliveries(db)).toMatchObject([{ user_id: bad, attempts: 1, last_error: 'never' }])
})

test('an event that was deleted meanwhile is no error', async () => {
  const events: AuthEvent[] = []
  const worker = await work(() => {})
  await stop(worker)
  const [gone, kept] = await writeEvents(db, 2)
  await db.row('select auth_private.relay_events(10)')
  expect(await deliveries(db)).toHaveLength(2)
  await db.rows('delete from auth_private.events where user_id = $1', [gone])
  await work(event => void events.push(event))
  await everythingIsDelivered()
  expect(whom(events)).toEqual([kept])
})

test('a job that the version before made of an event is not lost', async () => {
  const events: AuthEvent[] = []
  const [userId] = await writeEvents(db, 1, 'now()')
  await db.rows(`select graphile_worker.add_job('auth_event', json_build_object('event_id', max(id)))
                 from auth_private.events`)
  await work(event => void events.push(event))
  await until(() => events.length > 0)
  expect(whom(events)).toEqual([userId])
})

test('a payload that is none of ours fails, and calls nobody', async () => {
  const events: AuthEvent[] = []
  await db.rows(`select graphile_worker.add_job('auth_event', '{"subscriber_id": "1 or true"}')`)
  await work(event => void events.push(event))
  await until(async () => (await jobs(db)).some(({ last_error }) => last_error !== null))
  expect(events).toEqual([])
})

test('stopping waits for the jobs at hand, and leaves none locked', async () => {
  let started = 0
  let finished = 0
  const worker = await work(async () => {
    started++
    await sleep(300)
    finished++
  })
  await writeEvents(db, 20)
  await until(() => started > 0)
  await stop(worker)
  expect(finished).toBe(started)
  expect(await deliveries(db)).toHaveLength(20 - finished)
  expect(finished).toBeLessThan(20)
  expect((await jobs(db)).filter(({ locked_by }) => locked_by !== null)).toEqual([])
  // The next one does the rest.
  await work(() => {})
  await everythingIsDelivered()
})

describe('while the database cannot be reached', () => {
  test('events wait, and are delivered afterwards', async () => {
    const wire = await startProxy(db.ownerUrl)
    const events: AuthEvent[] = []
    const worker = await work(event => void events.push(event), wire.url)
    try {
      const [before] = await writeEvents(db, 1)
      await until(() => events.length === 1)
      await everythingIsDelivered()
      wire.cut()
      const after = await writeEvents(db, 3)
      await sleep(3_000)
      expect(whom(events)).toEqual([before])
      wire.mend()
      await until(() => events.length === 4)
      await everythingIsDelivered()
      expect(whom(events).sort()).toEqual([before, ...after].sort())
    } finally {
      await stop(worker)
      await wire.close()
    }
  })

  test.each<[string, (attempt: number) => void]>([
    ['succeeds', () => {}],
    [
      'fails',
      attempt => {
        if (attempt === 1) throw new Error('not now')
      },
    ],
  ])('a job that %s then is finished afterwards, and the worker goes on', async (_case, end) => {
    const wire = await startProxy(db.ownerUrl)
    let attempts = 0
    const worker = await work(async () => {
      attempts++
      if (attempts === 1) {
        wire.cut()
        await sleep(500)
      }
      end(attempts)
    }, wire.url)
    try {
      await writeEvents(db, 1)
      await until(() => attempts === 1)
      await sleep(2_000)
      wire.mend()
      await until(async () => (await jobs(db)).every(({ locked_by }) => locked_by === null))
      await until(async () => (await deliveries(db)).every(delivery => delivery.attempts > 0))
      await hurry(db)
      await everythingIsDelivered()
      await writeEvents(db, 2)
      await until(async () => attempts >= 3)
      await everythingIsDelivered()
    } finally {
      await stop(worker)
      await wire.close()
    }
  })

  test('a worker can be stopped', async () => {
    const wire = await startProxy(db.ownerUrl)
    const worker = await work(() => {}, wire.url)
    wire.cut()
    await sleep(1_500)
    await stop(worker)
    await wire.close()
  })
})

test('a worker that cannot start says so, and leaves no connection behind', async () => {
  const other = await createDatabase()
  try {
    // As a later graphile-worker would leave it.
    await other.rows('insert into graphile_worker.migrations (id, breaking) values (1000, true)')
    await expect(work(() => {}, other.ownerUrl)).rejects.toThrow()
    // graphile-worker decides how the process ends by then; this one is the suite's.
    process.exitCode = undefined
    await until(async () => {
      const { n } = await other.row<{ n: number }>(
        `select count(*)::int as n from pg_stat_activity
         where datname = current_database() and application_name like '%worker%'`,
      )
      return n === 0
    })
  } finally {
    await other.drop()
  }
})

test('a worker cannot start without a database', async () => {
  const wire = await startProxy(db.ownerUrl)
  wire.cut()
  await expect(work(() => {}, wire.url)).rejects.toThrow()
  await wire.close()
})

describe.each(everyRound)('round %i', () => {
  test('a database that goes away while the worker begins keeps it from nothing', async () => {
    const wire = await startProxy(db.ownerUrl)
    try {
      for (let n = 0; n < 8; n++) {
        const told: string[] = []
        const timer = setTimeout(() => {
          wire.cut()
          setTimeout(() => wire.mend(), 20)
        }, n * 12)
        const begin = () => work(({ data }) => void told.push(data.user_id!), wire.url)
        // It may fail to begin, and says so; it must not begin and do nothing.
        const worker = await begin().catch(() => {
          clearTimeout(timer)
          wire.mend()
          return begin()
        })
        clearTimeout(timer)
        wire.mend()
        const [userId] = await writeEvents(db, 1)
        await until(() => told.includes(userId!))
        await stop(worker)
      }
    } finally {
      await wire.close()
    }
  })
})
