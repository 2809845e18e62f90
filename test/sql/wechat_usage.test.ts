import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { statements } from '../../src/db/statements.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { everyRound } from '../support/rounds.ts'
import { servers } from '../support/servers.ts'
import { createAdmin } from './admin_login.ts'

// Counts of WeChat's calls in the database: many nodes at once, what is warned of, and who may look.

const APP = 'wx1111111111111111'
const OTHER = 'wx2222222222222222'
const NODES = 8

type Counted = [appid: string, day: string, endpoint: string, errcode: number | null, calls: number]
const taps = (calls: number, day = '2026-11-23', appid = APP): Counted => [
  appid,
  day,
  'getuserphonenumber',
  0,
  calls,
]

/** A node: a connection of the web service's, and the numbers of its additions. */
const nodeOf = (queryable: Pick<pg.Client, 'query'>, budget: number | null = null) => {
  const id = randomUUID()
  let flush = 0
  const add = async (counts: Counted[], number: number, itsBudget: number | null) => {
    const columns = [0, 1, 2, 3, 4].map(column => counts.map(count => count[column]))
    return (await queryable.query({ ...statements.countCalls, values: [id, number, ...columns, itsBudget] }))
      .rows
  }
  return {
    add: (...counts: Counted[]) => add(counts, ++flush, budget),
    addFor: (itsBudget: number | null, ...counts: Counted[]) => add(counts, ++flush, itsBudget),
    again: (number: number, ...counts: Counted[]) => add(counts, number, budget),
  }
}

