import pg from 'pg'
import { createLog } from '../../src/log.ts'
import { startRelay } from '../../src/tasks/relay.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { startProxy } from '../support/proxy.ts'
import { everyRound } from '../support/rounds.ts'
import { until, writeEvents } from './harness.ts'

const log = createLog('silent')

let db: TestDatabase
/** Wants everything. */
let subscriberId: string
const relays: (() => Promise<void>)[] = []

beforeAll(async () => {
  db = await createDatabase()
})
beforeEach(async () => {
  await db.rows('truncate auth_private.events, auth_private.webhooks, graphile_worker._private_jobs cascade')
  const { id } = await db.row<{ id: string }>(`select id from auth.admin_add_webhook('http://receiver.test')`)
  subscriberId = id
})
afterEach(() => Promise.all(relays.splice(0).map(stop => stop())))
afterAll(() => db.drop())

const relay = (pool = db.owner, logger = log) => void relays.push(startRelay(pool, logger))
const eventIds = async () =>
  (await db.rows<{ id: string }>('select id from auth_private.events order by id')).map(({ id }) => id)
/** Of which events there are deliveries, in the order in which they were made. */
const relayed = async () =>
  (await db.rows<{ event_id: string }>('select event_id from auth_private.deliveries order by id')).map(
    ({ event_id }) => event_id,
  )
const byNumber = (a: string, b: string) => Number(a) - Number(b)
const waiting = async () =>
  (await db.row<{ n: number }>('select count(*)::int as n from auth_private.events where relayed_at is null'))
    .n

