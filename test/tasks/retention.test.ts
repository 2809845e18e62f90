import type { JobHelpers } from 'graphile-worker'
import { cleanUpTask } from '../../src/tasks/clean_up.ts'
import { BATCH, RETENTION, type Retention, rules } from '../../src/tasks/retention.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { servers } from '../support/servers.ts'

// What is kept how long, on both sides of the border, and what must stay.

const FOREVER: Retention = { ledger: null, audit: null, phoneHistory: null, events: null, tombstones: null }
const OLD = '10 days 1 minute'
const YOUNG = '9 days 23 hours'

interface Case {
  table: string
  retention: Partial<Retention>
  /** Makes `count` rows of this name, so old. */
  insert: (count: number, name: string, age: string) => [text: string, values: unknown[]]
  /** Their names. */
  names: string
}

const cases: Case[] = [
  {
    table: 'auth_private.wechat_codes',
    retention: { ledger: 10 },
    insert: (count, name, age) => [
      `insert into auth_private.wechat_codes (code_hash, appid, user_id, claim_id, claimed_until, created_at, outcome, redeemed_at)
       select sha256(($2 || n)::bytea), $2, (select id from auth.users where wechat_id = 'o-owner'), gen_random_uuid(),
         now() - $3::interval, now() - $3::interval, 'wechat_code_invalid', now() - $3::interval
       from generate_series(1, $1::integer) n`,
      [count, name, age],
    ],
    names: 'select appid as name from auth_private.wechat_codes',
  },
  {
    table: 'auth.audit_log_entries',
    retention: { audit: 10 },
    insert: (count, name, age) => [
      `insert into auth.audit_log_entries (action, actor, created_at)
       select $2, 'user', now() - $3::interval from generate_series(1, $1::integer) n`,
      [count, name, age],
    ],
    names: 'select action as name from auth.audit_log_entries',
  },
  {
    table: 'auth_private.events',
    retention: { events: 10 },
    insert: (count, name, age) => [
      `insert into auth_private.events (type, user_id, data, relayed_at)
       select 'user.created', gen_random_uuid(), jsonb_build_object('name', $2::text), now() - $3::interval
       from generate_series(1, $1::integer) n`,
      [count, name, age],
    ],
    names: `select data ->> 'name' as name from auth_private.events`,
  },
  {
    table: 'auth.phone_changes',
    retention: { phoneHistory: 10 },
    insert: (count, name, age) => [
      `insert into auth.phone_changes (user_id, phone, how, actor, changed_at)
       select (select id from auth.users where wechat_id = 'o-owner'), '+8613800138000', 'sql', $2, now() - $3::interval
       from generate_series(1, $1::integer) n`,
      [count, name, age],
    ],
    names: 'select actor as name from auth.phone_changes',
  },
  {
    table: 'auth.users',
    retention: { tombstones: 10 },
    insert: (count, name, age) => [
      // The trigger that forgets is one of updates; a name in the metadata tells them apart here.
      `insert into auth.users (app_metadata, deleted_at)
       select jsonb_build_object('name', $2::text), now() - $3::interval from generate_series(1, $1::integer) n`,
      [count, name, age],
    ],
    names: `select app_metadata ->> 'name' as name from auth.users where app_metadata ? 'name'`,
  },
  {
    table: 'auth_private.wechat_pushes',
    retention: {},
    insert: (count, name, age) => [
      `insert into auth_private.wechat_pushes (appid, event, openid, create_time, relayed_at, done_at)
       select $2, 'user_info_modified', n::text, now(), now(), now() - $3::interval - interval '20 days'
       from generate_series(1, $1::integer) n`,
      [count, name, age],
    ],
    names: 'select appid as name from auth_private.wechat_pushes',
  },
  {
    table: 'auth.wechat_calls',
    retention: {},
    // A day is old when all of it is.
    insert: (count, name, age) => [
      `insert into auth.wechat_calls (appid, day, endpoint, errcode, calls)
       select $2, (now() at time zone 'Asia/Shanghai')::date - 790 - ceil(extract(epoch from $3::interval) / 86400)::integer,
         'getuserphonenumber', n, 1
       from generate_series(1, $1::integer) n`,
      [count, name, age],
    ],
    names: 'select appid as name from auth.wechat_calls',
  },
  {
    table: 'auth_private.wechat_counters',
    retention: {},
    insert: (count, name, age) => [
      // The name as the number, which a uuid cannot be.
      `insert into auth_private.wechat_counters (id, flush, flushed_at)
       select gen_random_uuid(), ('x' || md5($2))::bit(32)::bigint, now() - $3::interval - interval '20 days'
       from generate_series(1, $1::integer) n`,
      [count, name, age],
    ],
    names: `select n as name from auth_private.wechat_counters,
      unnest('{old,young,locked}'::text[]) n where flush = ('x' || md5(n))::bit(32)::bigint`,
  },
]

test('there is a case for every rule', () => {
  expect(cases.map(({ table }) => table)).toEqual(rules.map(({ table }) => table))
})

