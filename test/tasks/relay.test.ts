import pg from 'pg'
import { createLog } from '../../src/log.ts'
import { startRelay } from '../../src/tasks/relay.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { startProxy } from '../support/proxy.ts'
import { everyRound } from '../support/rounds.ts'
import { jobs, until, writeEvents } from './harness.ts'

const log = createLog('silent')

let db: TestDatabase
const relays: (() => Promise<void>)[] = []

beforeAll(async () => {
  db = await createDatabase()
})
beforeEach(() => db.rows('truncate auth_private.events, graphile_worker._private_jobs'))
afterEach(() => Promise.all(relays.splice(0).map(stop => stop())))
afterAll(() => db.drop())

const relay = (pool = db.owner, logger = log) => void relays.push(startRelay(pool, logger))
const eventIds = async () =>
  (await db.rows<{ id: string }>('select id from auth_private.events order by id')).map(({ id }) => id)
const jobIds = async () => (await jobs(db)).map(({ payload }) => String(payload.event_id))
const waiting = async () =>
  (await db.row<{ n: number }>('select count(*)::int as n from auth_private.events where relayed_at is null'))
    .n
const sorted = (ids: string[]) => ids.toSorted((a, b) => Number(a) - Number(b))

describe('auth_private.relay_events', () => {
  const move = async (limit: number) =>
    (await db.row<{ moved: number }>('select auth_private.relay_events($1) as moved', [limit])).moved

  test('moves at most as many as it is told, the oldest first', async () => {
    await writeEvents(db, 5)
    const ids = await eventIds()
    expect(await move(2)).toBe(2)
    expect(await jobIds()).toEqual(ids.slice(0, 2))
    expect(await move(2)).toBe(2)
    expect(await move(2)).toBe(1)
    expect(await move(2)).toBe(0)
    expect(await jobIds()).toEqual(ids)
    expect(await waiting()).toBe(0)
  })

  test('makes jobs of auth_event that hold the id of the event and nothing else', async () => {
    const [userId] = await writeEvents(db, 1)
    await move(10)
    const [id] = await eventIds()
    expect((await jobs(db)).map(({ task, payload }) => ({ task, payload }))).toEqual([
      { task: 'auth_event', payload: { event_id: Number(id) } },
    ])
    const everything = JSON.stringify(await db.rows('select * from graphile_worker._private_jobs'))
    expect(everything).not.toMatch(/1?3812345678/)
    expect(everything).not.toContain(userId)
  })

  test('skips events that another one is moving', async () => {
    await writeEvents(db, 4)
    const ids = await eventIds()
    const client = await db.owner.connect()
    try {
      await client.query('begin')
      await client.query('select auth_private.relay_events(2)')
      // Whoever waits for the other one fails here.
      const answers: unknown = await db.owner.query(
        `set local lock_timeout = '5s'; select auth_private.relay_events(10) as moved`,
      )
      const { rows } = (answers as pg.QueryResult<{ moved: number }>[])[1]!
      expect(rows).toEqual([{ moved: 2 }])
      expect(await jobIds()).toEqual(ids.slice(2))
    } finally {
      await client.query('rollback')
      client.release()
    }
    expect(await move(10)).toBe(2)
    expect(sorted(await jobIds())).toEqual(ids)
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
    expect(await jobs(db)).toEqual([])
  })
})

describe('the relay', () => {
  test('turns events into jobs, those that are there and those that come', async () => {
    await writeEvents(db, 3)
    relay()
    await until(async () => (await jobs(db)).length === 3)
    await writeEvents(db, 2)
    await until(async () => (await jobs(db)).length === 5)
    expect(await jobIds()).toEqual(await eventIds())
  })

  test('works off a backlog in batches', async () => {
    await writeEvents(db, 1_201)
    relay()
    await until(async () => (await waiting()) === 0)
    expect(sorted(await jobIds())).toEqual(await eventIds())
    const batches = await db.rows<{ n: number }>(
      'select count(*)::int as n from auth_private.events group by relayed_at order by relayed_at',
    )
    expect(batches.map(({ n }) => n)).toEqual([500, 500, 201])
  })

  describe.each(everyRound)('round %i', () => {
    test('several share the work: every event becomes one job', async () => {
      for (let n = 0; n < 4; n++) relay()
      await Promise.all(Array.from({ length: 20 }, () => writeEvents(db, 100)))
      await until(async () => (await waiting()) === 0)
      expect(sorted(await jobIds())).toEqual(await eventIds())
      expect(await eventIds()).toHaveLength(2_000)
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
      await until(async () => (await jobs(db)).length === 3)
      expect(await jobIds()).not.toContain(late)
      await client.query('commit')
      await until(async () => (await jobs(db)).length === 4)
      expect(await jobIds()).toContain(late)
      expect(Number(late)).toBeLessThan(Math.min(...(await jobIds()).slice(0, 3).map(Number)))
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
      await until(async () => (await jobs(db)).length === 1)
      wire.cut()
      await writeEvents(db, 2)
      await until(() => failures.length > 0)
      expect(await jobs(db)).toHaveLength(1)
      wire.mend()
      await until(async () => (await jobs(db)).length === 3)
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
    await until(async () => (await jobs(db)).length === 1)
    await relays.pop()!()
    await writeEvents(db, 1)
    // Longer than its rhythm.
    await db.row('select pg_sleep(1.5)')
    expect(await jobs(db)).toHaveLength(1)
  })
})
