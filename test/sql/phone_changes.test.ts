import pg from 'pg'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { everyRound } from '../support/rounds.ts'
import { servers } from '../support/servers.ts'
import { freshPhone, type MergeFixture, mergeFixture } from './merge_fixture.ts'

// Who had which phone, and a number that the carrier has given to somebody else.

let db: TestDatabase
let fixture: MergeFixture

describe.each(servers)('on $name', server => {
  beforeAll(async () => {
    db = await createDatabase({ server })
    fixture = await mergeFixture(db)
  })
  afterAll(async () => {
    await fixture.drop()
    await db.drop()
  })

  const changesOf = (id: string) =>
    db.rows('select former, phone, how, actor from auth.phone_changes where user_id = $1 order by id', [id])
  const ask = async (text: string, ...values: unknown[]) => (await fixture.admin.query(text, values)).rows[0]
  const bind = (id: string, phone: string) =>
    ask(`select * from auth.admin_bind_phone($1, $2, 'he called')`, id, phone)
  const unbind = (id: string) => ask(`select * from auth.admin_unbind_phone($1, 'he called')`, id)
  const reassign = (id: string | null, phone: string | null, reason: string | null = 'recycled') =>
    ask('select * from auth.admin_reassign_phone($1, $2, $3)', id, phone, reason)
  const eventsOf = (id: string) =>
    db.rows('select type, data from auth_private.events where user_id = $1 order by id', [id])

  test('administrators and the owner write it, each under his name, and only where something changed', async () => {
    const [one, two] = [freshPhone(), freshPhone()]
    const { id } = await fixture.create({ phone: one })
    await bind(id, one)
    await bind(id, two)
    await db.rows('update auth.users set updated_at = now(), phone = phone where id = $1', [id])
    await unbind(id)
    await unbind(id)
    const { owner } = await db.row('select session_user as owner')
    expect(await changesOf(id)).toEqual([
      { former: null, phone: one, how: 'sql', actor: `admin:${owner}` },
      { former: one, phone: two, how: 'admin_bind', actor: fixture.actor },
      { former: two, phone: null, how: 'admin_unbind', actor: fixture.actor },
    ])
  })

  test('one transaction with several changes', async () => {
    const [one, two, three] = [freshPhone(), freshPhone(), freshPhone()]
    const { id } = await fixture.create()
    const other = await fixture.create()
    await db.experiment(async client => {
      await client.query(`select auth.admin_bind_phone($1, $2, 'x')`, [id, one])
      await client.query(`select auth.admin_bind_phone($1, $2, 'x')`, [id, one])
      await client.query('update auth.users set phone = $2, phone_confirmed_at = now() where id = $1', [
        other.id,
        two,
      ])
      await client.query('update auth.users set phone = $2 where id = $1', [id, three])
      const { rows } = await client.query(
        'select how from auth.phone_changes where user_id = any ($1) order by id',
        [[id, other.id]],
      )
      expect(rows.map(({ how }) => how)).toEqual(['admin_bind', 'sql', 'sql'])
    })
  })

  test.each(['admin_delete_user($1, $2)', 'admin_delete_user($1, $2, hard => true)'])(
    'nothing of it is left after auth.%s',
    async call => {
      const { id } = await fixture.create({ phone: freshPhone() })
      await ask(`select auth.${call}`, id, 'asked for it')
      expect(await changesOf(id)).toEqual([])
    },
  )

  test('a recycled number: the former owner loses it, the new one gets it, in one step', async () => {
    const phone = freshPhone()
    const mask = `${phone.slice(0, 6)}****${phone.slice(-4)}`
    const former = await fixture.create({ phone, phone_raw: '{"countryCode": "86"}' })
    const other = freshPhone()
    const next = await fixture.create({ phone: other })
    expect(await reassign(next.id, phone)).toMatchObject({ id: next.id, phone, phone_raw: null })
    expect(await fixture.user(former.id)).toMatchObject({
      phone: null,
      phone_confirmed_at: null,
      phone_raw: null,
    })
    expect((await changesOf(former.id)).at(-1)).toEqual({
      former: phone,
      phone: null,
      how: 'reassign',
      actor: fixture.actor,
    })
    expect((await changesOf(next.id)).at(-1)).toEqual({
      former: other,
      phone,
      how: 'reassign',
      actor: fixture.actor,
    })
    expect(await eventsOf(former.id)).toEqual([{ type: 'phone.unbound', data: { phone } }])
    expect(await eventsOf(next.id)).toEqual([{ type: 'phone.bound', data: { phone } }])
    const entries = await db.rows(
      'select action, actor, details from auth.audit_log_entries where user_id = any ($1) order by id',
      [[former.id, next.id]],
    )
    const details = { source: 'reassign', reason: 'recycled', phone: mask }
    expect(entries).toEqual([
      { action: 'phone_unbound', actor: fixture.actor, details },
      {
        action: 'phone_bound',
        actor: fixture.actor,
        details: { ...details, former: `${other.slice(0, 6)}****${other.slice(-4)}` },
      },
    ])
  })

  test('a number that nobody has is given, his own is renewed', async () => {
    const phone = freshPhone()
    const { id } = await fixture.create()
    expect(await reassign(id, phone)).toMatchObject({ phone })
    const [changes, events] = [await changesOf(id), await eventsOf(id)]
    expect(await reassign(id, phone)).toMatchObject({ phone })
    expect([await changesOf(id), await eventsOf(id)]).toEqual([changes, events])
  })

  test.each<[string, () => Promise<[string | null, string | null, string?]>, string]>([
    ['no phone', async () => [(await fixture.create()).id, null], 'WX001'],
    ['no plus', async () => [(await fixture.create()).id, '13800138000'], 'WX001'],
    ['no reason', async () => [(await fixture.create()).id, freshPhone(), ''], 'WX001'],
    ['nobody', async () => [null, freshPhone()], 'WX005'],
    [
      'somebody deleted, while another has it',
      async () => {
        const phone = freshPhone()
        await fixture.create({ phone })
        const { id } = await fixture.create()
        await db.rows('update auth.users set deleted_at = now() where id = $1', [id])
        return [id, phone]
      },
      'WX005',
    ],
  ])('%s: refused, and nobody loses anything', async (_what, make, code) => {
    const [id, phone, reason] = await make()
    const before = await fixture.everything()
    await expect(reassign(id, phone, reason)).rejects.toMatchObject({ code })
    expect(await fixture.everything()).toEqual(before)
  })

  test.each(everyRound)(
    'a number that is given around by several at once has one owner, and a story (round %i)',
    async () => {
      const phone = freshPhone()
      const ids = (await Promise.all(Array.from({ length: 6 }, () => fixture.create()))).map(({ id }) => id)
      const results = await Promise.allSettled(
        Array.from({ length: 18 }, (_, i) => reassign(ids[i % 6]!, phone)),
      )
      const codes = results.flatMap(result => (result.status === 'rejected' ? [result.reason.code] : []))
      // A third one was quicker: the administrator is told so, and asks again.
      expect(codes.filter(code => code !== 'WX006')).toEqual([])
      const owners = await db.rows<{ id: string }>('select id from auth.users where phone = $1', [phone])
      expect(owners).toHaveLength(1)
      for (const id of ids) {
        const last = (await changesOf(id)).at(-1)?.phone ?? null
        expect(last).toBe(id === owners[0]!.id ? phone : null)
      }
    },
  )

  test('nobody but service_role and the owner reads it', async () => {
    const web = new pg.Client({ connectionString: db.webUrl })
    await web.connect()
    for (const role of ['anon', 'authenticated', 'none']) {
      await web.query(`set role ${role}`)
      await expect(web.query('select from auth.phone_changes')).rejects.toMatchObject({ code: '42501' })
    }
    await web.end()
    expect(await ask('select count(*)::int from auth.phone_changes')).toEqual({ count: expect.any(Number) })
  })
})
