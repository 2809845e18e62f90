import { randomBytes, randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { servers } from '../support/servers.ts'
import { createAdmin } from './admin_login.ts'
import { freshPhone, type Person, signIn, write } from './calls.ts'

// Bans and deletions, as administrators make them in SQL; what all of their functions have in common is in admin.test.ts.

describe.each(servers)('on $name', server => {
  let db: TestDatabase
  let web: pg.Pool
  let admin: Awaited<ReturnType<typeof createAdmin>>
  let user: Person
  let phone: string

  beforeAll(async () => {
    db = await createDatabase({ server })
    admin = await createAdmin(db)
    web = new pg.Pool({ connectionString: db.webUrl, max: 4 })
  })
  beforeEach(async () => {
    user = await signIn(web)
    phone = freshPhone()
    await write(web, user, randomBytes(32), randomUUID(), 'phone', phone)
  })
  afterAll(async () => {
    await web.end()
    await admin.drop()
    await db.drop()
  })

  const ban = async (until: string | null, reason = 'spam') =>
    (
      await admin.pool.query('select * from auth.admin_ban_user($1, $2::timestamptz, $3)', [
        user.userId,
        until,
        reason,
      ])
    ).rows[0]
  const remove = async (more = '') =>
    (await admin.pool.query(`select * from auth.admin_delete_user($1, 'asked' ${more})`, [user.userId]))
      .rows[0]
  const userRow = () => db.row('select * from auth.users where id = $1', [user.userId])
  const audit = () =>
    db.rows(
      `select action, actor, session_id, details from auth.audit_log_entries
       where user_id = $1 and actor like 'admin:%' order by id`,
      [user.userId],
    )
  const lastEvent = () =>
    db.row('select type, data from auth_private.events where user_id = $1 order by id desc limit 1', [
      user.userId,
    ])
  /** What he may do with his session: the error's SQLSTATE. */
  const entering = () =>
    web.query('select auth_private.get_user($1)', [user.sessionId]).then(
      () => undefined,
      (error: pg.DatabaseError) => error.code,
    )

  describe('auth.admin_ban_user', () => {
    test.each([
      ['infinity', 'infinity'],
      ['2999-01-01', '2999-01-01T00:00:00+00:00'],
      ['9999-12-31', '9999-12-31T00:00:00+00:00'],
      ['tomorrow', undefined],
    ])('until %s, with an audit entry and no event', async (until, told) => {
      const before = await lastEvent()
      expect(await ban(until)).toEqual(await userRow())
      expect(await entering()).toBe('WX004')
      expect(await audit()).toEqual([
        {
          action: 'user_banned',
          actor: admin.actor,
          session_id: null,
          details: { reason: 'spam', until: told ?? expect.any(String) },
        },
      ])
      expect(await lastEvent()).toEqual(before)
    })

    test.each([null, '-infinity', '2001-01-01', 'now', 'yesterday'])('until %p ends a ban', async until => {
      await ban('infinity')
      expect(await ban(until, 'a mistake')).toMatchObject({ id: user.userId, banned_until: null })
      expect(await entering()).toBeUndefined()
      expect((await audit()).at(-1)).toEqual({
        action: 'user_unbanned',
        actor: admin.actor,
        session_id: null,
        details: { reason: 'a mistake' },
      })
    })

    test.each([null, '-infinity', '2001-01-01'])(
      'until %p, where there is no ban, writes nothing',
      async until => {
        for (const former of [null, '2001-01-01']) {
          await db.rows('update auth.users set banned_until = $2 where id = $1', [user.userId, former])
          const before = await userRow()
          expect(await ban(until)).toEqual(before)
          expect([await userRow(), await audit()]).toEqual([before, []])
        }
      },
    )

    test('a ban may become longer or shorter', async () => {
      for (const until of ['2999-01-01', 'infinity', '2998-01-01']) await ban(until)
      expect(await audit()).toHaveLength(3)
      expect(await userRow()).toMatchObject({ banned_until: new Date('2998-01-01T00:00:00Z') })
    })
  })

  describe('auth.admin_delete_user', () => {
    test.each(['', ', false', ', null', ', hard => false'])('(user_id, reason%s) forgets him', async more => {
      const answer = await remove(more)
      expect(answer).toEqual(await userRow())
      expect(answer).toMatchObject({
        id: user.userId,
        deleted_at: expect.any(Date),
        phone: null,
        phone_confirmed_at: null,
        phone_raw: null,
        wechat_id: null,
        wechat_unionid: null,
        app_metadata: {},
        user_metadata: {},
      })
      expect(await entering()).toBe('WX003')
      expect(await audit()).toEqual([
        {
          action: 'user_deleted',
          actor: admin.actor,
          session_id: null,
          details: { reason: 'asked', hard: false },
        },
      ])
      expect(await lastEvent()).toEqual({ type: 'user.deleted', data: { hard: false } })
      const [identity] = await db.rows(
        'select id, provider_id, unionid from auth.identities where user_id = $1',
        [user.userId],
      )
      expect(identity).toMatchObject({ provider_id: `deleted-${identity!.id}`, unionid: null })
      expect((await signIn(web, user.openid)).userId).not.toBe(user.userId)

      expect(await remove(more)).toEqual(answer)
      expect(await audit()).toHaveLength(1)
    })

    test('hard, answers the row as it was, and nothing of it is left but the audit log', async () => {
      const before = await userRow()
      expect(await remove(', hard => true')).toEqual(before)
      expect(await userRow()).toBeUndefined()
      expect(await audit()).toMatchObject([
        { action: 'user_deleted', details: { reason: 'asked', hard: true } },
      ])
      expect(await lastEvent()).toEqual({ type: 'user.deleted', data: { hard: true } })
      await expect(remove(', hard => true')).rejects.toMatchObject({ code: 'WX005' })
      expect(JSON.stringify(await audit())).not.toContain(phone)
    })

    test('where a row refers to him, names its table, and goes on in the same transaction', async () => {
      await db.rows('create schema shop')
      await db.rows(
        'create table shop."Orders" (user_id uuid references auth.users deferrable initially deferred)',
      )
      await db.rows('insert into shop."Orders" values ($1)', [user.userId])
      const client = await admin.pool.connect()
      try {
        await client.query('begin; savepoint here')
        await expect(
          client.query(`select auth.admin_delete_user($1, 'asked', true)`, [user.userId]),
        ).rejects.toMatchObject({
          code: 'WX001',
          message: 'Rows of the table shop.Orders refer to this user',
        })
        await client.query('rollback to here')
        await client.query(`select auth.admin_delete_user($1, 'asked')`, [user.userId])
        await client.query('commit')
      } finally {
        client.release()
        await db.rows('drop schema shop cascade')
      }
      expect(await userRow()).toMatchObject({ deleted_at: expect.any(Date) })
    })

    test('hard, while the application writes a row of his and changes him: no deadlock', async () => {
      await db.rows('create table public.orders (user_id uuid references auth.users on delete cascade)')
      const application = new pg.Client({ connectionString: db.ownerUrl })
      await application.connect()
      try {
        await application.query('begin')
        await application.query('insert into public.orders values ($1)', [user.userId])
        const removed = remove(', hard => true')
        removed.catch(() => {})
        await waits()
        await application.query(`select auth.admin_bind_phone($1, $2, 'at once')`, [
          user.userId,
          freshPhone(),
        ])
        await application.query('commit')
        expect(await removed).toMatchObject({ id: user.userId })
        expect(await db.rows('select from public.orders')).toEqual([])
      } finally {
        await application.end()
        await db.rows('drop table public.orders')
      }
    })

    /** Until somebody waits for a lock in this database. */
    async function waits() {
      const text = `select from pg_locks l join pg_stat_activity a using (pid)
                    where not l.granted and a.datname = current_database()`
      while ((await db.rows(text)).length === 0) await sleep(10)
    }
  })

  describe('a search of administrators', () => {
    const PEOPLE = 3_000
    beforeAll(async () => {
      await db.rows(
        `with people as (
           insert into auth.users (wechat_id) select 'o-' || i from generate_series(1, $1) i returning id, wechat_id
         )
         insert into auth.identities (user_id, appid, provider_id) select id, 'wx1', wechat_id from people`,
        [PEOPLE],
      )
      await db.rows('analyze auth.users, auth.identities')
    })

    test.each<[string, () => unknown[]]>([
      ['id', () => [user.userId, null, null]],
      ['phone', () => [null, [phone, '+13800138000'], null]],
      ['openid', () => [null, null, user.openid]],
    ])(
      'by %s finds the row without reading the others, also where late pages were listed before',
      async (_by, filter) => {
        const client = await web.connect()
        const call = async (limit: number, offset: number, filter: unknown[]) =>
          (
            await client.query({
              name: 'list',
              text: 'select total, users from auth_private.admin_list_users($1, $2, $3, $4, $5)',
              values: [limit, offset, ...filter],
            })
          ).rows[0]
        const rowsRead = async () => {
          const { rows } = await client.query(
            `select sum(seq_tup_read + idx_tup_fetch)::integer as count from pg_stat_xact_user_tables
           where schemaname = 'auth' and relname in ('users', 'identities')`,
          )
          return rows[0].count
        }
        try {
          await client.query('begin')
          const start = await rowsRead()
          for (let count = 0; count < 10; count++) await call(1_000, PEOPLE - 1_000, [null, null, null])
          const before = await rowsRead()
          expect(before - start).toBeGreaterThan(PEOPLE)
          for (let count = 0; count < 10; count++) {
            expect(await call(50, 0, filter())).toMatchObject({ total: '1', users: [{ id: user.userId }] })
          }
          expect((await rowsRead()) - before).toBeLessThan(PEOPLE / 10)
        } finally {
          await client.query('rollback')
          client.release()
        }
      },
    )
  })
})
