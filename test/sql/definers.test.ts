import { randomBytes, randomUUID } from 'node:crypto'
import pg from 'pg'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { servers } from '../support/servers.ts'
import { type Breakage, breakDefiner, broken, exempt } from './broken_definers.ts'
import { APP, claim, freshPhone, type Person, signIn, write } from './calls.ts'

// What the definers let through, whatever calls them, and whatever is wrong inside them.

const RECEIVE = `select auth_private.wechat_receive_push($1, 'user_authorization_revoke', $2, '{8}', now())`

describe.each(servers)('on $name', server => {
  let db: TestDatabase
  let web: pg.Pool
  /** Has a session and nothing else. */
  let caller: Person
  /** Has everything, made before the caller: whoever takes the first row that he finds takes his. */
  let stranger: Person
  let webhookId: string

  beforeAll(async () => {
    db = await createDatabase({ server })
    web = new pg.Pool({ connectionString: db.webUrl, max: 4 })
    stranger = await signIn(web)
    await signIn(web, stranger.openid)
    await write(web, stranger, randomBytes(32), randomUUID(), 'phone', freshPhone())
    await write(web, stranger, randomBytes(32), randomUUID(), 'wechat_code_invalid')
    await claim(web, stranger, randomBytes(32), randomUUID())
    caller = await signIn(web)
    const webhook = await db.row<{ id: string }>(
      'insert into auth_private.webhooks default values returning id',
    )
    webhookId = webhook.id
    for (const { openid } of [stranger, caller]) await web.query(RECEIVE, [APP, openid])
  })
  afterAll(async () => {
    await web.end()
    await db.drop()
  })

  /** All that there is of the stranger's; his claims apart, and codes that WeChat refused. */
  async function strangersRows(client: pg.PoolClient) {
    const { rows } = await client.query(
      `select (select to_jsonb(u) from auth.users u where u.id = $1) as person,
              (select jsonb_agg(i order by i.id) from auth.identities i where i.user_id = $1) as identities,
              (select jsonb_agg(s order by s.id) from auth.sessions s where s.user_id = $1) as sessions,
              (select jsonb_agg(p order by p.id) from auth.phone_changes p where p.user_id = $1) as phones,
              (select jsonb_agg(c order by c.code_hash) from auth_private.wechat_codes c
               where c.user_id = $1 and c.outcome = 'bound') as codes,
              (select jsonb_agg(c order by c.code_hash) from auth_private.wechat_codes c
               where c.user_id = $1 and c.outcome is distinct from 'bound') as claims,
              (select jsonb_agg(a order by a.id) from auth.audit_log_entries a where a.user_id = $1) as entries,
              (select jsonb_agg(e order by e.id) from auth_private.events e where e.user_id = $1) as events,
              (select jsonb_agg(p order by p.id) from auth_private.wechat_pushes p where p.openid = $2) as pushes`,
      [stranger.userId, stranger.openid],
    )
    return rows[0]
  }

  /** Calls the broken definer, and tells what the stranger had before and has afterwards. */
  const afterCalling = (definer: string, breakage: Breakage, owner?: string) =>
    db.experiment(async client => {
      await breakDefiner(client, definer, breakage)
      if (owner) await client.query(`alter function ${definer} owner to ${owner}`)
      if (breakage.before) await client.query(...breakage.before(caller))
      const before = await strangersRows(client)
      await client.query('savepoint before')
      const error = await breakage.call(client, caller).then(
        () => undefined,
        (reason: unknown) => reason,
      )
      if (error) await client.query('rollback to before')
      return { before, after: await strangersRows(client), error }
    })

  describe.each(Object.entries(broken))('%s', (definer, breakages) => {
    describe.each(breakages)('that forgot $what', breakage => {
      const but = breakage.takesClaims ? ' but codes that bound nothing' : ''
      test(`touches nothing of a stranger's${but}`, async () => {
        const { before, after, error } = await afterCalling(definer, breakage)
        if (breakage.refused) expect(error).toMatchObject({ code: '42501' })
        else expect(error).toBeUndefined()
        const { claims, ...rest } = after
        expect(rest).toEqual({ ...before, claims: undefined })
        if (breakage.takesClaims) expect(claims).toBeNull()
        else expect(claims).toEqual(before.claims)
      })

      test('would, if it were not for its owner', async () => {
        const { before, after, error } = await afterCalling(definer, breakage, 'current_user')
        expect(error).toBeUndefined()
        if (breakage.takesClaims) after.claims = before.claims
        expect(after).not.toEqual(before)
      })
    })
  })

  test('every definer is broken above, or exempt', async () => {
    const definers = await db.rows<{ definer: string }>(
      `select p.oid::regprocedure::text as definer from pg_proc p join pg_namespace n on n.oid = p.pronamespace
       where p.prosecdef and n.nspname in ('auth', 'auth_private')`,
    )
    expect([...Object.keys(broken), ...Object.keys(exempt)].sort()).toEqual(
      definers.map(({ definer }) => definer).sort(),
    )
  })

  test.each(Object.keys(exempt).filter(definer => exempt[definer] === 'writes nothing'))(
    '%s writes nothing',
    async definer => {
      const name = definer.replace(/.*\.|\(.*/g, '')
      const values: Record<string, unknown[]> = {
        get_user: [caller.sessionId],
        request_claims: [{ session_id: caller.sessionId }],
        'access_token_claims(uuid,jsonb)': [caller.sessionId, {}],
        access_token_claims: [caller.sessionId, '2026-01-01', {}, {}],
        custom_claims: [{}],
        admin_list_users: [10, 0, null, null, null],
        admin_get_user: [caller.userId],
        admin_list_sessions: [caller.userId],
        admin_list_audit: [10, 0, null, null],
        metrics: [[APP], 'stable'],
        admin_list_webhooks: [],
        admin_list_failed_deliveries: [webhookId],
      }
      const given = values[definer.replace('auth_private.', '')] ?? values[name]!
      const places = given.map((_value, index) => `$${index + 1}`)
      await db.experiment(async client => {
        await client.query('set transaction read only')
        await client.query(`select ${definer.replace(/\(.*/, '')}(${places})`, given)
      })
    },
  )

  test('whoever knows no users has no right on a table that does, but to tell of nobody', async () => {
    const duties = await db.rows<{ duty: string; reaches: string[] }>(
      `select proowner::regrole::text as duty, array(
         select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where n.nspname in ('auth', 'auth_private') and c.relkind = 'r'
           and (c.oid = 'auth.users'::regclass or exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'user_id'))
           and (has_any_column_privilege(proowner, c.oid, 'select, insert, update, references')
                or has_table_privilege(proowner, c.oid, 'delete, truncate, trigger'))) as reaches
       from pg_proc where oid = any ($1::regprocedure[])`,
      [Object.keys(exempt).filter(definer => exempt[definer] === 'knows no users')],
    )
    expect(duties.length).toBeGreaterThan(1)
    const tells = { auth_courier: ['auth_private.events'] }
    for (const { duty, reaches } of duties)
      expect([duty, reaches]).toEqual([duty, tells[duty as keyof typeof tells] ?? []])
  })

  test('auth_courier tells of nobody, and of budgets alone', async () => {
    const nobody = '00000000-0000-0000-0000-000000000000'
    const telling = (type: string, userId: string) =>
      db.experiment(async client => {
        await client.query('set local role auth_courier')
        return client.query('insert into auth_private.events (type, user_id) values ($1, $2)', [type, userId])
      })
    for (const [type, userId] of [
      ['wechat.budget_warning', caller.userId],
      ['phone.bound', nobody],
    ] as const)
      await expect(telling(type, userId)).rejects.toMatchObject({ code: '42501' })
    expect(await telling('wechat.budget_warning', nobody)).toMatchObject({ rowCount: 1 })
    await expect(
      db.experiment(async client => {
        await client.query('set local role auth_courier')
        return client.query('select type from auth_private.events')
      }),
    ).rejects.toMatchObject({ code: '42501' })
  })

  test('whoever changes no user writes nothing about one but what administrators do', async () => {
    const writable = await db.rows<{ table: string }>(
      `select distinct c.oid::regclass::text as table
       from pg_proc p, pg_class c join pg_namespace n on n.oid = c.relnamespace
       where p.oid = any ($1::regprocedure[]) and n.nspname in ('auth', 'auth_private') and c.relkind = 'r'
         and (has_any_column_privilege(p.proowner, c.oid, 'insert, update, references')
              or has_table_privilege(p.proowner, c.oid, 'delete, truncate, trigger')) order by 1`,
      [Object.keys(exempt).filter(definer => exempt[definer] === 'changes no user')],
    )
    expect(writable.map(({ table }) => table)).toEqual([
      'auth.audit_log_entries',
      'auth_private.deliveries',
      'auth_private.webhooks',
    ])
  })

  const insertion = (table: string, columns: string, values: string) =>
    `insert into ${table} (user_id, ${columns}) select $1::uuid, ${values}`
  const entry = insertion('auth.audit_log_entries', 'action, actor', `'phone_bound', 'user'`)
  const event = insertion('auth_private.events', 'type', `'phone.bound'`)

  const otherApp = 'wx3333333333333333'

  test.each([
    [
      'auth_signer',
      'an identity',
      insertion(
        'auth.identities',
        'appid, provider_id',
        `'${otherApp}', auth_private.signing_identity() ->> 'openid'`,
      ),
      otherApp,
    ],
    ['auth_signer', 'a session', 'insert into auth.sessions (user_id) select $1::uuid'],
    ['auth_signer', 'an audit entry', entry],
    ['auth_signer', 'an event', event],
    ['auth_keeper', 'an audit entry', entry],
    [
      'auth_holder',
      'an identity',
      insertion(
        'auth.identities',
        'appid, provider_id',
        `'${otherApp}', auth_private.signing_identity() ->> 'openid'`,
      ),
      otherApp,
    ],
    ['auth_holder', 'an audit entry', entry],
    ['auth_holder', 'an event', insertion('auth_private.events', 'type', `'user.deleted'`)],
    [
      'auth_binder',
      'a code',
      insertion(
        'auth_private.wechat_codes',
        'code_hash, appid, claim_id, claimed_until',
        `sha256('a code'), '${APP}', gen_random_uuid(), now()`,
      ),
    ],
    [
      'auth_binder',
      'a phone of the past',
      insertion('auth.phone_changes', 'phone, how, actor', `'+8613800138000', 'bind', 'user'`),
    ],
    [
      'auth_eraser',
      'an audit entry',
      insertion('auth.audit_log_entries', 'action, actor', `'authorization_revoked', 'wechat'`),
    ],
    ['auth_eraser', 'an event', insertion('auth_private.events', 'type', `'phone.unbound'`)],
    ['auth_binder', 'an audit entry', entry],
    ['auth_binder', 'an event', event],
  ])('%s writes %s for the one who calls, and for no stranger', async (duty, _what, statement, app = APP) => {
    const inserting = (userId: string) =>
      db.experiment(async client => {
        const { rows: pushes } = await client.query(
          'select id::integer from auth_private.wechat_pushes where openid = $1',
          [caller.openid],
        )
        const settings = {
          'request.push_id': pushes[0].id,
          'request.wechat': { appid: app, openid: caller.openid },
          'request.jwt.claims': { session_id: caller.sessionId, sub: caller.userId },
        }
        for (const [name, value] of Object.entries(settings))
          await client.query('select set_config($1, $2, true)', [name, JSON.stringify(value)])
        await client.query(`set local role ${duty}`)
        return client.query(statement, [userId])
      })
    await expect(inserting(stranger.userId)).rejects.toMatchObject({ code: '42501' })
    expect(await inserting(caller.userId)).toMatchObject({ rowCount: 1 })
  })

  test('a type of pg_temp does not run code as a duty', async () => {
    const { rows } = await db.experiment(async client => {
      await client.query(`
        create function pg_temp.grab() returns boolean language plpgsql as $$ begin
          if current_user = 'auth_steward' then raise exception 'ran as auth_steward'; end if; return true; end $$;
        create domain pg_temp.text as pg_catalog.text check (pg_temp.grab());
      `)
      return client.query(`select id from auth.admin_unbind_phone($1, 'a reason'::pg_catalog.text)`, [
        stranger.userId,
      ])
    })
    expect(rows).toEqual([{ id: stranger.userId }])
  })
})