describe.each(servers)('on $name', server => {
  let db: TestDatabase
  beforeAll(async () => {
    db = await createDatabase({ server })
  })
  beforeEach(async () => {
    await db.rows(
      `truncate auth.users, auth.audit_log_entries, auth_private.events, auth_private.wechat_pushes, auth.wechat_calls,
         auth_private.wechat_counters restart identity cascade`,
    )
    await db.rows(`insert into auth.users (wechat_id) values ('o-owner')`)
  })
  afterAll(() => db.drop())

  const cleanUp = (retention: Partial<Retention>) =>
    cleanUpTask({ ...FOREVER, ...retention })({}, {
      query: (text: string, values?: unknown[]) => db.owner.query(text, values),
    } as unknown as JobHelpers)
  const insert = ({ insert: make }: Case, count: number, name: string, age: string) =>
    db.rows(...make(count, name, age))
  const names = async ({ names: text }: Case) =>
    db.rows(`select name, count(*)::int as n from (${text}) t group by name order by name`)

  describe.each(cases)('$table', of => {
    test('what is older goes, and what is younger stays', async () => {
      await insert(of, 3, 'old', OLD)
      await insert(of, 2, 'young', YOUNG)
      await cleanUp(of.retention)
      expect(await names(of)).toEqual([{ name: 'young', n: 2 }])
    })

    test('50,000 go, in batches', async () => {
      await insert(of, 50_000, 'old', OLD)
      await insert(of, 1_000, 'young', YOUNG)
      await cleanUp(of.retention)
      expect(await names(of)).toEqual([{ name: 'young', n: 1_000 }])
    }, 240_000)

    test('nobody is waited for: a row that somebody has locked stays until the next time', async () => {
      await insert(of, 1, 'locked', OLD)
      await db.experiment(async client => {
        await client.query(`select from ${of.table} for update`)
        await insert(of, 3, 'old', OLD)
        await cleanUp(of.retention)
        expect(await names(of)).toEqual([{ name: 'locked', n: 1 }])
      })
      await cleanUp(of.retention)
      expect(await names(of)).toEqual([])
    })

    const isFixed = Object.keys(of.retention).length === 0
    test(isFixed ? 'goes, whatever is kept for ever' : 'forever: nothing goes', async () => {
      await insert(of, 3, 'old', '9000 days')
      await cleanUp({})
      expect(await names(of)).toEqual(isFixed ? [] : [{ name: 'old', n: 3 }])
    })

    test('what has to go is found by an index', async () => {
      await insert(of, 20_000, 'young', YOUNG)
      await insert(of, 5, 'old', OLD)
      await db.rows(`analyze ${of.table}`)
      const rule = rules.find(({ table }) => table === of.table)!
      const plan = await db.experiment(async client => {
        const { rows } = await client.query(`explain ${explained(rule.text)}`)
        return rows.map(row => row['QUERY PLAN']).join('\n')
      })
      expect(plan).toMatch(/Index/)
      expect(plan).not.toMatch(
        /Seq Scan on (wechat_codes|audit_log_entries|events|users|wechat_pushes|wechat_calls)\b/,
      )
    })
  })

  /** A statement with its days; of the function that deletes users, how it finds them. */
  function explained(text: string) {
    if (text.includes('auth.wechat_calls')) return text.replaceAll('$1', '800')
    if (!text.includes('delete_tombstones'))
      return text.replaceAll('$1', /wechat_(pushes|counters)/.test(text) ? '30' : '10')
    return `select u.id from auth.users u
      where (u.deleted_at < now() - interval '10 days'
          or u.deleted_at is null and u.merged_into is not null and u.updated_at < now() - interval '10 days')
        and not exists (select from auth.users t where t.merged_into = u.id)
      limit ${BATCH} for update skip locked`
  }

  test('codes that are claimed or redeemed late, events that wait, and pushes that are not done stay', async () => {
    await insert(cases[0]!, 1, 'redeemed late', OLD)
    await db.rows('update auth_private.wechat_codes set redeemed_at = now()')
    await insert(cases[0]!, 1, 'claimed late', OLD)
    await db.rows(
      `update auth_private.wechat_codes set claimed_until = now() + interval '1 minute' where appid = 'claimed late'`,
    )
    await insert(cases[2]!, 1, 'waits', OLD)
    await db.rows(`update auth_private.events set created_at = now() - interval '99 days', relayed_at = null`)
    await insert(cases[2]!, 1, 'has to be told', OLD)
    await db.rows(`with subscriber as (insert into auth_private.webhooks default values returning id)
      insert into auth_private.deliveries (webhook_id, event_id, user_id, state)
      select s.id, e.id, e.user_id, 'failed' from subscriber s, auth_private.events e where e.data ->> 'name' = 'has to be told'`)
    await insert(cases[5]!, 1, 'not done', OLD)
    await db.rows(
      `update auth_private.wechat_pushes set done_at = null, created_at = now() - interval '99 days'`,
    )
    await cleanUp({ ledger: 1, audit: 1, phoneHistory: 1, events: 1, tombstones: 1 })
    for (const [index, list] of [
      [0, ['claimed late', 'redeemed late']],
      [2, ['has to be told', 'waits']],
      [5, ['not done']],
    ] as const)
      expect((await names(cases[index]!)).map(({ name }) => name)).toEqual(list)
  })

  test('a repeat finds its outcome for a day, with the shortest retention', async () => {
    await insert(cases[0]!, 1, 'of this day', '23 hours')
    await cleanUp({ ledger: 1 })
    expect(await names(cases[0]!)).toHaveLength(1)
  })

  describe('users who are gone', () => {
    const tombstone = async (mergedInto: string | null = null, age = OLD) =>
      (
        await db.row<{ id: string }>(
          `insert into auth.users (merged_into, deleted_at, updated_at)
           values ($1::uuid, case when $1::uuid is null then now() - $2::interval end, now() - $2::interval) returning id`,
          [mergedInto, age],
        )
      ).id
    const left = async (ids: string[]) => {
      const rows = await db.rows<{ id: string }>('select id from auth.users where id = any ($1)', [ids])
      return ids.map(id => rows.some(row => row.id === id))
    }

    test('the living stay, and what they have', async () => {
      const { id } = await db.row<{ id: string }>(`select id from auth.users where wechat_id = 'o-owner'`)
      await db.rows(`update auth.users set updated_at = now() - interval '99 days'`)
      const merged = await tombstone(id)
      const young = await tombstone(id, YOUNG)
      await cleanUp({ tombstones: 10 })
      expect(await left([id, merged, young])).toEqual([true, false, true])
    })

    test('identities, sessions and codes go with them', async () => {
      const id = await tombstone()
      await db.rows(
        `insert into auth.identities (user_id, appid, provider_id) values ($1, 'wx1', 'deleted-1')`,
        [id],
      )
      await db.rows('insert into auth.sessions (user_id) values ($1)', [id])
      await cleanUp({ tombstones: 10 })
      expect(await left([id])).toEqual([false])
      expect(await db.rows('select from auth.identities')).toEqual([])
    })

    test('who was merged goes before the one that he was merged into, who never comes back to life', async () => {
      const survivor = await tombstone()
      const merged = await tombstone(survivor)
      const young = await tombstone(survivor, YOUNG)
      await cleanUp({ tombstones: 10 })
      expect(await left([survivor, merged, young])).toEqual([true, false, true])
      await db.rows('delete from auth.users where id = $1', [young])
      await cleanUp({ tombstones: 10 })
      expect(await left([survivor])).toEqual([false])
    })

    test.each(['no action', 'restrict', 'cascade', 'set null', 'no action deferrable initially deferred'])(
      'to whom a row refers, on delete %s, he stays, and the others go',
      async action => {
        const kept = await tombstone()
        const others = [await tombstone(), await tombstone()]
        const living = await db.row<{ id: string }>(`select id from auth.users where wechat_id = 'o-owner'`)
        await db.rows('drop table if exists public.orders')
        await db.rows(
          `create table public.orders (id integer, owner uuid references auth.users (id) on delete ${action})`,
        )
        try {
          await db.rows('insert into public.orders values (1, $1), (2, $2), (3, null)', [kept, living.id])
          await cleanUp({ tombstones: 10 })
          expect(await left([kept, ...others])).toEqual([true, false, false])
          expect(await db.rows('select id, owner from public.orders order by id')).toEqual([
            { id: 1, owner: kept },
            { id: 2, owner: living.id },
            { id: 3, owner: null },
          ])
          await db.rows('delete from public.orders')
          await cleanUp({ tombstones: 10 })
          expect(await left([kept])).toEqual([false])
        } finally {
          await db.rows('drop table public.orders')
        }
      },
    )

    test('whom a trigger of the application keeps does not stop the others', async () => {
      const [kept, other] = [await tombstone(), await tombstone()]
      await db.rows(`create function public.keep() returns trigger language plpgsql as
        $$ begin if old.id = '${kept}' then raise exception 'not this one'; end if; return old; end $$`)
      await db.rows(
        'create trigger keep before delete on auth.users for each row execute function public.keep()',
      )
      try {
        await cleanUp({ tombstones: 10 })
        expect(await left([kept, other])).toEqual([true, false])
      } finally {
        await db.rows('drop function public.keep() cascade')
      }
    })
  })

  test('what fails keeps nothing else from going, and is told', async () => {
    await insert(cases[1]!, 1, 'old', OLD)
    await insert(cases[2]!, 1, 'old', OLD)
    await db.rows('alter table auth.audit_log_entries rename to audit_log_entries_away')
    try {
      await expect(cleanUp({ audit: 10, events: 10 })).rejects.toMatchObject({ code: '42P01' })
    } finally {
      await db.rows('alter table auth.audit_log_entries_away rename to audit_log_entries')
    }
    expect(await names(cases[2]!)).toEqual([])
  })

  test('the defaults are what the contract says', () => {
    expect(RETENTION).toEqual({ ledger: 7, audit: 365, phoneHistory: 365, events: 30, tombstones: null })
  })
})
