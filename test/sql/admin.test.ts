import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { bindEntrances, phoneCode, signIn } from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { everyRound } from '../support/rounds.ts'
import { servers } from '../support/servers.ts'
import { startNode, startSimulator } from '../support/service.ts'
import { createAdmin } from './admin_login.ts'

const APP = 'wx1111111111111111'

let db: TestDatabase
let admin: pg.Pool
/** The actor in the audit log. */
let actor: string
let dropAdmin: () => Promise<void>

describe.each(servers)('on $name', server => {
  beforeAll(async () => {
    db = await createDatabase({ server })
    ;({ pool: admin, actor, drop: dropAdmin } = await createAdmin(db))
  })
  afterAll(async () => {
    await dropAdmin()
    await db.drop()
  })

  interface User {
    id: string
    openid: string
    phone: string | null
  }

  let lastPhone = 13_700_000_000
  const freshPhone = () => `+86${++lastPhone}`

  async function createUser(phone: string | null = null): Promise<User> {
    const openid = `o-${randomUUID()}`
    const { id } = await db.row<{ id: string }>(
      `insert into auth.users (wechat_id, phone, phone_confirmed_at, phone_raw)
     values ($1, $2::text, case when $2::text is not null then timestamptz '2001-01-01' end,
       case when $2::text is not null then '{"countryCode": "86"}'::jsonb end)
     returning id`,
      [openid, phone],
    )
    await db.rows('insert into auth.identities (user_id, appid, provider_id) values ($1, $2, $3)', [
      id,
      APP,
      openid,
    ])
    return { id, openid, phone }
  }

  const find = async (who: string | null) =>
    (await admin.query<{ id: string }>('select id from auth.admin_find_user($1)', [who])).rows.map(
      ({ id }) => id,
    )
  const bind = async (id: string | null, phone: string | null, reason: string | null = 'he called') =>
    (await admin.query('select * from auth.admin_bind_phone($1, $2, $3)', [id, phone, reason])).rows[0]
  const unbind = async (id: string | null, reason: string | null = 'he called') =>
    (await admin.query('select * from auth.admin_unbind_phone($1, $2)', [id, reason])).rows[0]
  const ban = async (id: string | null, reason: string | null = 'he called') =>
    (await admin.query(`select * from auth.admin_ban_user($1, 'infinity', $2)`, [id, reason])).rows[0]
  const remove = async (id: string | null, reason: string | null = 'he called') =>
    (await admin.query('select * from auth.admin_delete_user($1, $2, hard => true)', [id, reason])).rows[0]
  const removeSoftly = async (id: string | null, reason: string | null = 'he called') =>
    (await admin.query('select * from auth.admin_delete_user($1, $2)', [id, reason])).rows[0]

  const userRow = (id: string) => db.row('select * from auth.users where id = $1', [id])
  const audit = (id: string) =>
    db.rows(
      'select action, actor, session_id, details from auth.audit_log_entries where user_id = $1 order by id',
      [id],
    )
  const events = (id: string) =>
    db.rows('select type, data from auth_private.events where user_id = $1 order by id', [id])
  /** All that the functions could write. */
  const everything = () =>
    db.rows(`
    select (select jsonb_agg(u order by u.id) from auth.users u) as users,
           (select jsonb_agg(a order by a.id) from auth.audit_log_entries a) as audit,
           (select jsonb_agg(e order by e.id) from auth_private.events e) as events`)

  /** Fails by this SQLSTATE, and writes nothing. */
  async function refused(call: () => Promise<unknown>, code: string) {
    const before = await everything()
    await expect(call()).rejects.toMatchObject({ code })
    expect(await everything()).toEqual(before)
  }

  describe('auth.admin_find_user', () => {
    test('finds by phone, id and openid', async () => {
      const user = await createUser(freshPhone())
      await createUser(freshPhone())
      expect(await find(user.phone)).toEqual([user.id])
      expect(await find(user.id)).toEqual([user.id])
      expect(await find(user.id.toUpperCase())).toEqual([user.id])
      expect(await find(user.openid)).toEqual([user.id])
    })

    test('answers the whole row, as service_role sees it', async () => {
      const user = await createUser(freshPhone())
      const { rows } = await admin.query('select * from auth.admin_find_user($1)', [user.phone])
      expect(rows).toEqual([await userRow(user.id)])
    })

    test.each([
      ['an unknown phone', '+8613999999999'],
      ['a phone without plus', '8613700000001'],
      ['an unknown uuid', randomUUID()],
      ['an unknown openid', 'o-nobody'],
      ['null', null],
      ['nothing', ''],
      ['a plus', '+'],
      ['a pattern', '%'],
      ['a pattern of phones', '+%'],
      ['nearly a uuid', '00000000-0000-0000-0000-00000000000g'],
      ['a fragment of SQL', `' or true; drop table auth.users; --`],
      ['a phone and a fragment of SQL', `+8613700000001' or '1'='1`],
      ['much', 'x'.repeat(100_000)],
    ])('finds nobody by %s', async (_case, who) => {
      await createUser(freshPhone())
      expect(await find(who)).toEqual([])
    })

    test.each([
      ['deleted', `deleted_at = now()`],
      ['merged', `merged_into = (select id from auth.users where phone = '+8613600000000')`],
    ])('finds a %s user by id, not by phone', async (_case, change) => {
      const survivors = await find('+8613600000000')
      if (survivors.length === 0) await createUser('+8613600000000')
      const user = await createUser(freshPhone())
      await db.rows(`update auth.users set ${change} where id = $1`, [user.id])
      expect(await find(user.phone)).toEqual([])
      expect(await find(user.id)).toEqual([user.id])
    })
  })

  describe('auth.admin_bind_phone', () => {
    test('binds, with an audit entry and an event', async () => {
      const user = await createUser()
      const phone = freshPhone()
      const answer = await bind(user.id, phone)
      expect(answer).toEqual(await userRow(user.id))
      expect(answer).toMatchObject({ id: user.id, phone, phone_raw: null, phone_revision: 1 })
      expect(answer.phone_confirmed_at).toBeInstanceOf(Date)
      expect(await audit(user.id)).toEqual([
        {
          action: 'phone_bound',
          actor,
          session_id: null,
          details: { source: 'admin', reason: 'he called', phone: phone.replace(/\d{4}(\d{4})$/, '****$1') },
        },
      ])
      expect(await events(user.id)).toEqual([{ type: 'phone.bound', data: { phone } }])
      expect(await find(phone)).toEqual([user.id])
    })

    test.each(['+12345', '+85212345678', '+491234567890123', '+8613800138000'])('takes %s', async phone => {
      const user = await createUser()
      expect(await bind(user.id, phone)).toMatchObject({ phone })
    })

    test.each([
      ['null', null],
      ['nothing', ''],
      ['no plus', '8613800138001'],
      ['a national number', '13800138001'],
      ['a plus alone', '+'],
      ['four digits', '+1234'],
      ['sixteen digits', '+1234567890123456'],
      ['a country code of zero', '+0138001380'],
      ['two pluses', '++8613800138001'],
      ['a space inside', '+86 13800138001'],
      ['a space before', ' +8613800138001'],
      ['a space after', '+8613800138001 '],
      ['a newline after', '+8613800138001\n'],
      ['a second line', '+8613800138001\n+8613800138002'],
      ['hyphens', '+86-138-0013-8001'],
      ['a letter', '+8613800138o01'],
      ['full-width digits', '+８６１３８００１３８００１'],
      ['Arabic digits', '+٨٦١٣٨٠٠١٣٨٠٠١'],
      ['a fragment of SQL', `+1' or '1'='1`],
    ])('refuses %s as a phone', async (_case, phone) => {
      const user = await createUser(freshPhone())
      await refused(() => bind(user.id, phone), 'WX001')
    })

    test('the same phone renews the time, with an audit entry and no event', async () => {
      const user = await createUser(freshPhone())
      const answer = await bind(user.id, user.phone)
      expect(answer).toMatchObject({ phone: user.phone, phone_revision: 0, phone_raw: { countryCode: '86' } })
      expect(answer.phone_confirmed_at.getFullYear()).toBeGreaterThan(2001)
      expect(await audit(user.id)).toMatchObject([{ action: 'phone_bound', actor }])
      expect((await audit(user.id))[0]).not.toHaveProperty('details.former')
      expect(await events(user.id)).toEqual([])
    })

    test('replaces a phone, and frees it', async () => {
      const user = await createUser('+8613512345678')
      const phone = freshPhone()
      expect(await bind(user.id, phone)).toMatchObject({ phone, phone_revision: 1, phone_raw: null })
      expect(await audit(user.id)).toMatchObject([{ details: { former: '+86135****5678' } }])
      expect(await events(user.id)).toEqual([{ type: 'phone.bound', data: { phone } }])
      const other = await createUser()
      expect(await bind(other.id, '+8613512345678')).toMatchObject({ phone: '+8613512345678' })
    })

    test("refuses another user's phone, and changes nothing", async () => {
      const [owner, user] = [await createUser(freshPhone()), await createUser(freshPhone())]
      await refused(() => bind(user.id, owner.phone), 'WX006')
    })

    test.each([
      ['deleted', 'deleted_at = now()'],
      ['merged', 'merged_into = (select min(id::text)::uuid from auth.users where id <> $1)'],
    ])('the phone of a %s user is free', async (_case, change) => {
      const [gone, user] = [await createUser(freshPhone()), await createUser()]
      await db.rows(`update auth.users set ${change} where id = $1`, [gone.id])
      expect(await bind(user.id, gone.phone)).toMatchObject({ id: user.id, phone: gone.phone })
    })
  })

  type Call = (id: string | null, reason?: string | null) => Promise<{ phone: string | null }>
  describe.each<[string, Call, knows: string[]]>([
    ['auth.admin_bind_phone', (id, reason) => bind(id, freshPhone(), reason), []],
    ['auth.admin_unbind_phone', unbind, []],
    ['auth.admin_ban_user', ban, []],
    ['auth.admin_delete_user', removeSoftly, ['a deleted']],
    ['auth.admin_delete_user, hard', remove, ['a deleted', 'a merged']],
  ])('%s', (_name, call, knows) => {
    test.each([
      ['an unknown', undefined],
      ['a deleted', 'deleted_at = now()'],
      ['a merged', 'merged_into = (select min(id::text)::uuid from auth.users where id <> $1)'],
    ])('knows nothing of %s user, unless it is there for such', async (who, change) => {
      const { id } = await createUser(freshPhone())
      if (change) await db.rows(`update auth.users set ${change} where id = $1`, [id])
      else await db.rows('delete from auth.users where id = $1', [id])
      if (knows.includes(who)) expect(await call(id)).toMatchObject({ id })
      else await refused(() => call(id), 'WX005')
    })

    test('knows nothing of null', () => refused(() => call(null), 'WX005'))

    test.each([
      ['no', null],
      ['an empty', ''],
      ['a blank', '   '],
      ['a blank, with tab and newline,', ' \t\n '],
      ['a full-width blank', '\u3000'],
    ])('wants more than %s reason', async (_case, reason) => {
      const { id } = await createUser(freshPhone())
      await refused(() => call(id, reason), 'WX001')
    })

    test.each([
      '+8613800138000',
      '+86 138 0013 8000',
      '+86-138-0013-8000',
      '+1 (234) 567-8901',
      '+1.234.567.8901',
      '8613800138000',
      '13800138000',
      '138 0013 8000',
      '138-0013-8000',
      '(138) 0013-8000',
      '021-61234567',
      '+123456789012345678901',
      '+1234567',
      'ticket 4711: from 13800138000 to +8613900139000, please',
      '手机号13800138000换成13900139000。',
      '手机号１３８００１３８０００',
    ])('masks what looks like a phone in the reason: %s', async reason => {
      const { id } = await createUser(freshPhone())
      await call(id, reason)
      const [entry] = (await audit(id)) as [{ details: { reason: string } }]
      expect(entry.details.reason).toContain('****')
      // What remains of a number is its end.
      expect(entry.details.reason.replace(/[ ().-]/g, '')).not.toMatch(/\d{5}/)
      expect(entry.details.reason.replace(/[\d*+ ().-]/g, '')).toBe(
        reason.replace(/[\d*+ ().-]|[０-９]/g, ''),
      )
    })

    test.each(['ticket 4711 of 2024-05-01', 'a new SIM card', 'asked twice (10:30, 11:45)'])(
      'keeps a reason without a phone: %s',
      async reason => {
        const { id } = await createUser(freshPhone())
        await call(id, reason)
        expect(await audit(id)).toMatchObject([{ details: { reason } }])
      },
    )

    test('runs after set role service_role, and tells who it was', async () => {
      const client = await admin.connect()
      try {
        const { id } = await createUser(freshPhone())
        await client.query('set role service_role')
        const phone = freshPhone()
        await client.query('select auth.admin_bind_phone($1, $2, $3)', [id, phone, 'as service_role'])
        await client.query('select auth.admin_unbind_phone($1, $2)', [id, 'as service_role'])
        await client.query(`select auth.admin_ban_user($1, 'infinity', $2)`, [id, 'as service_role'])
        await client.query('select auth.admin_delete_user($1, $2)', [id, 'as service_role'])
        expect(await audit(id)).toMatchObject([
          { action: 'phone_bound', actor },
          { action: 'phone_unbound', actor },
          { action: 'user_banned', actor },
          { action: 'user_deleted', actor },
        ])
      } finally {
        await client.query('reset role')
        client.release()
      }
    })
  })

  describe('auth.admin_unbind_phone', () => {
    test('takes the phone, with an audit entry and an event', async () => {
      const user = await createUser('+8613412345678')
      const answer = await unbind(user.id)
      expect(answer).toEqual(await userRow(user.id))
      expect(answer).toMatchObject({
        phone: null,
        phone_confirmed_at: null,
        phone_raw: null,
        phone_revision: 1,
      })
      expect(await audit(user.id)).toEqual([
        {
          action: 'phone_unbound',
          actor,
          session_id: null,
          details: { source: 'admin', reason: 'he called', phone: '+86134****5678' },
        },
      ])
      expect(await events(user.id)).toEqual([{ type: 'phone.unbound', data: { phone: '+8613412345678' } }])
    })

    test('does nothing where there is no phone', async () => {
      const user = await createUser()
      const before = await everything()
      expect(await unbind(user.id)).toMatchObject({ id: user.id, phone: null })
      expect(await everything()).toEqual(before)
    })
  })

  describe.each(['anon', 'authenticated', 'authenticator'])('%s', role => {
    test.each([
      ['find', 'select * from auth.admin_find_user($1::text)'],
      ['bind', `select * from auth.admin_bind_phone($1::uuid, '+8613300000000', 'a reason')`],
      ['unbind', `select * from auth.admin_unbind_phone($1::uuid, 'a reason')`],
      ['ban', `select * from auth.admin_ban_user($1::uuid, 'infinity', 'a reason')`],
      ['delete', `select * from auth.admin_delete_user($1::uuid, 'a reason')`],
      ['delete hard', `select * from auth.admin_delete_user($1::uuid, 'a reason', true)`],
      ['lock', `select * from auth_private.admin_lock_user($1::uuid, 'a reason')`],
    ])('may not %s', async (_case, statement) => {
      const user = await createUser(freshPhone())
      const web = new pg.Client({ connectionString: db.webUrl })
      await web.connect()
      try {
        await web.query(`set role ${role}`)
        await refused(() => web.query(statement, [user.id]), '42501')
      } finally {
        await web.end()
      }
    })
  })

  describe.each(everyRound)('round %i', () => {
    test('10 administrators and 10 users bind one phone at once: one owner', async () => {
      const simulator = await startSimulator()
      const node = await startNode({ db, wechatUrl: simulator.url })
      try {
        const phone = freshPhone()
        const national = phone.slice(3)
        const callers = await Promise.all(Array.from({ length: 10 }, () => signIn(node, simulator)))
        const codes = await Promise.all(callers.map(() => phoneCode(simulator, national)))
        const others = await Promise.all(Array.from({ length: 10 }, () => createUser()))
        const entrances = Object.values(bindEntrances)
        const outcomes = await Promise.all([
          ...callers.map(({ accessToken }, index) =>
            entrances[index % entrances.length]!(node, codes[index], accessToken).then(({ code }) => code),
          ),
          ...others.map(({ id }) =>
            bind(id, phone).then(
              () => undefined,
              (error: { code: string }) => error.code,
            ),
          ),
        ])
        expect(outcomes.filter(code => code === undefined)).toHaveLength(1)
        expect(outcomes.slice(0, 10).every(code => code === undefined || code === 'phone_exists')).toBe(true)
        expect(outcomes.slice(10).every(code => code === undefined || code === 'WX006')).toBe(true)
        const winner = outcomes.indexOf(undefined)
        const ids = [...callers.map(({ userId }) => userId), ...others.map(({ id }) => id)]
        expect(await db.rows('select id from auth.users where phone = $1', [phone])).toEqual([
          { id: ids[winner] },
        ])
        expect(
          await db.rows(
            `select user_id from auth_private.events where type = 'phone.bound' and data ->> 'phone' = $1`,
            [phone],
          ),
        ).toEqual([{ user_id: ids[winner] }])
      } finally {
        await node.close()
        await simulator.close()
      }
    })
  })
})
