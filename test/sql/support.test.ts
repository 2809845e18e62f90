import { readFileSync } from 'node:fs'
import pg from 'pg'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { servers } from '../support/servers.ts'
import { createAdmin, createSupporter } from './admin_login.ts'

// What support staff see, and that they see nothing else.

const [page = ''] = readFileSync(new URL('../../docs/admin.md', import.meta.url), 'utf8').split(
  /^## Administrators$/m,
)
const snippets = [...page.matchAll(/^```sql\n(.*?)^```$/gms)].map(([, sql]) => sql!)
const ID = '5f0c7e6e-5d6b-4a53-9d2b-0c3f7a1c2d10'
const PHONE = '+8613800138000'

describe.each(servers)('on $name', server => {
  let db: TestDatabase
  let support: Awaited<ReturnType<typeof createSupporter>>
  let admin: Awaited<ReturnType<typeof createAdmin>>

  beforeAll(async () => {
    db = await createDatabase({ server })
    support = await createSupporter(db)
    admin = await createAdmin(db)
    await db.rows(
      `insert into auth.users (id, phone, phone_confirmed_at, wechat_id, user_metadata, last_sign_in_at, banned_until)
       values ($1, $2, now(), 'o-openid', '{"name": "Alice"}', now(), 'infinity')`,
      [ID, PHONE],
    )
    await db.rows(
      `insert into auth.identities (user_id, appid, provider_id, created_at) values
       ($1, 'wxbb', 'o-openid', now()), ($1, 'wxaa', 'o-other', now() + interval '1 second')`,
      [ID],
    )
    await db.rows(`insert into auth.users (deleted_at) values (now())`)
    await db.rows(
      `insert into auth.users (merged_into, phone, phone_confirmed_at) values ($1, '+85251234567', now())`,
      [ID],
    )
  })
  afterAll(async () => {
    await support.drop()
    await admin.drop()
    await db.drop()
  })

  const denied = (statement: string) =>
    support.pool.query(statement).then(
      () => 'allowed',
      (error: pg.DatabaseError) => error.code,
    )
  const entries = () =>
    db.rows(
      `select action, user_id, actor, details from auth.audit_log_entries where action = 'phone_revealed' order by id`,
    )

  describe('the view', () => {
    test('shows the living and the dead, with masked phones', async () => {
      const { rows } = await support.pool.query(
        'select * from auth.users_masked order by merged_into nulls first, deleted_at nulls first',
      )
      expect(rows).toEqual([
        {
          id: ID,
          phone: '+86138****8000',
          phone_confirmed_at: expect.any(Date),
          created_at: expect.any(Date),
          last_sign_in_at: expect.any(Date),
          banned_until: Number.POSITIVE_INFINITY,
          deleted_at: null,
          merged_into: null,
          apps: ['wxbb', 'wxaa'],
        },
        expect.objectContaining({ phone: null, deleted_at: expect.any(Date), apps: [] }),
        expect.objectContaining({ phone: '+852****4567', merged_into: ID, apps: [] }),
      ])
      expect(JSON.stringify(rows)).not.toMatch(/o-openid|Alice/)
    })

    test('masks as the audit log does', async () => {
      const differing = await db.rows(
        `select from auth.users u join auth.users_masked m on m.id = u.id
         where m.phone is distinct from auth_private.mask_phone(u.phone)`,
      )
      expect(differing).toEqual([])
    })

    test('shows a cheap function of the asker nothing that is hidden', async () => {
      const client = await support.pool.connect()
      const heard: string[] = []
      client.on('notice', ({ message }) => heard.push(message!))
      try {
        await client.query(`create function pg_temp.peek(text) returns boolean language plpgsql cost 0.0000001
          as $$ begin raise notice '%', $1; return true; end $$`)
        await client.query(
          'select from auth.users_masked where pg_temp.peek(users_masked::text) and pg_temp.peek(phone)',
        )
      } finally {
        client.release(true)
      }
      expect(heard.join('\n')).toContain('+86138****8000')
      expect(heard.join('\n')).not.toMatch(/13800138000|51234567|o-openid/)
    })
  })

  test('every other table is closed, for whatever one would do', async () => {
    const tables = await db.rows<{ name: string; columns: string[] }>(
      `select c.oid::regclass::text as name, array(
         select quote_ident(a.attname) from pg_attribute a
         where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped order by a.attnum) as columns
       from pg_class c join pg_namespace n on n.oid = c.relnamespace
       where n.nspname in ('auth', 'auth_private') and c.relkind in ('r', 'p', 'v', 'm', 'f')`,
    )
    expect(tables.length).toBeGreaterThan(9)
    const outcomes: [name: string, attempt: string, outcome: unknown][] = []
    for (const { name, columns } of tables) {
      const attempts = [
        ...columns.map(column => `select ${column} from ${name}`),
        `insert into ${name} default values`,
        `update ${name} set ${columns[1]} = null`,
        `delete from ${name}`,
        `truncate ${name}`,
      ]
      for (const attempt of attempts) outcomes.push([name, attempt, await denied(attempt)])
    }
    const isView = ([name]: [string, ...unknown[]]) => name === 'auth.users_masked'
    // Into some views nobody can write: 55000 and 42809, which PostgreSQL says before it looks at rights.
    const closed = (attempt: string) =>
      attempt.startsWith('select') ? ['42501'] : ['42501', '55000', '42809']
    const open = outcomes.filter(one => !isView(one) && !closed(one[1]).includes(String(one[2])))
    expect(open).toEqual([])
    const { columns } = tables.find(({ name }) => isView([name]))!
    const allowed = outcomes.filter(one => isView(one) && one[2] === 'allowed').map(([, attempt]) => attempt)
    expect(allowed).toEqual(columns.map(column => `select ${column} from auth.users_masked`))
  })

  test('every other function is closed', async () => {
    const functions = await db.rows<{ name: string; call: string }>(
      `select p.oid::regprocedure::text as name, format('select %s(%s)', p.oid::regproc, (
         select string_agg('null::' || format_type(t, null), ', ' order by o) from unnest(p.proargtypes) with ordinality a (t, o))) as call
       from pg_proc p join pg_namespace n on n.oid = p.pronamespace where n.nspname in ('auth', 'auth_private')`,
    )
    expect(functions.length).toBeGreaterThan(40)
    const open: [string, unknown][] = []
    for (const { name, call } of functions) {
      const outcome = await denied(call)
      if (outcome !== '42501') open.push([name, outcome])
    }
    // It is called, and asks for a reason.
    expect(open).toEqual([['auth.support_reveal_phone(uuid,text)', 'WX001']])
  })

  test('who is of the support cannot become anybody else', async () => {
    for (const role of ['service_role', 'authenticated', 'authenticator', 'auth_revealer', 'auth_steward'])
      expect([role, await denied(`set role ${role}`)]).toEqual([role, '42501'])
  })

  describe('a phone', () => {
    const reveal = (pool: pg.Pool, id: string, reason: string | null) =>
      pool
        .query('select auth.support_reveal_phone($1, $2) as phone', [id, reason])
        .then(({ rows }) => rows[0].phone)

    test('is shown with a reason, which is written down without numbers', async () => {
      const before = await entries()
      expect(await reveal(support.pool, ID, 'he asked to be called at 13900139000')).toBe(PHONE)
      expect(await reveal(admin.pool, ID, 'a complaint')).toBe(PHONE)
      expect((await entries()).slice(before.length)).toEqual([
        {
          action: 'phone_revealed',
          user_id: ID,
          actor: support.actor,
          details: { reason: 'he asked to be called at ****9000', phone: '+86138****8000' },
        },
        {
          action: 'phone_revealed',
          user_id: ID,
          actor: admin.actor,
          details: { reason: 'a complaint', phone: '+86138****8000' },
        },
      ])
    })

    test.each([
      ['without a reason', ID, null, 'WX001'],
      ['with an empty one', ID, ' \n', 'WX001'],
      ['of nobody', '00000000-0000-4000-8000-000000000000', 'a reason', 'WX005'],
    ])('%s is not shown', async (_what, id, reason, code) => {
      const before = await entries()
      await expect(reveal(support.pool, id, reason)).rejects.toMatchObject({ code })
      expect(await entries()).toEqual(before)
    })

    test('that is not there is null, and nobody has seen one', async () => {
      const before = await entries()
      const { id } = await db.row<{ id: string }>('select id from auth.users where deleted_at is not null')
      expect(await reveal(support.pool, id, 'a reason')).toBeNull()
      expect(await entries()).toEqual(before)
    })
  })

  describe('the page', () => {
    const [login, byPhone, byDigits, byId, reveal, seen, ...rest] = snippets as [
      string,
      string,
      string,
      string,
      string,
      string,
    ]

    test('has a test for each of its snippets', () => {
      expect(snippets.length).toBe(page.match(/^```sql$/gm)!.length)
      expect(rest).toEqual([])
    })

    test('makes a login that sees what it shows', async () => {
      const name = `support_${ID.replaceAll('-', '').slice(0, 16)}`
      await db.owner.query(login.replaceAll('anna', name))
      const url = new URL(db.ownerUrl)
      url.username = name
      url.password = 'of her own'
      const anna = new pg.Client({ connectionString: url.href })
      await anna.connect()
      try {
        expect((await anna.query(byPhone)).rows).toEqual([
          expect.objectContaining({ id: ID, phone: '+86138****8000', apps: ['wxbb', 'wxaa'] }),
        ])
        expect((await anna.query(byDigits)).rows).toEqual([expect.objectContaining({ id: ID })])
        expect((await anna.query(byId)).rows).toEqual([expect.objectContaining({ id: ID })])
        expect((await anna.query(reveal)).rows).toEqual([{ support_reveal_phone: PHONE }])
        await expect(anna.query(seen)).rejects.toMatchObject({ code: '42501' })
      } finally {
        await anna.end()
        await db.rows(`drop role ${name}`)
      }
      const { rows } = await admin.pool.query(seen)
      expect(rows[0]).toMatchObject({
        user_id: ID,
        actor: `support:${name}`,
        reason: 'call back, ticket 4711',
      })
    })
  })
})
