import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { everyRound } from '../support/rounds.ts'
import { servers } from '../support/servers.ts'
import { type Account, type MergeFixture, mergeFixture } from './merge_fixture.ts'

// Tables of the application whose rows belong to users: auth.admin_register_owned_table, and what merges do with them.

let db: TestDatabase
let fixture: MergeFixture
/** The owner of an application's tables who owns nothing else. */
let application: pg.Pool

describe.each(servers)('on $name', server => {
  beforeAll(async () => {
    db = await createDatabase({ server })
    fixture = await mergeFixture(db)
    const login = `application_${randomUUID().replaceAll('-', '')}`
    await db.rows(`create role ${login} login password 'of the tests'`)
    await db.rows(
      `grant service_role, authenticated to ${login} ${server.name.endsWith('15') ? '' : 'with inherit true'}`,
    )
    await db.rows('create schema shop; grant usage on schema shop to public')
    await db.rows(`grant create, usage on schema shop to ${login} with grant option`)
    await db.rows(`grant references (id) on auth.users to ${login}`)
    const url = new URL(db.ownerUrl)
    url.username = login
    url.password = 'of the tests'
    application = new pg.Pool({ connectionString: url.href, max: 2 })
  })
  afterEach(async () => {
    const { rows } = await application.query<{ name: string }>(
      `select format('shop.%I', relname) as name from pg_class where relnamespace = 'shop'::regnamespace and relkind in ('r', 'p') and not relispartition`,
    )
    for (const { name } of rows) await application.query(`drop table ${name} cascade`)
  })
  afterAll(async () => {
    await db.rows('drop schema shop cascade')
    const role = decodeURIComponent(
      new URL((application as never as { options: { connectionString: string } }).options.connectionString)
        .username,
    )
    await application.end()
    await fixture.drop()
    await db.rows(`revoke references (id) on auth.users from ${role}`)
    await db.drop()
    await new pg.Client({ connectionString: server.ownerUrl }).end().catch(() => {})
  })

  const register = (table: string | null, column: string | null, onConflict: string | null) =>
    application.query('select auth.admin_register_owned_table($1::text::regclass, $2, $3)', [
      table,
      column,
      onConflict,
    ])

  /** A table of things, registered. */
  async function things(onConflict: string, definition = 'user_id uuid, name text', more: string[] = []) {
    await application.query(`create table shop.things (id int generated always as identity, ${definition})`)
    await application.query('create index on shop.things (user_id)')
    for (const statement of more) await application.query(statement)
    await register('shop.things', 'user_id', onConflict)
  }
  const give = ({ id }: Account, ...names: (string | null)[]) =>
    application.query('insert into shop.things (user_id, name) select $1, * from unnest($2::text[])', [
      id,
      names,
    ])
  const namesOf = async ({ id }: Account) =>
    (
      await application.query<{ name: string | null }>(
        'select name from shop.things where user_id = $1 order by name collate "C", id',
        [id],
      )
    ).rows.map(({ name }) => name)
  /** What a merge says of the application's tables. */
  const merge = async (from: Account, into: Account, dryRun = false) =>
    (await fixture.merge(from.id, into.id, dryRun)).filter(([table]) => !table.startsWith('auth'))

  test('move: all rows go to the survivor', async () => {
    await things('move')
    const [from, into] = await fixture.createTwo()
    await give(from, 'a', 'b')
    await give(into, 'a')
    expect(await merge(from, into, true)).toEqual([['shop.things', 2]])
    expect(await namesOf(from)).toEqual(['a', 'b'])
    expect(await merge(from, into)).toEqual([['shop.things', 2]])
    expect([await namesOf(from), await namesOf(into)]).toEqual([[], ['a', 'a', 'b']])
  })

  test('move: where a constraint forbids it, the merge is refused', async () => {
    await things('move', 'user_id uuid, name text, unique (user_id, name)')
    const [from, into] = await fixture.createTwo()
    await give(from, 'a', 'b')
    await give(into, 'a')
    const before = await fixture.everything()
    await expect(merge(from, into)).rejects.toMatchObject({ code: 'WX001', table: 'shop.things' })
    expect(await fixture.everything()).toEqual(before)
    expect(await namesOf(from)).toEqual(['a', 'b'])
  })

  const collisions: [string, string, string[]?][] = [
    ['a unique constraint', 'user_id uuid, name text, unique (user_id, name)'],
    ['one with the columns the other way round', 'user_id uuid, name text, unique (name, user_id)'],
    ['a primary key', 'user_id uuid, name text, primary key (user_id, name)'],
    [
      'one that waits for the end',
      'user_id uuid, name text, unique (user_id, name) deferrable initially deferred',
    ],
    [
      'a unique index',
      'user_id uuid, name text',
      ['create unique index on shop.things (user_id, name) include (id)'],
    ],
    [
      'one of expressions',
      'user_id uuid, name text',
      ['create unique index on shop.things (user_id, lower(name))'],
    ],
    [
      'one of part of the table',
      'user_id uuid, name text',
      [`create unique index on shop.things (user_id, name) where name <> 'c'`],
    ],
    [
      'two of them',
      'user_id uuid, name text, unique (user_id, name)',
      ['create unique index on shop.things (lower(name), user_id)'],
    ],
    [
      'names that clash with ours',
      'user_id uuid, name text, kept text, survivors text, "#1" text, unique (user_id, name)',
    ],
  ]
  test.each(collisions.map(([what, definition, more = []]) => [what, definition, more] as const))(
    "keep: rows that collide with the survivor's by %s are dropped, the others go",
    async (_what, definition, more) => {
      await things('keep', definition, more)
      const [from, into] = await fixture.createTwo()
      await give(from, 'a', 'b', 'c')
      await give(into, 'a', 'd')
      const told = [
        ['shop.things', 2],
        ['shop.things, dropped', 1],
      ]
      expect(await merge(from, into, true)).toEqual(told)
      expect(await merge(from, into)).toEqual(told)
      expect([await namesOf(from), await namesOf(into)]).toEqual([[], ['a', 'b', 'c', 'd']])
      const kept = await application.query('select min(id) from shop.things where name = $1', ['a'])
      expect(kept.rows[0].min).toBe(4)
    },
  )

  test('keep: one row a user', async () => {
    await things('keep', 'user_id uuid primary key, name text')
    const [from, into] = await fixture.createTwo()
    await give(from, 'his')
    const third = await fixture.create({}, 'wx3333333333333333')
    expect(await merge(from, into)).toEqual([
      ['shop.things', 1],
      ['shop.things, dropped', 0],
    ])
    await give(third, 'mine')
    expect(await merge(into, third)).toEqual([
      ['shop.things', 0],
      ['shop.things, dropped', 1],
    ])
    expect(await namesOf(third)).toEqual(['mine'])
  })

  test.each([
    ['are as different as any', '', ['a', null, null]],
    ['are equal where the index says so', 'nulls not distinct', ['a', null]],
  ])('keep: nulls %s', async (_what, nulls, expected) => {
    await things('keep', `user_id uuid, name text, unique ${nulls} (user_id, name)`)
    const [from, into] = await fixture.createTwo()
    await give(from, 'a', null)
    await give(into, null)
    await merge(from, into)
    expect((await namesOf(into)).sort()).toEqual([...expected].sort())
  })

  test('keep: what an exclusion constraint forbids is refused', async () => {
    await db.rows('create extension if not exists btree_gist')
    await things('keep', 'user_id uuid, name text, exclude using gist (user_id with =, name with =)')
    const [from, into] = await fixture.createTwo()
    await give(from, 'a')
    await give(into, 'a')
    await expect(merge(from, into)).rejects.toMatchObject({ code: 'WX001', table: 'shop.things' })
  })

  test('refuse: no merge where both have rows; where one has, they go', async () => {
    await things('refuse')
    const [from, into] = await fixture.createTwo()
    await give(from, 'a')
    await give(into, 'b')
    await expect(merge(from, into)).rejects.toMatchObject({ code: 'WX001', table: 'shop.things' })
    await application.query('delete from shop.things where user_id = $1', [into.id])
    expect(await merge(from, into)).toEqual([['shop.things', 1]])
    expect(await namesOf(into)).toEqual(['a'])
  })

  test('what belongs to others stays as it is', async () => {
    await things('keep', 'user_id uuid, name text, unique (user_id, name)')
    const [from, into] = await fixture.createTwo()
    const other = await fixture.create()
    await give(other, 'a', 'b')
    await give(from, 'a')
    await give(into, 'a')
    await merge(from, into)
    expect(await namesOf(other)).toEqual(['a', 'b'])
  })

  test('row-level security and its owner do not hide rows from a merge', async () => {
    await things('move', 'user_id uuid, name text', [
      'alter table shop.things enable row level security',
      'alter table shop.things force row level security',
      `create policy own on shop.things to authenticated using (user_id = (select auth.uid()) and name <> 'b')`,
      'create policy owner on shop.things to current_user using (true)',
    ])
    const [from, into] = await fixture.createTwo()
    await give(from, 'a', 'b')
    expect(await merge(from, into)).toEqual([['shop.things', 2]])
    expect(await namesOf(into)).toEqual(['a', 'b'])
  })

  test('a partitioned table, a renamed column, two columns, and another on_conflict later', async () => {
    await application.query(
      'create table shop.orders (placed int, buyer uuid references auth.users, seller uuid references auth.users) partition by range (placed)',
    )
    await application.query('create table shop.orders_1 partition of shop.orders for values from (0) to (10)')
    await application.query(
      'create table shop.orders_2 partition of shop.orders for values from (10) to (20)',
    )
    await application.query('create index on shop.orders (buyer); create index on shop.orders (seller)')
    await register('shop.orders', 'buyer', 'refuse')
    await register('shop.orders', 'buyer', 'move')
    await register('shop.orders', 'seller', 'move')
    await application.query('alter table shop.orders rename buyer to customer')
    const [from, into] = await fixture.createTwo()
    await application.query('insert into shop.orders values (1, $1, $1), (11, $1, $2), (12, $2, $1)', [
      from.id,
      into.id,
    ])
    expect(await merge(from, into)).toEqual([
      ['shop.orders', 2],
      ['shop.orders', 2],
    ])
    expect((await application.query('select distinct customer, seller from shop.orders')).rows).toEqual([
      { customer: into.id, seller: into.id },
    ])
  })

  const elsewhere = 'user_id uuid references auth.users on delete cascade'
  test.each<[string, string[]]>([
    ['a table that is not registered', [`create table shop.notes (${elsewhere})`]],
    [
      'one whose key may wait',
      ['create table shop.notes (user_id uuid references auth.users deferrable initially deferred)'],
    ],
    [
      'one without an index',
      ['create table shop.notes (user_id uuid references auth.users on delete set null)'],
    ],
    [
      'one that nobody may see',
      [
        `create table shop.notes (${elsewhere})`,
        'alter table shop.notes enable row level security',
        'alter table shop.notes force row level security',
      ],
    ],
    [
      'the other column of a registered one',
      [
        'create table shop.notes (user_id uuid references auth.users, owner uuid)',
        'create index on shop.notes (owner)',
        `select auth.admin_register_owned_table('shop.notes', 'owner', 'move')`,
      ],
    ],
  ])('rows of %s would stay behind: refused', async (_what, statements) => {
    for (const statement of statements) await application.query(statement)
    const [from, into] = await fixture.createTwo()
    expect(await merge(from, into, true)).toEqual(expect.any(Array))
    await db.rows('insert into shop.notes (user_id) values ($1)', [from.id]).catch(async () => {
      await application.query('alter table shop.notes no force row level security')
      await application.query('insert into shop.notes (user_id) values ($1)', [from.id])
      await application.query('alter table shop.notes force row level security')
    })
    const before = await fixture.everything()
    for (const dryRun of [true, false]) {
      await expect(merge(from, into, dryRun)).rejects.toMatchObject({
        code: 'WX001',
        schema: 'shop',
        table: 'notes',
      })
    }
    expect(await fixture.everything()).toEqual(before)
    // Those of the survivor are where they should be.
    expect(await merge(into, from)).toEqual(expect.any(Array))
  })

  test('a table that would follow a changed id is refused until it is registered', async () => {
    await application.query('create table shop.notes (user_id uuid references auth.users on update cascade)')
    await application.query('create index on shop.notes (user_id)')
    const [from, into] = await fixture.createTwo()
    await application.query('insert into shop.notes values ($1)', [from.id])
    await expect(merge(from, into)).rejects.toMatchObject({ code: 'WX001', table: 'notes' })
    await register('shop.notes', 'user_id', 'move')
    expect(await merge(from, into)).toEqual([['shop.notes', 1]])
  })

  const trigger = (body: string) => [
    `create function shop.meddle() returns trigger language plpgsql as $$ begin ${body} end $$`,
    'create trigger meddle before update on shop.things for each row execute function shop.meddle()',
  ]
  test.each<[string, string[]]>([
    ['keeps the row where it is', trigger('new.user_id := old.user_id; return new;')],
    ['drops the change', trigger('return null;')],
    ['raises an error', trigger(`raise exception 'not with +8613912345678';`)],
    ['wants what auth_merger may not', trigger('perform from auth_private.migrations; return new;')],
  ])('a trigger of the application that %s: refused', async (_what, more) => {
    await things('move', 'user_id uuid, name text', more)
    const [from, into] = await fixture.createTwo()
    await give(from, 'a')
    const error = await merge(from, into).catch((error: unknown) => error as pg.DatabaseError)
    expect(error).toMatchObject({
      code: 'WX001',
      table: 'shop.things',
      message: expect.not.stringContaining('13912345678'),
    })
    expect(await namesOf(from)).toEqual(['a'])
    await application.query('drop function shop.meddle cascade')
  })

  test('a restrictive policy that came later is refused, and named', async () => {
    await things('move')
    await application.query('create policy tenants on shop.things as restrictive using (false)')
    const [from, into] = await fixture.createTwo()
    await expect(merge(from, into)).rejects.toMatchObject({
      code: 'WX001',
      message: expect.stringContaining('Restrictive'),
    })
  })

  test('a policy that asks who calls, for everybody, hides nothing', async () => {
    await things('move', 'user_id uuid, name text', [
      'alter table shop.things enable row level security',
      'create policy own on shop.things using (user_id = (select auth.uid()))',
      'create policy owner on shop.things to current_user using (true)',
    ])
    const [from, into] = await fixture.createTwo()
    await give(from, 'a')
    expect(await merge(from, into)).toEqual([['shop.things', 1]])
  })

  test('a registration that has lost its comment is refused', async () => {
    await things('refuse')
    await application.query('comment on policy auth_merger_user_id on shop.things is null')
    const [from, into] = await fixture.createTwo()
    await give(from, 'a')
    await expect(merge(from, into)).rejects.toMatchObject({ code: 'WX001', table: 'shop.things' })
  })

  test('a table of somebody who may not merge, or a temporary one, is no registered one', async () => {
    const login = `intruder_${randomUUID().replaceAll('-', '')}`
    await db.owner.query(
      `create role ${login} login password 'of the tests'; grant create, usage on schema shop to ${login}`,
    )
    const url = new URL(db.ownerUrl)
    url.username = login
    url.password = 'of the tests'
    const intruder = new pg.Client({ connectionString: url.href })
    await intruder.connect()
    try {
      for (const name of ['shop.trap', 'pg_temp.trap']) {
        await intruder.query(`create table ${name} (user_id uuid)`)
        await intruder.query(`grant select, update, delete on ${name} to auth_merger`)
        await intruder.query(`create policy auth_merger_user_id on ${name} to auth_merger using (true)`)
        await intruder.query(`comment on policy auth_merger_user_id on ${name} is 'move'`)
      }
      await intruder.query('create index on shop.trap (user_id)')
      const [from, into] = await fixture.createTwo()
      await intruder.query('insert into shop.trap values ($1)', [from.id])
      expect(await merge(from, into)).toEqual([])
    } finally {
      await intruder.query('drop table shop.trap')
      await intruder.end()
      await db.owner.query(`revoke all on schema shop from ${login}; drop role ${login}`)
    }
  })

  test('the table is gone, and so is its registration', async () => {
    await things('move')
    await application.query('drop table shop.things')
    const [from, into] = await fixture.createTwo()
    expect(await merge(from, into)).toEqual([])
  })

  test.each<[string, string[], string | null, string | null, string | null]>([
    ['no index', ['create table shop.t (u uuid)'], 'shop.t', 'u', 'move'],
    [
      'an index of part of it',
      ['create table shop.t (u uuid)', 'create index on shop.t (u) where u is not null'],
      'shop.t',
      'u',
      'move',
    ],
    [
      'an index in which it is second',
      ['create table shop.t (u uuid, v int)', 'create index on shop.t (v, u)'],
      'shop.t',
      'u',
      'move',
    ],
    ['no such column', ['create table shop.t (u uuid primary key)'], 'shop.t', 'v', 'move'],
    ['a column of the system', ['create table shop.t (u uuid primary key)'], 'shop.t', 'tableoid', 'move'],
    ['another type', ['create table shop.t (u text primary key)'], 'shop.t', 'u', 'move'],
    [
      'a computed column',
      ['create table shop.t (v uuid, u uuid generated always as (v) stored)', 'create index on shop.t (u)'],
      'shop.t',
      'u',
      'move',
    ],
    [
      'a view',
      ['create table shop.t (u uuid primary key)', 'create view shop.w as select * from shop.t'],
      'shop.w',
      'u',
      'move',
    ],
    [
      'a partition',
      [
        'create table shop.t (u uuid primary key) partition by hash (u)',
        'create table shop.p partition of shop.t for values with (modulus 1, remainder 0)',
      ],
      'shop.p',
      'u',
      'move',
    ],
    ['a table of ours', [], 'auth.sessions', 'user_id', 'move'],
    ['another policy of conflicts', ['create table shop.t (u uuid primary key)'], 'shop.t', 'u', 'merge'],
    ['none', ['create table shop.t (u uuid primary key)'], 'shop.t', 'u', null],
    ['no column', ['create table shop.t (u uuid primary key)'], 'shop.t', null, 'move'],
    ['no table', [], null, 'u', 'move'],
    [
      'restrictive policies',
      [
        'create table shop.t (u uuid primary key)',
        'create policy p on shop.t as restrictive to public using (true)',
      ],
      'shop.t',
      'u',
      'move',
    ],
  ])('registering with %s is refused', async (_what, statements, table, column, onConflict) => {
    for (const statement of statements) await application.query(statement)
    const error = await register(table, column, onConflict).catch((error: unknown) => error)
    expect(error).toMatchObject({ code: 'WX001' })
    const { granted } = await db.row(
      `select count(*)::int as granted from pg_class where relnamespace = 'shop'::regnamespace and relacl::text like '%auth_merger%'`,
    )
    expect(granted).toBe(0)
  })

  test('restrictive policies for other roles do not matter', async () => {
    await things('move', 'user_id uuid, name text', [
      'create policy tenants on shop.things as restrictive to authenticated using (true)',
    ])
    const [from, into] = await fixture.createTwo()
    await give(from, 'a')
    expect(await merge(from, into)).toEqual([['shop.things', 1]])
  })

  test("somebody else's table cannot be registered", async () => {
    await application.query('create table shop.t (u uuid primary key)')
    await expect(
      fixture.admin.query(`select auth.admin_register_owned_table('shop.t', 'u', 'move')`),
    ).rejects.toMatchObject({ code: 'WX001', hint: expect.stringContaining('application_') })
  })

  test('auth_merger reaches rows of the two accounts at hand, and of nobody else', async () => {
    await things('keep', 'user_id uuid, name text', ['alter table shop.things enable row level security'])
    const [from, into] = await fixture.createTwo()
    const other = await fixture.create()
    for (const account of [from, into, other]) await give(account, 'a')
    await db.experiment(async client => {
      await client.query('set local role auth_merger')
      const see = async () =>
        (await client.query('select user_id from shop.things')).rows.map(row => row.user_id).sort()
      expect(await see()).toEqual([])
      await client.query(`select set_config('request.merge', $1, true)`, [`${from.id},${into.id}`])
      expect(await see()).toEqual([from.id, into.id].sort())
      expect((await client.query('delete from shop.things')).rowCount).toBe(2)
    })
  })

  test('two accounts with 100,000 rows', async () => {
    await things('keep', 'user_id uuid references auth.users, name text, unique (user_id, name)')
    const [from, into] = await fixture.createTwo()
    for (const [{ id }, first] of [
      [from, 1],
      [into, 50_001],
    ] as const) {
      await application.query(
        'insert into shop.things (user_id, name) select $1, i from generate_series($2::int, $2 + 99999) i',
        [id, first],
      )
    }
    expect(await merge(from, into)).toEqual([
      ['shop.things', 50_000],
      ['shop.things, dropped', 50_000],
    ])
    const { rows } = await application.query('select user_id, count(*)::int from shop.things group by 1')
    expect(rows).toEqual([{ user_id: into.id, count: 150_000 }])
  })

  test.each(everyRound)('killed at any moment, a merge is done or not done (round %i)', async round => {
    await things('move')
    const [from, into] = await fixture.createTwo()
    await give(from, ...Array.from({ length: 2_000 }, (_, i) => String(i)))
    const before = (await fixture.everything()).length
    const client = new pg.Client({ connectionString: db.ownerUrl })
    client.on('error', () => {})
    await client.connect()
    const { rows } = await client.query('select pg_backend_pid() as pid')
    const merging = client
      .query(`select * from auth.admin_merge_users($1, $2, 'killed')`, [from.id, into.id])
      .then(
        () => 'done',
        () => 'killed',
      )
    await new Promise(resolve => setTimeout(resolve, Math.random() * 40 * round))
    await db.rows('select pg_terminate_backend($1)', [rows[0].pid])
    await merging
    await client.end().catch(() => {})
    // The backend may have been past its commit.
    while ((await db.rows('select from pg_stat_activity where pid = $1', [rows[0].pid])).length > 0);
    const { merged_into } = await fixture.user(from.id)
    const his = await namesOf(from)
    if (merged_into === null) {
      expect([his.length, (await fixture.everything()).length]).toEqual([2_000, before])
    } else {
      expect([his.length, (await namesOf(into)).length]).toEqual([0, 2_000])
    }
  })
})