describe('auth_private.relay_events', () => {
  const move = async (limit: number, client: Pick<pg.Pool, 'query'> = db.owner) => {
    const { rows } = await client.query<{ moved: number }>('select auth_private.relay_events($1) as moved', [
      limit,
    ])
    return rows[0]!.moved
  }
  const subscriberJobs = () =>
    db.rows<{ task_identifier: string; key: string; queue_name: string; payload: object }>(
      `select j.task_identifier, j.key, j.queue_name, p.payload
       from graphile_worker.jobs j join graphile_worker._private_jobs p using (id) order by 1, 2`,
    )

  test('moves at most as many as it is told, the oldest first', async () => {
    await writeEvents(db, 5)
    const ids = await eventIds()
    expect(await move(2)).toBe(2)
    expect(await relayed()).toEqual(ids.slice(0, 2))
    expect(await move(2)).toBe(2)
    expect(await move(2)).toBe(1)
    expect(await move(2)).toBe(0)
    expect(await relayed()).toEqual(ids)
    expect(await waiting()).toBe(0)
  })

  test('makes one job for a subscriber, which holds its id and nothing else', async () => {
    const [userId] = await writeEvents(db, 3)
    await move(10)
    await move(10)
    const name = `subscriber:${subscriberId}`
    expect(await subscriberJobs()).toEqual([
      { task_identifier: 'deliver', key: name, queue_name: name, payload: { subscriber_id: subscriberId } },
    ])
    const everything = JSON.stringify(await db.rows('select * from graphile_worker._private_jobs'))
    expect(everything).not.toMatch(/1?3812345678/)
    expect(everything).not.toContain(userId)
  })

  test('makes deliveries for those who want the type, of the job auth_event for the application itself', async () => {
    await db.rows('truncate auth_private.webhooks cascade')
    const add = async (values: string) =>
      (
        await db.row<{ id: string }>(
          `insert into auth_private.webhooks (url, events, secret) values ${values} returning id`,
        )
      ).id
    const all = await add(`('http://a.test', null, 'whsec_')`)
    const some = await add(`('http://b.test', '{user.created,phone.bound}', 'whsec_')`)
    const none = await add(`('http://c.test', '{user.deleted}', 'whsec_')`)
    const task = await add('(null, null, null)')
    await writeEvents(db, 1)
    expect(await move(10)).toBe(1)
    const told = await db.rows<{ webhook_id: string }>('select webhook_id from auth_private.deliveries')
    expect(told.map(row => row.webhook_id).sort()).toEqual([all, some, task].sort())
    const jobs = (await subscriberJobs()).map(({ task_identifier, key }) => [task_identifier, key])
    expect(jobs).toEqual([
      ['auth_event', `subscriber:${task}`],
      ...[all, some].map(id => ['deliver', `subscriber:${id}`]).sort(),
    ])
    expect(jobs.flat()).not.toContain(`subscriber:${none}`)
  })

  test('without subscribers events leave the outbox, and nothing piles up', async () => {
    await db.rows('truncate auth_private.webhooks cascade')
    await writeEvents(db, 3)
    expect(await move(10)).toBe(3)
    expect(await relayed()).toEqual([])
    expect(await subscriberJobs()).toEqual([])
  })

  test('two at once: one moves, the other leaves it to that one', async () => {
    await writeEvents(db, 4)
    await db.experiment(async client => {
      expect(await move(2, client)).toBe(2)
      expect(await move(10)).toBe(0)
    })
    expect(await move(10)).toBe(4)
    expect(await relayed()).toEqual(await eventIds())
  })

  test('passes over an event that somebody has locked, and all others about its user', async () => {
    const [locked, other] = await writeEvents(db, 2)
    await db.rows(
      `insert into auth_private.events (type, user_id) select 'user.deleted', u::uuid from unnest($1::text[]) u`,
      [[locked, other]],
    )
    const [first, second, third, fourth] = await eventIds()
    await db.experiment(async client => {
      await client.query('select from auth_private.events where id = $1 for update', [first])
      // Whoever waits for him fails here.
      const answers: unknown = await db.owner.query(
        `set local lock_timeout = '5s'; select auth_private.relay_events(10) as moved`,
      )
      expect((answers as pg.QueryResult[])[1]!.rows).toEqual([{ moved: 2 }])
      expect(await relayed()).toEqual([second, fourth])
    })
    expect(await move(10)).toBe(2)
    expect(await relayed()).toEqual([second, fourth, first, third])
  })

  describe('a subscriber that has deliveries waiting', () => {
    const job = () =>
      db.row<{ run_at: Date; id: string }>(
        'select id, run_at, attempts, max_attempts from graphile_worker.jobs where key = $1',
        [`subscriber:${subscriberId}`],
      )
    const dueIn = (interval: string) =>
      db.rows('update auth_private.deliveries set due_at = now() + $1::interval', [interval])

    beforeEach(async () => {
      await writeEvents(db, 2)
      await move(10)
      await db.rows('delete from graphile_worker._private_jobs')
    })

    test('gets a job for when the first is due', async () => {
      await dueIn('1 hour')
      await db.rows(
        `update auth_private.deliveries set due_at = now() + interval '5 minutes' where id = (select max(id) from auth_private.deliveries)`,
      )
      await move(10)
      const { due_at } = await db.row<{ due_at: Date }>(
        'select min(due_at) as due_at from auth_private.deliveries',
      )
      expect((await job()).run_at).toEqual(due_at)
    })

    test('gets one that begins now, not in the past: others were there before', async () => {
      await dueIn('-1 hour')
      const { before } = await db.row<{ before: Date }>('select now() as before')
      await move(10)
      expect((await job()).run_at.getTime()).toBeGreaterThanOrEqual(before.getTime())
    })

    test('has its job moved, if that would begin later', async () => {
      await dueIn('1 hour')
      await move(10)
      const late = await job()
      await dueIn('1 minute')
      await move(10)
      const soon = await job()
      expect(soon.id).toBe(late.id)
      expect(soon.run_at.getTime()).toBeLessThan(late.run_at.getTime())
      await dueIn('1 hour')
      await move(10)
      expect((await job()).run_at).toEqual(soon.run_at)
    })

    test.each([
      ['that has used up its attempts', `attempts = max_attempts, last_error = 'dead'`, 1],
      ['that waits for its next attempt', `attempts = 9, run_at = now() + interval '6 hours'`, 1],
      ['that is being done', `locked_at = now(), locked_by = 'somebody'`, 0],
    ])('and a job %s', async (_what, change, gets) => {
      await move(10)
      await db.rows(`update graphile_worker._private_jobs set ${change}`)
      await move(10)
      const { n } = await db.row<{ n: number }>(
        `select count(*)::int as n from graphile_worker.jobs
         where key = $1 and locked_at is null and attempts < max_attempts and run_at <= now()`,
        [`subscriber:${subscriberId}`],
      )
      expect(n).toBe(gets)
    })

    test('is told of later events of a user not before the earlier ones', async () => {
      await dueIn('1 hour')
      const { user_id } = await db.row<{ user_id: string }>(
        'select user_id from auth_private.deliveries limit 1',
      )
      await db.rows(`insert into auth_private.events (type, user_id) values ('user.deleted', $1)`, [user_id])
      await move(10)
      const { times } = await db.row<{ times: number }>(
        'select count(distinct due_at)::int as times from auth_private.deliveries where user_id = $1',
        [user_id],
      )
      expect(times).toBe(1)
    })
  })

  test('moves nothing that is rolled back', async () => {
    const client = await db.owner.connect()
    try {
      await client.query('begin')
      await writeEvents(
        { rows: async (text, values) => (await client.query(text, values)).rows as never[] },
        1,
      )
      await client.query('rollback')
    } finally {
      client.release()
    }
    expect(await move(10)).toBe(0)
    expect(await relayed()).toEqual([])
  })
})

