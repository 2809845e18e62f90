import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { migrate } from '../../src/db/migrate.ts'
import { createLog } from '../../src/log.ts'
import { COUNTED, definitionOf, names } from '../../src/metrics/catalogue.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { recordedLog } from '../support/leaks.ts'
import { servers } from '../support/servers.ts'
import { writeEvents } from '../tasks/harness.ts'

// What auth_private.metrics says, of a database that was brought into a state on purpose.

const APP = 'wx0123456789abcdef'

describe.each(servers)('on $name', server => {
  let db: TestDatabase
  let web: pg.Pool

  beforeAll(async () => {
    db = await createDatabase({ server })
    web = new pg.Pool({ connectionString: db.webUrl, max: 1 })
  })
  afterAll(async () => {
    await web.end()
    await db.drop()
  })

  interface Row {
    name: string
    labels: Record<string, string>
    value: number
  }
  /** By `name state`. */
  async function read(kind = 'stable'): Promise<Record<string, number>> {
    const { rows } = await web.query<Row>('select * from auth_private.metrics($1, $2)', [[APP], kind])
    return Object.fromEntries(
      rows.map(({ name, labels, value }) => [[name, ...Object.values(labels)].join(' '), value]),
    )
  }

  const nothing = {
    outbox_events: 0,
    outbox_oldest_event_seconds: 0,
    'deliveries waiting': 0,
    'deliveries retrying': 0,
    'deliveries failed': 0,
    deliveries_oldest_due_seconds: 0,
    'ledger_claims pending': 0,
    'ledger_claims released': 0,
    'ledger_claims lost': 0,
    'jobs due': 0,
    'jobs scheduled': 0,
    'jobs running': 0,
    'jobs failed': 0,
    jobs_oldest_due_seconds: 0,
  }

  test('of an empty database', async () => {
    expect(await read()).toEqual(nothing)
  })

  test('it says what the page has, and what the labels may say', async () => {
    await db.rows(
      `insert into auth_private.wechat_access_tokens values ($1, 'stable', 'token', now() + '1 hour', now())`,
      [APP],
    )
    const { rows } = await web.query<Row>('select * from auth_private.metrics($1, $2)', [[APP], 'stable'])
    const said = new Set(rows.map(({ name }) => name))
    const ofDatabase = names.filter(name => definitionOf(name).of === 'database')
    expect([...said].sort()).toEqual([...ofDatabase].sort())
    for (const name of ofDatabase) {
      const { labels } = definitionOf(name)
      const { state } = labels
      if (!Array.isArray(state)) continue
      const states = rows.flatMap(row => (row.name === name ? [row.labels.state] : []))
      expect(states.sort()).toEqual([...state].sort())
    }
    await db.rows('delete from auth_private.wechat_access_tokens')
  })

  test('access tokens: age and end, of the apps and the kind that are asked for', async () => {
    await db.rows(
      `insert into auth_private.wechat_access_tokens (appid, kind, access_token, expires_at, fetched_at, failures) values
         ($1, 'stable', 'token', now() + interval '100 s', now() - interval '50 s', 0),
         ($1, 'legacy', null, null, now() - interval '70 s', 3),
         ('wx1111111111111111', 'stable', 'token', now(), now(), 0)`,
      [APP],
    )
    const near = (value: number) => expect.closeTo(value, -1)
    expect(await read()).toMatchObject({
      [`access_token_age_seconds ${APP}`]: near(50),
      [`access_token_remaining_seconds ${APP}`]: near(100),
      [`access_token_failures ${APP}`]: 0,
    })
    expect(await read('legacy')).toEqual({
      ...nothing,
      [`access_token_age_seconds ${APP}`]: near(70),
      [`access_token_remaining_seconds ${APP}`]: 0,
      [`access_token_failures ${APP}`]: 3,
    })
    await db.rows(`update auth_private.wechat_access_tokens set expires_at = now() - interval '1 day', fetched_at = null
      where kind = 'stable'`)
    expect(await read()).toEqual({
      ...nothing,
      [`access_token_remaining_seconds ${APP}`]: 0,
      [`access_token_failures ${APP}`]: 0,
    })
    await db.rows('delete from auth_private.wechat_access_tokens')
  })

  test('the outbox: what was not relayed, and since when', async () => {
    await writeEvents(db, 3)
    await writeEvents(db, 5, 'now()')
    await db.rows(
      `update auth_private.events set created_at = now() - interval '90 s'
       where id = (select min(id) from auth_private.events)`,
    )
    expect(await read()).toMatchObject({
      outbox_events: 3,
      outbox_oldest_event_seconds: expect.closeTo(90, -1),
    })
    await writeEvents(db, COUNTED)
    expect(await read()).toMatchObject({ outbox_events: COUNTED })
    await db.rows('update auth_private.events set relayed_at = now()')
    expect(await read()).toMatchObject({ outbox_events: 0, outbox_oldest_event_seconds: 0 })
  })

  test('deliveries: new, failing, given up, and the one that is due longest', async () => {
    const deliver = `
      with w as (
        insert into auth_private.webhooks (url, secret) values ('https://' || gen_random_uuid() || '.test', 'whsec_x') returning id
      )
      insert into auth_private.deliveries (webhook_id, event_id, user_id, state, attempts, due_at)
      select w.id, e.id, e.user_id, $1, $2, now() + $3::interval
      from w, (select * from auth_private.events limit $4) e`
    await db.rows(deliver, ['waiting', 0, '1 hour', 2])
    expect(await read()).toMatchObject({ 'deliveries waiting': 2, deliveries_oldest_due_seconds: 0 })
    await db.rows(deliver, ['waiting', 3, '-40 s', 4])
    await db.rows(deliver, ['failed', 9, '-1 day', 5])
    expect(await read()).toMatchObject({
      'deliveries waiting': 2,
      'deliveries retrying': 4,
      'deliveries failed': 5,
      deliveries_oldest_due_seconds: expect.closeTo(40, -1),
    })
    await db.rows('delete from auth_private.webhooks')
  })

  test('codes: asked for, given back, and lost', async () => {
    const claim = `
      with u as (insert into auth.users default values returning id)
      insert into auth_private.wechat_codes (code_hash, appid, user_id, claim_id, claimed_until, created_at)
      select sha256(gen_random_uuid()::text::bytea), $1, u.id, gen_random_uuid(), $2::timestamptz, now() - $3::interval
      from u, generate_series(1, $4)`
    const at = (seconds: number) => new Date(Date.now() + seconds * 1000)
    await db.rows(claim, [APP, at(5), '1 s', 1])
    await db.rows(claim, [APP, '-infinity', '1 s', 2])
    await db.rows(claim, [APP, at(-5), '1 s', 3])
    await db.rows(claim, [APP, at(-400), '6 minutes', 4])
    await db.rows(
      `update auth_private.wechat_codes set outcome = 'wechat_code_invalid', redeemed_at = now()
       where code_hash = (select code_hash from auth_private.wechat_codes where claimed_until = '-infinity' limit 1)`,
    )
    expect(await read()).toMatchObject({
      'ledger_claims pending': 1,
      'ledger_claims released': 1,
      'ledger_claims lost': 3,
    })
    await db.rows('delete from auth_private.wechat_codes')
  })

  test('jobs: due, for later, running and given up; the application has some too', async () => {
    const add = (name: string, options: string) =>
      db.rows(`select graphile_worker.add_job($1, '{}'${options})`, [name])
    await add('chore', `, run_at => now() - interval '30 s'`)
    await add('chore', `, run_at => now() - interval '20 s'`)
    await add('chore', `, run_at => now() + interval '1 day'`)
    await add('running', '')
    await add('failed', `, max_attempts => 1, run_at => now() - interval '1 day'`)
    const set = (name: string, what: string) =>
      db.rows(
        `update graphile_worker._private_jobs j set ${what}
         from graphile_worker._private_tasks t where t.id = j.task_id and t.identifier = $1`,
        [name],
      )
    await set('running', `locked_by = 'me', locked_at = now(), attempts = max_attempts`)
    await set('failed', 'attempts = max_attempts')
    expect(await read()).toMatchObject({
      'jobs due': 2,
      'jobs scheduled': 1,
      'jobs running': 1,
      'jobs failed': 1,
      jobs_oldest_due_seconds: expect.closeTo(30, -1),
    })
    await db.rows('delete from graphile_worker._private_jobs')
  })

  describe('without rights on jobs', () => {
    const { 'jobs due': _due, ...rest } = nothing
    const withoutJobs = Object.fromEntries(Object.entries(rest).filter(([name]) => !name.startsWith('jobs')))

    test.each([
      [
        'a view that was made anew, without our grant',
        'revoke select on graphile_worker.jobs from auth_watcher',
      ],
      ['a schema that is closed', 'revoke usage on schema graphile_worker from auth_watcher'],
      ['a view without a column', 'alter view graphile_worker.jobs rename column locked_at to held_at'],
      ['no view', 'alter view graphile_worker.jobs rename to former_jobs'],
    ])('%s: the other numbers are there', (_what, statement) =>
      db.experiment(async client => {
        await client.query(statement)
        const { rows } = await client.query<Row>('select * from auth_private.metrics($1, $2)', [
          [APP],
          'stable',
        ])
        expect(
          Object.fromEntries(
            rows.map(({ name, labels, value }) => [[name, ...Object.values(labels)].join(' '), value]),
          ),
        ).toEqual(withoutJobs)
      }),
    )

    test('migrate grants them again', async () => {
      await db.rows('revoke select on graphile_worker.jobs from auth_watcher')
      await db.rows('revoke usage on schema graphile_worker from auth_watcher')
      expect(await read()).toEqual(withoutJobs)
      await migrate({ ownerUrl: db.ownerUrl, log: recordedLog() })
      expect(await read()).toEqual(nothing)
    })

    test('migrate goes on where it cannot, and says so', async () => {
      const lines: string[] = []
      const log = createLog('warn', { write: line => void lines.push(line) })
      await db.rows('alter view graphile_worker.jobs rename to former_jobs')
      try {
        await migrate({ ownerUrl: db.ownerUrl, log })
        expect(lines).toEqual([expect.stringContaining('the metrics cannot count jobs')])
      } finally {
        await db.rows('alter view graphile_worker.former_jobs rename to jobs')
      }
    })
  })

  test.each(['anon', 'authenticated', 'service_role', 'support'])('%s cannot ask', role =>
    db.experiment(async client => {
      await client.query(`grant ${role} to current_user`)
      await client.query(`set local role ${role}`)
      await expect(client.query(`select auth_private.metrics('{}', 'stable')`)).rejects.toMatchObject({
        code: '42501',
      })
    }),
  )

  test('hundreds of thousands of events and codes cost what none do', async () => {
    const user = randomUUID()
    await db.rows(`insert into auth.users (id) values ($1)`, [user])
    await db.rows(
      `insert into auth_private.events (type, user_id, created_at, relayed_at)
       select 'user.signed_in', $1, now() - interval '1 day', now() - interval '1 day' from generate_series(1, 200000)`,
      [user],
    )
    await db.rows(
      `insert into auth_private.wechat_codes
         (code_hash, appid, user_id, claim_id, claimed_until, outcome, redeemed_at, created_at)
       select sha256(n::text::bytea), $1, $2, gen_random_uuid(), now(), 'bound', now(), now() - interval '1 day'
       from generate_series(1, 100000) n`,
      [APP, user],
    )
    await db.rows('analyze auth_private.events, auth_private.wechat_codes')
    const blocks = async () => {
      const { rows } = await web.query<{ 'QUERY PLAN': [{ Plan: Record<string, number> }] }>(
        `explain (analyze, buffers, format json) select * from auth_private.metrics(array['${APP}'], 'stable')`,
      )
      const plan = rows[0]!['QUERY PLAN'][0].Plan
      return plan['Shared Hit Blocks']! + plan['Shared Read Blocks']!
    }
    await blocks()
    // Read as a whole, the two would be thousands.
    expect(await blocks()).toBeLessThan(500)
  })
})