describe.each(servers)('on $name', server => {
  let db: TestDatabase
  let clients: pg.Client[]

  beforeAll(async () => {
    db = await createDatabase({ server })
    clients = Array.from({ length: NODES }, () => new pg.Client({ connectionString: db.webUrl }))
    await Promise.all(clients.map(client => client.connect()))
  })
  afterEach(() =>
    db.rows(
      'truncate auth.wechat_calls, auth_private.wechat_counters, auth_private.wechat_budgets, auth_private.events cascade',
    ),
  )
  afterAll(async () => {
    await Promise.all(clients.map(client => client.end()))
    await db.drop()
  })

  const node = (budget: number | null = null, at = 0) => nodeOf(clients[at]!, budget)
  const counted = async () =>
    (
      await db.rows<Record<string, string | null>>(
        `select appid, day::text, endpoint, errcode, calls from auth.wechat_calls order by 1, 2, 3, 4`,
      )
    ).map(row => Object.values(row).join(' '))
  const events = () =>
    db.rows<{ user_id: string; data: Record<string, unknown> }>(
      `select user_id, data from auth_private.events where type = 'wechat.budget_warning' order by id`,
    )

  describe('counting', () => {
    test('adds up by app, day, interface and errcode; no proper answer is one of them', async () => {
      const one = node()
      await one.add(taps(2), taps(1, '2026-11-24'), taps(1, '2026-11-23', OTHER))
      await one.add(taps(3), [APP, '2026-11-23', 'jscode2session', null, 4])
      await node(null, 1).add(
        [APP, '2026-11-23', 'jscode2session', null, 1],
        [APP, '2026-11-23', 'jscode2session', -1, 1],
      )
      expect(await counted()).toEqual([
        `${APP} 2026-11-23 getuserphonenumber 0 5`,
        `${APP} 2026-11-23 jscode2session -1 1`,
        `${APP} 2026-11-23 jscode2session  5`,
        `${APP} 2026-11-24 getuserphonenumber 0 1`,
        `${OTHER} 2026-11-23 getuserphonenumber 0 1`,
      ])
    })

    test('the same key twice in one addition, and an addition of nothing', async () => {
      await node().add(taps(2), taps(3))
      await node(1).add()
      expect(await counted()).toEqual([`${APP} 2026-11-23 getuserphonenumber 0 5`])
    })

    test('an errcode of any size is counted', async () => {
      await node().add([APP, '2026-11-23', 'token', Number.MAX_SAFE_INTEGER, 1])
      expect(await counted()).toEqual([`${APP} 2026-11-23 token ${Number.MAX_SAFE_INTEGER} 1`])
    })

    test('an addition that comes again, or late, changes nothing', async () => {
      const one = node(0.03)
      await one.add(taps(2))
      await one.add(taps(3))
      expect(await one.again(2, taps(3))).toEqual([])
      expect(await one.again(1, taps(2))).toEqual([])
      expect(await counted()).toEqual([`${APP} 2026-11-23 getuserphonenumber 0 5`])
      expect(await events()).toHaveLength(1)
    })

    test('an addition that comes again while the first one runs waits for it, and is not counted twice', async () => {
      const [first, second] = clients
      const values = [randomUUID(), 1, [APP], ['2026-11-23'], ['token'], [0], [7], null]
      await first!.query('begin')
      await first!.query({ ...statements.countCalls, values })
      let isDone = false
      const again = second!.query({ ...statements.countCalls, values }).then(() => {
        isDone = true
      })
      await sleep(100)
      expect(isDone).toBe(false)
      await first!.query('commit')
      await again
      expect(await counted()).toEqual([`${APP} 2026-11-23 token 0 7`])
    })

    test('what was rolled back is counted when it comes again', async () => {
      const one = node()
      await clients[0]!.query('begin')
      await one.add(taps(2))
      await clients[0]!.query('rollback')
      await one.again(1, taps(2))
      expect(await counted()).toEqual([`${APP} 2026-11-23 getuserphonenumber 0 2`])
    })

    test('rows are taken in one order: who waits for the first has none of the others', async () => {
      const counts = Array.from({ length: 12 }, (_, n) => taps(1, `2026-11-${String(29 - n)}`))
      await node().add(...counts)
      // Whatever PostgreSQL would rather do.
      await clients[1]!.query('set enable_sort = off')
      let waiting: Promise<unknown> | undefined
      await db.experiment(async first => {
        await first.query(`select from auth.wechat_calls where day = '2026-11-18' for update`)
        waiting = node(null, 1).add(...counts)
        await sleep(100)
        const others = `select from auth.wechat_calls where day > '2026-11-18' for update nowait`
        expect(await db.experiment(client => client.query(others))).toMatchObject({ rowCount: 11 })
      })
      await waiting
      await clients[1]!.query('reset enable_sort')
    })

    test.each(everyRound)('many nodes at once, in any order: none waits for ever (round %i)', async round => {
      const keys = Array.from({ length: 12 }, (_, n): Counted => {
        const endpoint = ['getuserphonenumber', 'jscode2session', 'token'][n % 3]!
        return [n % 2 ? APP : OTHER, `2026-11-${20 + (n % 4)}`, endpoint, n % 5 === 4 ? null : 0, 1]
      })
      const shuffled = (from: number) =>
        [...keys.keys()].map(n => keys[(n * 5 + from * 7 + round) % keys.length]!)
      await Promise.all(
        clients.map(async (_client, at) => {
          const one = node(1000, at)
          for (let n = 0; n < 20; n++) await one.add(...shuffled(n + at))
        }),
      )
      const { calls, rows } = await db.row<{ calls: string; rows: string }>(
        'select sum(calls) as calls, count(*) as rows from auth.wechat_calls',
      )
      expect([calls, rows]).toEqual([
        String(NODES * 20 * keys.length),
        String(new Set(keys.map(String)).size),
      ])
    })
  })

  describe('a budget', () => {
    // 0.03 a tap: 8 of 10.
    const BUDGET = 0.3

    test('warns at 80 %, to the last tap', async () => {
      const one = node(BUDGET)
      expect(await one.add(taps(7))).toEqual([])
      expect(await one.add(taps(1))).toEqual([{ appid: APP, month: '2026-11', taps: '8', cost: '0.24' }])
      expect(await events()).toEqual([
        {
          user_id: '00000000-0000-0000-0000-000000000000',
          data: { appid: APP, month: '2026-11', taps: 8, cost: 0.24, budget: 0.3 },
        },
      ])
      expect(await one.add(taps(100))).toEqual([])
      expect(await node(BUDGET, 1).add(taps(1))).toEqual([])
      expect(await events()).toHaveLength(1)
    })

    test('failures, other interfaces, other apps and other months cost nothing', async () => {
      const one = node(BUDGET)
      await one.add(
        taps(7),
        taps(7, '2026-10-31'),
        taps(7, '2026-12-01'),
        taps(7, '2026-11-23', OTHER),
        [APP, '2026-11-23', 'getuserphonenumber', 40029, 100],
        [APP, '2026-11-23', 'getuserphonenumber', null, 100],
        [APP, '2026-11-23', 'jscode2session', 0, 100],
      )
      expect(await events()).toEqual([])
    })

    test('a month is from its first day to its last; one addition may reach two', async () => {
      const one = node(BUDGET)
      await one.add(taps(4, '2026-11-01'), taps(4, '2026-12-01'))
      expect(await one.add(taps(4, '2026-11-30'), taps(4, '2026-12-31'))).toMatchObject([
        { month: '2026-11', taps: '8' },
        { month: '2026-12', taps: '8' },
      ])
    })

    test('a month is the same for whatever time zone the connection has', async () => {
      const [client] = clients
      await client!.query(`set timezone to 'America/Los_Angeles'`)
      expect(await node(BUDGET).add(taps(8, '2026-11-01'))).toMatchObject([{ month: '2026-11' }])
      await client!.query('reset timezone')
    })

    test('one that is set later counts what was there', async () => {
      await node().add(taps(20))
      expect(await db.rows('select from auth_private.wechat_budgets')).toEqual([])
      expect(await node(BUDGET).add(taps(1))).toMatchObject([{ taps: '21' }])
    })

    test('a larger one warns again, a smaller one does not', async () => {
      const one = node()
      await one.addFor(0.3, taps(8))
      expect(await one.addFor(0.6, taps(7))).toEqual([])
      expect(await one.addFor(0.1, taps(1))).toMatchObject([])
      expect(await one.addFor(0.6, taps(1))).toMatchObject([{ taps: '17' }])
      expect(await one.addFor(0.3, taps(1))).toEqual([])
      expect((await events()).map(({ data }) => data.budget)).toEqual([0.3, 0.6])
    })

    test.each(everyRound)('many nodes at once: one warning a month and app (round %i)', async () => {
      const answers = await Promise.all(
        clients.map(async (_client, at) => {
          const one = node(BUDGET, at)
          const warned = []
          for (let n = 0; n < 10; n++)
            warned.push(...(await one.add(taps(1, `2026-11-${10 + ((n + at) % 9)}`, n % 2 ? APP : OTHER))))
          return warned
        }),
      )
      expect(answers.flat()).toHaveLength(2)
      expect((await events()).map(({ data }) => data.appid).sort()).toEqual([APP, OTHER])
    })

    test('two nodes on two sides of midnight, neither of which sees the other: the later one warns', async () => {
      const [first] = clients
      await first!.query('begin')
      expect(await node(BUDGET, 0).add(taps(4, '2026-11-23'))).toEqual([])
      const later = node(BUDGET, 1).add(taps(4, '2026-11-24'))
      await sleep(100)
      await first!.query('commit')
      expect(await later).toMatchObject([{ taps: '8' }])
      expect(await events()).toHaveLength(1)
    })

    test('a warning that is rolled back is given by the next one', async () => {
      const one = node(BUDGET)
      await clients[0]!.query('begin')
      expect(await one.add(taps(8))).toHaveLength(1)
      await clients[0]!.query('rollback')
      expect(await events()).toEqual([])
      expect(await one.again(1, taps(8))).toHaveLength(1)
      expect(await events()).toHaveLength(1)
    })
  })

  describe('looking', () => {
    const USAGE =
      'select appid, day::text, calls, failures, unanswered, taps, cost from auth.wechat_usage order by 1, 2'

    test('administrators see a line an app and day', async () => {
      await node().add(
        taps(5),
        [APP, '2026-11-23', 'getuserphonenumber', 40029, 2],
        [APP, '2026-11-23', 'getuserphonenumber', null, 3],
        [APP, '2026-11-23', 'jscode2session', 0, 10],
        [OTHER, '2026-11-23', 'stable_token', 0, 1],
      )
      const { pool, drop } = await createAdmin(db)
      try {
        expect((await pool.query(USAGE)).rows).toEqual([
          {
            appid: APP,
            day: '2026-11-23',
            calls: '20',
            failures: '5',
            unanswered: '3',
            taps: '5',
            cost: '0.15',
          },
          {
            appid: OTHER,
            day: '2026-11-23',
            calls: '1',
            failures: '0',
            unanswered: '0',
            taps: '0',
            cost: '0.00',
          },
        ])
        for (const statement of [
          `update auth.wechat_calls set calls = 1`,
          `delete from auth.wechat_calls`,
          `insert into auth.wechat_usage (appid) values ('x')`,
          'select from auth_private.wechat_budgets',
        ])
          await expect(pool.query(statement)).rejects.toMatchObject({
            code: expect.stringMatching(/42501|55000/),
          })
      } finally {
        await drop()
      }
    })

    test.each(['anon', 'authenticated', 'support', 'authenticator'])('%s does not', role =>
      db.experiment(async client => {
        await client.query(`grant ${role} to current_user`)
        for (const name of ['auth.wechat_usage', 'auth.wechat_calls']) {
          await client.query('savepoint before')
          await client.query(`set local role ${role}`)
          await expect(client.query(`select from ${name}`)).rejects.toMatchObject({ code: '42501' })
          await client.query('rollback to before')
        }
      }),
    )

    test('the statements of docs/wechat_usage.md: two of administrators, one of the owner', async () => {
      const page = readFileSync(new URL('../../docs/wechat_usage.md', import.meta.url), 'utf8')
      const [lines, failures, ledger, ...rest] = [...page.matchAll(/^```sql\n(.*?)^```$/gms)].map(
        ([, sql]) => sql!,
      )
      expect(rest).toEqual([])
      const { today } = await db.row<{ today: string }>(
        `select (now() at time zone 'Asia/Shanghai')::date::text as today`,
      )
      await node().add(taps(3, today), [APP, today, 'token', 40125, 2], [APP, today, 'token', null, 1])
      await db.rows(
        `with u as (insert into auth.users default values returning id)
         insert into auth_private.wechat_codes (code_hash, appid, user_id, claim_id, claimed_until, outcome, redeemed_at)
         select sha256(o::bytea), $1, u.id, gen_random_uuid(), now(), nullif(o, 'none'), case when o <> 'none' then now() end
         from u, unnest('{bound,phone_exists,wechat_phone_unusable,wechat_code_invalid,none}'::text[]) o`,
        [APP],
      )
      const { pool, drop } = await createAdmin(db)
      try {
        expect((await pool.query(lines!)).rows).toMatchObject([
          { calls: '6', failures: '3', taps: '3', cost: '0.09' },
        ])
        expect((await pool.query(failures!)).rows).toMatchObject([
          { endpoint: 'token', errcode: '40125', calls: '2' },
          { endpoint: 'token', errcode: null, calls: '1' },
        ])
      } finally {
        await drop()
      }
      expect(await db.rows(ledger!)).toMatchObject([{ taps: '3', in_ledger: '3' }])
      await db.rows('truncate auth.users cascade')
    })
  })
})
