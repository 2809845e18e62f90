import { setTimeout as sleep } from 'node:timers/promises'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { everyRound } from '../support/rounds.ts'
import { servers } from '../support/servers.ts'
import { freshPhone, type MergeFixture, mergeFixture } from './merge_fixture.ts'

let db: TestDatabase
let fixture: MergeFixture
const { create, createTwo, merge, user, everything } = new Proxy({} as MergeFixture, {
  get:
    (_target, name: keyof MergeFixture) =>
    (...args: never[]) =>
      (fixture[name] as (...args: never[]) => unknown)(...args),
})

describe.each(servers)('on $name', server => {
  beforeAll(async () => {
    db = await createDatabase({ server })
    fixture = await mergeFixture(db)
  })
  afterAll(async () => {
    await fixture.drop()
    await db.drop()
  })

  const audit = (id: string) =>
    db.rows<{ action: string; actor: string; details: object }>(
      'select action, actor, details from auth.audit_log_entries where user_id = $1 order by id',
      [id],
    )
  const events = (id: string) =>
    db.rows('select type, data from auth_private.events where user_id = $1 order by id', [id])

  test('identities, sessions, codes and the history of phones go to the survivor', async () => {
    const [from, into] = await createTwo({ phone: freshPhone() })
    await db.rows(
      `insert into auth_private.wechat_codes (code_hash, appid, user_id, claim_id, claimed_until)
       values (sha256($1::text::bytea), 'wx', $1::text::uuid, gen_random_uuid(), now())`,
      [from.id],
    )
    expect(await merge(from.id, into.id)).toEqual([
      ['auth.identities', 1],
      ['auth.sessions', 1],
      ['auth_private.wechat_codes', 1],
      ['auth.phone_changes', 1],
    ])
    for (const table of [
      'auth.identities',
      'auth.sessions',
      'auth_private.wechat_codes',
      'auth.phone_changes',
    ]) {
      const { left } = await db.row(`select count(*)::int as left from ${table} where user_id = $1`, [
        from.id,
      ])
      expect([table, left]).toEqual([table, 0])
    }
    expect((await db.rows('select from auth.identities where user_id = $1', [into.id])).length).toBe(2)
    expect((await db.rows('select from auth.sessions where user_id = $1', [into.id])).length).toBe(2)
  })

  test('nothing personal stays on the merged account, which says where it has gone', async () => {
    const [from, into] = await createTwo({
      phone: freshPhone(),
      phone_raw: '{"countryCode": "86"}',
      wechat_unionid: `u-${Math.random()}`,
      user_metadata: '{"name": "Bob"}',
      app_metadata: '{"level": 1}',
    })
    await merge(from.id, into.id)
    expect(await user(from.id)).toMatchObject({
      phone: null,
      phone_confirmed_at: null,
      phone_raw: null,
      wechat_id: null,
      wechat_unionid: null,
      user_metadata: {},
      app_metadata: {},
      merged_into: into.id,
    })
  })

  test.each<[string, object, object, object]>([
    [
      'the phone of the survivor stays',
      { phone: '+8613100000001' },
      { phone: '+8613100000002' },
      { phone: '+8613100000002' },
    ],
    [
      'he gets one where he has none, as it was confirmed',
      {
        phone: '+8613100000003',
        phone_confirmed_at: '2020-02-02T00:00:00Z',
        phone_raw: '{"countryCode": "86"}',
      },
      {},
      {
        phone: '+8613100000003',
        phone_confirmed_at: new Date('2020-02-02T00:00:00Z'),
        phone_raw: { countryCode: '86' },
      },
    ],
    [
      'the unionid of the survivor stays',
      { wechat_unionid: 'u1' },
      { wechat_unionid: 'u2' },
      { wechat_unionid: 'u2' },
    ],
    ['he gets one where he has none', { wechat_unionid: 'u3' }, {}, { wechat_unionid: 'u3' }],
    ['he gets an openid where he has none', { wechat_id: 'o3' }, { wechat_id: null }, { wechat_id: 'o3' }],
    [
      'a ban holds',
      { banned_until: '2100-01-01T00:00:00Z' },
      {},
      { banned_until: new Date('2100-01-01T00:00:00Z') },
    ],
    [
      'the later of two bans holds',
      { banned_until: '2100-01-01T00:00:00Z' },
      { banned_until: '2200-01-01T00:00:00Z' },
      { banned_until: new Date('2200-01-01T00:00:00Z') },
    ],
    [
      'the last sign-in is that of either',
      { last_sign_in_at: '2025-01-01T00:00:00Z' },
      { last_sign_in_at: '2024-01-01T00:00:00Z' },
      { last_sign_in_at: new Date('2025-01-01T00:00:00Z') },
    ],
    [
      'metadata are joined, the survivor wins',
      { user_metadata: '{"a": 1, "b": 1}', app_metadata: '{"provider": "x", "c": 1}' },
      { user_metadata: '{"b": 2, "d": 2}', app_metadata: '{"provider": "y"}' },
      { user_metadata: { a: 1, b: 2, d: 2 }, app_metadata: { provider: 'y', c: 1 } },
    ],
    [
      'what would be too large for a token is left out',
      { user_metadata: JSON.stringify({ a: 'x'.repeat(3000) }) },
      { user_metadata: JSON.stringify({ b: 'y'.repeat(3000) }) },
      { user_metadata: { b: 'y'.repeat(3000) } },
    ],
  ])('%s', async (_rule, from, into, expected) => {
    const [one, other] = await createTwo(from, into)
    await merge(one.id, other.id)
    expect(await user(other.id)).toMatchObject(expected)
  })

  test('both get an audit entry, with what was dropped, and the event tells of the merged account', async () => {
    const [from, into] = await createTwo(
      { phone: '+8613200001111', user_metadata: '{"b": 1, "c": 1}', app_metadata: '{"provider": "x"}' },
      { phone: '+8613200002222', user_metadata: '{"b": 2, "c": 1}', app_metadata: '{"provider": "y"}' },
    )
    await merge(from.id, into.id, false, 'asked from +8613200001111')
    const reason = 'asked from ****1111'
    expect(await audit(from.id)).toEqual([
      { action: 'user_merged', actor: fixture.actor, details: { into: into.id, reason } },
    ])
    expect(await audit(into.id)).toEqual([
      {
        action: 'user_merged',
        actor: fixture.actor,
        details: {
          from: from.id,
          reason,
          rows: {},
          dropped_metadata: ['app_metadata.provider', 'user_metadata.b'],
          dropped_phone: '+86132****1111',
        },
      },
    ])
    expect(await events(from.id)).toEqual([{ type: 'user.merged', data: { merged_into: into.id } }])
    expect(await events(into.id)).toEqual([])
    expect(
      await db.rows(
        'select former, phone, how, actor from auth.phone_changes where user_id = $1 order by id',
        [into.id],
      ),
    ).toEqual(
      expect.arrayContaining([{ former: '+8613200001111', phone: null, how: 'merge', actor: fixture.actor }]),
    )
  })

  test('a phone that goes to the survivor is told of, and is in the history once', async () => {
    const phone = freshPhone()
    const [from, into] = await createTwo({ phone })
    await merge(from.id, into.id)
    expect(await events(into.id)).toEqual([{ type: 'phone.bound', data: { phone } }])
    expect(
      await db.rows('select former, phone, how from auth.phone_changes where user_id = $1 order by id', [
        into.id,
      ]),
    ).toEqual([{ former: null, phone, how: 'sql' }])
  })

  test('a dry run says the same, and changes nothing', async () => {
    const [from, into] = await createTwo({ phone: freshPhone() })
    const before = await everything()
    const told = await merge(from.id, into.id, true)
    expect(await everything()).toEqual(before)
    expect(await merge(from.id, into.id)).toEqual(told)
    expect(await everything()).not.toEqual(before)
  })

  const gone = '00000000-0000-4000-8000-000000000000'
  test.each<[string, () => Promise<[string | null, string | null, string?]>, string]>([
    [
      'into itself',
      async () => {
        const { id } = await create()
        return [id, id]
      },
      'WX001',
    ],
    ['without a reason', async () => [...(await createTwo()).map(({ id }) => id), ' '] as never, 'WX001'],
    ['of nobody', async () => [gone, (await create()).id], 'WX005'],
    ['into nobody', async () => [(await create()).id, gone], 'WX005'],
    ['of null', async () => [null, (await create()).id], 'WX005'],
    ['into null', async () => [(await create()).id, null], 'WX005'],
    [
      'of a deleted user',
      async () => {
        const [from, into] = await createTwo()
        await db.rows('update auth.users set deleted_at = now() where id = $1', [from.id])
        return [from.id, into.id]
      },
      'WX005',
    ],
    [
      'into a merged user',
      async () => {
        const [from, into] = await createTwo()
        await merge(from.id, into.id)
        return [into.id, from.id]
      },
      'WX005',
    ],
    ['of two who have an openid in one app', async () => [(await create()).id, (await create()).id], 'WX007'],
  ])('a merge %s is refused, and nothing is changed', async (_what, make, code) => {
    const [from, into, reason] = await make()
    const before = await everything()
    await expect(merge(from, into, false, reason)).rejects.toMatchObject({ code })
    await expect(merge(from, into, true, reason)).rejects.toMatchObject({ code })
    expect(await everything()).toEqual(before)
  })

  test('a chain of merges ends in the last account, whoever began it', async () => {
    const apps = ['wx1', 'wx2', 'wx3', 'wx4'].map(name => name.padEnd(18, '0'))
    const accounts = await Promise.all(apps.map(app => create({}, app)))
    const ids = accounts.map(({ id }) => id)
    await merge(ids[0]!, ids[1]!)
    await merge(ids[2]!, ids[1]!)
    await merge(ids[1]!, ids[3]!)
    expect(await Promise.all(ids.slice(0, 3).map(async id => (await user(id)).merged_into))).toEqual(
      Array(3).fill(ids[3]),
    )
    expect((await db.rows('select from auth.identities where user_id = $1', [ids[3]])).length).toBe(4)
    expect((await db.rows('select from auth.sessions where user_id = $1', [ids[3]])).length).toBe(4)
  })

  test.each<[string, string, string]>([
    [
      'a claim',
      `select from auth_private.wechat_claim_code($1, array[sha256('merged')], 'wx', gen_random_uuid(), 1000)`,
      `select user_id from auth_private.wechat_codes where code_hash = sha256('merged')`,
    ],
    [
      'a write',
      `select auth_private.update_user($1, '{"merged": true}')`,
      `select id as user_id from auth.users where user_metadata ->> 'merged' = 'true'`,
    ],
  ])('%s that waited for a merge is the survivor’s', async (_what, statement, written) => {
    const [from, into] = await createTwo()
    const session = await db.row<{ id: string }>('select id from auth.sessions where user_id = $1', [from.id])
    const merging = await fixture.admin.connect()
    try {
      await merging.query('begin')
      await merging.query(`select auth.admin_merge_users($1, $2, 'he asked')`, [from.id, into.id])
      const waiting = db.rows(statement, [session.id])
      const waits = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
      while ((await db.rows(waits)).length === 0) await sleep(5)
      await merging.query('commit')
      await waiting
    } finally {
      merging.release()
    }
    expect(await db.rows(written)).toEqual([{ user_id: into.id }])
    await db.rows(`delete from auth_private.wechat_codes where code_hash = sha256('merged')`)
  })

  test.each(everyRound)('merges that cross, and chains, wait for one another (round %i)', async () => {
    const accounts = await Promise.all(
      Array.from({ length: 6 }, (_, i) => create({ phone: freshPhone() }, `wx${i}`.padEnd(18, '0'))),
    )
    const ids = accounts.map(({ id }) => id)
    const attempts = ids.flatMap(from => ids.filter(into => into !== from).map(into => [from, into] as const))
    const results = await Promise.allSettled(
      attempts.sort(() => Math.random() - 0.5).map(([from, into]) => merge(from, into)),
    )
    const codes = results.flatMap(result => (result.status === 'rejected' ? [result.reason.code] : []))
    expect([...new Set(codes)]).toEqual(['WX005'])
    expect(results.length - codes.length).toBe(5)
    const living = await db.rows<{ id: string }>(
      'select id from auth.users where id = any ($1) and merged_into is null',
      [ids],
    )
    expect(living.length).toBe(1)
    const { owners } = await db.row(
      'select array_agg(distinct user_id) as owners from auth.identities where provider_id = any ($1)',
      [accounts.map(({ openid }) => openid)],
    )
    expect(owners).toEqual([living[0]!.id])
  })
})
