import { randomBytes } from 'node:crypto'
import type pg from 'pg'
import { DUE } from '../../src/tasks/deliveries.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { secret } from '../support/leaks.ts'
import { servers } from '../support/servers.ts'
import { createAdmin } from './admin_login.ts'

const base64 = (bytes: number) => randomBytes(bytes).toString('base64')

describe.each(servers)('on $name', server => {
  let db: TestDatabase
  beforeAll(async () => {
    db = await createDatabase({ server })
  })
  afterEach(() =>
    db.rows('truncate auth_private.events, auth_private.webhooks, auth.audit_log_entries cascade'),
  )
  afterAll(() => db.drop())

  interface Added {
    id: string
    url: string
    events: string[] | null
    secret: string
  }
  const add = async (...values: [url: string | null, events?: unknown, secret?: string | null]) => {
    const places = values.map((_value, index) => `$${index + 1}`)
    const added = await db.row<Added>(`select * from auth.admin_add_webhook(${places})`, values)
    secret(added.secret)
    return added
  }
  const refusal = (work: Promise<unknown>) =>
    work.then(
      () => undefined,
      ({ code, message, hint, detail, where }: pg.DatabaseError) => ({
        code,
        hint,
        text: [message, hint, detail, where].join(' '),
      }),
    )

  describe('auth.admin_add_webhook', () => {
    test('answers what it has added, with a secret that nobody had before', async () => {
      const one = await add('https://a.test/events')
      const two = await add('https://a.test/events')
      expect(one).toMatchObject({ url: 'https://a.test/events', events: null })
      expect(Buffer.from(one.secret.replace(/^whsec_/, ''), 'base64')).toHaveLength(32)
      expect(one.secret).toMatch(/^whsec_/)
      expect([two.id, two.secret]).not.toEqual([one.id, one.secret])
      const { id, ...entry } = await db.row<Record<string, unknown>>(
        'select * from auth.audit_log_entries order by id limit 1',
      )
      expect(entry).toMatchObject({
        action: 'webhook_added',
        user_id: null,
        actor: expect.stringMatching(/^admin:/),
        details: { webhook_id: one.id, origin: 'https://a.test' },
      })
    })

    test('notes neither the path nor the query, which may be secret', async () => {
      await add('https://hooks.test:8443/services/T0KEN?key=s3cr3t-key', ['user.created'])
      const text = JSON.stringify(await db.rows('select * from auth.audit_log_entries'))
      expect(text).toContain('"origin":"https://hooks.test:8443"')
      expect(text).not.toMatch(/T0KEN|s3cr3t/)
    })

    test.each([
      'http://a',
      'http://localhost:8080',
      'https://a.test',
      'HTTPS://A.test/Path',
      'https://a.test?x=1',
      'https://a-b_c.test:65535/x?y=/z',
      'http://127.0.0.1:1/',
      'http://[::1]:80/x',
      'http://[::ffff:127.0.0.1]/',
      'https://a.test/%E4%B8%AD?a=b&c=@:',
    ])('takes the URL %s, which the client understands alike', async url => {
      expect((await add(url)).url).toBe(url)
      expect(new URL(url).username).toBe('')
    })

    test.each([
      null,
      '',
      ' ',
      'a.test',
      '//a.test',
      'ftp://a.test',
      'file:///etc/passwd',
      'javascript:alert(1)',
      'http://',
      'http:///x',
      'http:a.test',
      'https://user@a.test',
      'https://user:pass@a.test/',
      'https://a.test:0/',
      'https://a.test:65536',
      'https://a.test:99999/',
      'https://a.test:/',
      'https://a.test:123456/',
      'https://a.test:8o/',
      'https://a.test/ x',
      'https://a.test/x\n',
      ' https://a.test',
      'https://a.test\t',
      'https://a.test#x',
      'https://a.test/#x',
      'https://中.test',
      'https://a.test/中',
      'https://a.test\\@b.test/',
      'https://[::1',
      'https://::1/',
      'https://a.test\u0001',
      `https://a.test/${'x'.repeat(2048)}`,
    ])('refuses the URL %j', async url => {
      expect(await refusal(add(url))).toMatchObject({
        code: 'WX001',
        hint: expect.stringMatching(/^Write http/),
      })
      expect(await db.rows('select from auth_private.webhooks')).toEqual([])
    })

    test.each<[unknown, string[] | null]>([
      [null, null],
      [[], null],
      [['user.created'], ['user.created']],
      [
        ['phone.bound', 'phone.unbound'],
        ['phone.bound', 'phone.unbound'],
      ],
    ])('takes the events %j', async (events, stored) => {
      expect((await add('http://a.test', events)).events).toEqual(stored)
    })

    test.each([
      [['user']],
      [['user.*']],
      [['*']],
      [['']],
      [[null]],
      [['user.created', 'User.Created']],
      [['user.created', '+8613800138000']],
    ])('refuses the events %j', async events => {
      const error = await refusal(add('http://a.test', events))
      expect(error).toMatchObject({ code: 'WX001', hint: expect.stringMatching(/phone\.bound.*null: all/) })
      expect(error!.text).not.toContain('8613800138000')
    })

    test.each([24, 25, 26, 32, 63, 64])(
      'takes a secret of %i bytes, with its prefix or without',
      async bytes => {
        const key = secret(base64(bytes))
        expect((await add('http://a.test', null, key)).secret).toBe(`whsec_${key}`)
        expect((await add('http://a.test', null, `whsec_${key}`)).secret).toBe(`whsec_${key}`)
      },
    )

    test.each([
      '',
      'whsec_',
      base64(23),
      base64(65),
      base64(200),
      `whsec_whsec_${base64(32)}`,
      base64(32).replace('=', ''),
      `${base64(32)}=`,
      ` ${base64(33)}`,
      `${base64(33)}\n`,
      base64(33).replace(/.$/, '-'),
      base64(33).replace(/.$/, '_'),
      '密'.repeat(44),
      `${base64(24)}${'='.repeat(4)}`,
      // Bits that nobody would see: another text of the same bytes.
      `${'A'.repeat(42)}B=`,
    ])('refuses the secret %j, without repeating it', async key => {
      const error = await refusal(add('http://a.test', null, key))
      expect(error).toMatchObject({ code: 'WX001', hint: expect.stringMatching(/^whsec_ and the base64/) })
      if (key.length > 10) expect(error!.text).not.toContain(key)
    })

    test('knows the types that events may have', async () => {
      const { types } = await db.row<{ types: string[] }>('select auth_private.event_types() as types')
      for (const type of types)
        await db.rows('insert into auth_private.events (type, user_id) values ($1, gen_random_uuid())', [
          type,
        ])
      const { known } = await db.row<{ known: string }>(
        `select pg_get_constraintdef(oid) as known from pg_constraint where conname = 'events_type_is_known'`,
      )
      expect([...known.matchAll(/'([^']+)'/g)].map(([, type]) => type)).toEqual(types)
    })
  })

  describe('the list', () => {
    test('shows everything but secrets', async () => {
      const { id, secret } = await add('http://a.test', ['user.created'])
      await db.rows(`insert into auth_private.webhooks default values`)
      const list = await db.rows('select * from auth.admin_list_webhooks()')
      expect(list).toMatchObject([
        { id, url: 'http://a.test', events: ['user.created'], waiting: '0', failed: '0', next_due_at: null },
        { url: null, events: null },
      ])
      expect(JSON.stringify(list)).not.toContain(secret)
    })

    test.each([
      ['auth.admin_remove_webhook($1)'],
      ['auth.admin_list_failed_deliveries($1)'],
      ['auth.admin_replay_deliveries($1)'],
    ])('%s of none that is there is refused', async call => {
      for (const id of [null, '00000000-0000-4000-8000-000000000000'])
        expect(await refusal(db.rows(`select ${call}`, [id]))).toMatchObject({
          code: 'WX001',
          hint: expect.stringMatching(/admin_list_webhooks/),
        })
    })

    test('of failures and removal: what was given up, at most so many; then nothing of it', async () => {
      const { id } = await add('http://a.test')
      await db.rows(
        `insert into auth_private.events (type, user_id) select 'user.created', gen_random_uuid() from generate_series(1, 5)`,
      )
      await db.rows('select auth_private.relay_events(10)')
      await db.rows(
        `update auth_private.deliveries set state = 'failed' where id > (select min(id) from auth_private.deliveries)`,
      )
      const count = async (rows: string) =>
        (await db.rows(`select * from auth.admin_list_failed_deliveries($1, ${rows})`, [id])).length
      expect([
        await count('2'),
        await count('0'),
        await count('-1'),
        await count('null'),
        await count('100'),
      ]).toEqual([2, 0, 0, 4, 4])
      expect(await db.rows('select * from auth.admin_list_webhooks()')).toMatchObject([
        { waiting: '1', failed: '4' },
      ])
      await db.rows('select auth.admin_replay_deliveries($1)', [id])
      await db.rows('select auth.admin_remove_webhook($1)', [id])
      expect(await db.rows('select from auth_private.deliveries')).toEqual([])
      expect(await db.rows('select action, details from auth.audit_log_entries order by id')).toEqual([
        { action: 'webhook_added', details: { webhook_id: id, origin: 'http://a.test' } },
        { action: 'deliveries_replayed', details: { webhook_id: id, deliveries: 4 } },
        { action: 'webhook_removed', details: { webhook_id: id, origin: 'http://a.test' } },
      ])
    })
  })

  test('an administrator has these functions, and reads neither table', async () => {
    const { pool, actor, drop } = await createAdmin(db)
    try {
      const { rows } = await pool.query<Added>(`select * from auth.admin_add_webhook(url => 'http://a.test')`)
      const { id } = rows[0]!
      secret(rows[0]!.secret)
      await pool.query('select auth.admin_list_webhooks()')
      await pool.query('select auth.admin_list_failed_deliveries($1)', [id])
      await pool.query('select auth.admin_replay_deliveries($1)', [id])
      await pool.query('select auth.admin_remove_webhook($1)', [id])
      expect(await db.rows('select distinct actor from auth.audit_log_entries')).toEqual([{ actor }])
      for (const table of ['webhooks', 'deliveries'])
        await expect(pool.query(`select from auth_private.${table}`)).rejects.toMatchObject({ code: '42501' })
    } finally {
      await drop()
    }
  })

  test('what is due of 100,000 deliveries is found by the indexes alone', async () => {
    const { id } = await add('http://a.test')
    await db.rows(`
      with events as (
        insert into auth_private.events (type, user_id, relayed_at)
        select 'user.created', md5((n % 20000)::text)::uuid, now() from generate_series(1, 100000) n returning id, user_id)
      insert into auth_private.deliveries (webhook_id, event_id, user_id, due_at)
      select '${id}', id, user_id, now() + interval '1 hour' * (random() - 0.001) from events`)
    await db.rows('analyze auth_private.deliveries, auth_private.events')
    const { rows } = await db.owner.query({ text: `explain ${DUE}`, values: [id, [], 10], rowMode: 'array' })
    const plan = rows.join('\n')
    expect(plan).toMatch(/Index (Only )?Scan using deliveries_due_idx/)
    expect(plan).toMatch(/using deliveries_order_idx/)
    expect(plan).not.toMatch(/Seq Scan|Bitmap|Sort Key: .*user_id/)
  })
})