describe('the relay', () => {
  test('makes deliveries of events, those that are there and those that come', async () => {
    await writeEvents(db, 3)
    relay()
    await until(async () => (await relayed()).length === 3)
    await writeEvents(db, 2)
    await until(async () => (await relayed()).length === 5)
    expect(await relayed()).toEqual(await eventIds())
  })

  test('works off a backlog in batches', async () => {
    await writeEvents(db, 1_201)
    relay()
    await until(async () => (await waiting()) === 0)
    expect(await relayed()).toEqual(await eventIds())
    const batches = await db.rows<{ n: number }>(
      'select count(*)::int as n from auth_private.events group by relayed_at order by relayed_at',
    )
    expect(batches.map(({ n }) => n)).toEqual([500, 500, 201])
  })

  describe.each(everyRound)('round %i', () => {
    test('several try, while many write: every event becomes one delivery', async () => {
      for (let n = 0; n < 4; n++) relay()
      await Promise.all(Array.from({ length: 20 }, () => writeEvents(db, 100)))
      await until(async () => (await waiting()) === 0)
      expect((await relayed()).sort(byNumber)).toEqual(await eventIds())
      expect(await eventIds()).toHaveLength(2_000)
    })

    test('several try, while many write about the same users: the events of each keep their order', async () => {
      const users = (await writeEvents(db, 3)).map(id => `'${id}'`)
      let isOver = false
      const relaying = Promise.all(
        [1, 2, 3].map(async () => {
          while (!isOver) await db.rows('select auth_private.relay_events(5)')
        }),
      )
      const writers = new pg.Pool({ connectionString: db.ownerUrl, max: 8 })
      // As every definer that writes an event about a user, who holds his row until the commit.
      const write = (user: string) =>
        writers.query(
          `begin; select pg_advisory_xact_lock(hashtext(${user}));
           insert into auth_private.events (type, user_id) values ('user.signed_in', ${user});
           select pg_sleep(random() * 0.01); commit`,
        )
      await Promise.all(Array.from({ length: 240 }, (_, n) => write(users[n % 3]!)))
      isOver = true
      await relaying
      await writers.end()
      await db.rows('select auth_private.relay_events(500)')
      expect(await relayed()).toHaveLength(243)
      const overtaken = await db.rows(
        `select d.event_id from auth_private.deliveries d join auth_private.deliveries later using (user_id)
         where d.event_id > later.event_id and d.id < later.id`,
      )
      expect(overtaken).toEqual([])
    })
  })

  test('does not lose an event of a lower id that is committed later', async () => {
    relay()
    const client = new pg.Client({ connectionString: db.ownerUrl })
    await client.connect()
    try {
      await client.query('begin')
      const { rows } = await client.query<{ id: string }>(
        `insert into auth_private.events (type, user_id) values ('user.created', gen_random_uuid()) returning id`,
      )
      const late = rows[0]!.id
      await writeEvents(db, 3)
      await until(async () => (await relayed()).length === 3)
      expect(await relayed()).not.toContain(late)
      await client.query('commit')
      await until(async () => (await relayed()).length === 4)
      expect(await relayed()).toContain(late)
      expect(Number(late)).toBeLessThan(Math.min(...(await relayed()).slice(0, 3).map(Number)))
    } finally {
      await client.end()
    }
  })

  test('survives a lost connection', async () => {
    const wire = await startProxy(db.ownerUrl)
    const pool = new pg.Pool({ connectionString: wire.url, max: 2 })
    pool.on('error', () => {})
    const failures: unknown[] = []
    const logger = createLog('silent')
    logger.warn = ((...args: unknown[]) => void failures.push(args)) as typeof logger.warn
    const stop = startRelay(pool, logger)
    try {
      await writeEvents(db, 1)
      await until(async () => (await relayed()).length === 1)
      wire.cut()
      await writeEvents(db, 2)
      await until(() => failures.length > 0)
      expect(await relayed()).toHaveLength(1)
      wire.mend()
      await until(async () => (await relayed()).length === 3)
    } finally {
      await stop()
      await pool.end()
      await wire.close()
    }
    expect(JSON.stringify(failures)).toMatch(/events could not be relayed; they wait/)
  })

  test('ends at once, and moves nothing afterwards', async () => {
    relay()
    await writeEvents(db, 1)
    await until(async () => (await relayed()).length === 1)
    await relays.pop()!()
    await writeEvents(db, 1)
    // Longer than its rhythm.
    await db.row('select pg_sleep(1.5)')
    expect(await relayed()).toHaveLength(1)
  })
})
