import { createDatabase, type TestDatabase } from '../support/database.ts'
import { APP, add, clear, createSource, idOf, importInto, OTHER_APP } from './fixture.ts'
import type { Shape } from './shapes.ts'

// What of a user arrives, from each shape of the source's tables.

let db: TestDatabase
const sources = new Map<Shape, TestDatabase>()
beforeAll(async () => {
  db = await createDatabase()
})
afterEach(() => Promise.all([db, ...sources.values()].map(clear)))
afterAll(() => Promise.all([db, ...sources.values()].map(each => each.drop())))

async function source(shape: Shape) {
  const made = sources.get(shape) ?? (await createSource(shape))
  sources.set(shape, made)
  return { source: { from: made.ownerUrl }, made }
}

const userHere = (id: string) => db.row('select * from auth.users where id = $1', [id])
const utc = (text: string) => new Date(text)

test('everything of a user arrives as it was, to the microsecond', async () => {
  const { source: from, made } = await source('supabase')
  await add(made, 'auth.users', {
    id: idOf(1),
    aud: 'authenticated',
    role: 'authenticated',
    email: 'a@example.com',
    encrypted_password: '$2a$10$secret',
    phone: '8613800138000',
    phone_confirmed_at: '2024-02-29T23:59:59.123456Z',
    raw_app_meta_data: { provider: 'phone', providers: ['phone'], plan: 'gold' },
    raw_user_meta_data: { name: '张三', big: 'x'.repeat(5000) },
    created_at: '2023-01-02T03:04:05.678901+08:00',
    updated_at: '2024-03-04T05:06:07Z',
    last_sign_in_at: '2024-03-04T05:06:06Z',
    banned_until: '2099-01-01T00:00:00Z',
  })
  await made.rows(
    `update auth.users set raw_user_meta_data = raw_user_meta_data || '{"n": 12345678901234567890.10}'`,
  )
  await add(made, 'auth.identities', {
    user_id: idOf(1),
    provider: 'wechat_mini',
    provider_id: 'o-one',
    identity_data: { sub: 'o-one', appid: OTHER_APP, unionid: 'u-one' },
    created_at: '2023-01-02T03:04:06Z',
    updated_at: '2023-01-02T03:04:07Z',
    last_sign_in_at: '2023-01-02T03:04:08Z',
  })
  await add(made, 'auth.identities', {
    user_id: idOf(1),
    provider: 'phone',
    provider_id: idOf(1),
    identity_data: { sub: idOf(1), phone: '8613800138000' },
  })

  const { summary, lines } = await importInto(db, { source: from })
  expect(summary).toMatchObject({ read: 1, imported: 1, conflicts: 0, here: 0, written: true, bare: 0 })
  expect(lines.join('\n')).toContain('Identities of other providers are left out: phone 1.')
  expect(await userHere(idOf(1))).toEqual({
    id: idOf(1),
    phone: '+8613800138000',
    phone_confirmed_at: utc('2024-02-29T23:59:59.123Z'),
    phone_raw: null,
    phone_revision: 0,
    wechat_id: 'o-one',
    wechat_unionid: 'u-one',
    app_metadata: { provider: 'phone', providers: ['phone'], plan: 'gold' },
    user_metadata: { name: '张三', big: 'x'.repeat(5000), n: expect.any(Number) },
    created_at: utc('2023-01-01T19:04:05.678Z'),
    updated_at: utc('2024-03-04T05:06:07Z'),
    last_sign_in_at: utc('2024-03-04T05:06:06Z'),
    banned_until: utc('2099-01-01T00:00:00Z'),
    deleted_at: null,
    merged_into: null,
  })
  expect(
    await db.row(
      `select extract(microseconds from phone_confirmed_at)::integer as phone, extract(microseconds from created_at)::integer as created,
         user_metadata ->> 'n' as n from auth.users`,
    ),
  ).toEqual({ phone: 59_123_456, created: 5_678_901, n: '12345678901234567890.10' })
  expect(await db.rows('select * from auth.identities')).toEqual([
    {
      id: expect.any(String),
      user_id: idOf(1),
      provider: 'wechat_mini',
      appid: OTHER_APP,
      provider_id: 'o-one',
      unionid: 'u-one',
      created_at: utc('2023-01-02T03:04:06Z'),
      updated_at: utc('2023-01-02T03:04:07Z'),
      last_sign_in_at: utc('2023-01-02T03:04:08Z'),
    },
  ])
  const { login } = await db.row('select session_user as login')
  expect(
    await db.rows('select action, user_id, actor, session_id, details from auth.audit_log_entries'),
  ).toEqual([
    {
      action: 'user_imported',
      user_id: idOf(1),
      actor: `admin:${login}`,
      session_id: null,
      details: { source: 'import' },
    },
  ])
  expect(await db.rows('select * from auth_private.events')).toEqual([])
})

test.each<[string, Record<string, unknown>, Record<string, unknown>]>([
  [
    'what is missing is added',
    { raw_app_meta_data: null, raw_user_meta_data: null },
    { app_metadata: { provider: 'wechat_mini', providers: ['wechat_mini'] }, user_metadata: {} },
  ],
  [
    'JSON null is nothing',
    { raw_app_meta_data: 'null', raw_user_meta_data: 'null' },
    { app_metadata: { provider: 'wechat_mini', providers: ['wechat_mini'] }, user_metadata: {} },
  ],
  [
    'what else is known is kept beside it',
    { raw_app_meta_data: { plan: 'gold' } },
    { app_metadata: { plan: 'gold', provider: 'wechat_mini', providers: ['wechat_mini'] } },
  ],
  [
    'providers of the source are kept',
    { raw_app_meta_data: { providers: ['email'] } },
    { app_metadata: { providers: ['email'] } },
  ],
  ['a ban is kept', { banned_until: 'infinity' }, { banned_until: Infinity }],
  [
    'a phone is confirmed when the source says',
    { phone: '+85291234567', phone_confirmed_at: '2024-01-01T00:00:00Z' },
    { phone: '+85291234567', phone_confirmed_at: utc('2024-01-01T00:00:00Z') },
  ],
  [
    'an empty phone is none',
    { phone: '', phone_confirmed_at: '2024-01-01' },
    { phone: null, phone_confirmed_at: null },
  ],
  ['an empty unionid is none', { wechat_unionid: '' }, { wechat_unionid: null }],
  [
    'times that are missing are those of the creation',
    { created_at: '2024-01-01T00:00:00Z', updated_at: null },
    {
      created_at: utc('2024-01-01T00:00:00Z'),
      updated_at: utc('2024-01-01T00:00:00Z'),
      last_sign_in_at: null,
    },
  ],
  ['no time at all is now', { created_at: null, updated_at: null }, { created_at: expect.any(Date) }],
])('of a user of MemFire: %s', async (_, columns, expected) => {
  const { source: from, made } = await source('memfire')
  await add(made, 'auth.users', { id: idOf(1), wechat_id: 'o-one', ...columns })
  const { summary } = await importInto(db, { source: from })
  expect(summary).toMatchObject({ read: 1, imported: 1, conflicts: 0 })
  expect(await userHere(idOf(1))).toMatchObject(expected)
  expect(await db.rows('select user_id, appid, provider_id from auth.identities')).toEqual([
    { user_id: idOf(1), appid: APP, provider_id: 'o-one' },
  ])
})

test('deleted, SSO and anonymous users stay there, whom WeChat knows does not, and e-mail users come with what they are', async () => {
  const { source: from, made } = await source('supabase')
  const people: Record<string, unknown>[] = [
    { id: idOf(1), deleted_at: '2024-01-01' },
    { id: idOf(2), is_sso_user: true },
    { id: idOf(3), is_anonymous: true },
    { id: idOf(4), is_anonymous: true },
    { id: idOf(5), email: 'e@example.com', raw_app_meta_data: { provider: 'email', providers: ['email'] } },
  ]
  for (const row of people) await add(made, 'auth.users', row)
  const openid = { user_id: idOf(4), provider: 'wechat_mini', provider_id: 'o-4', identity_data: {} }
  await add(made, 'auth.identities', openid)
  for (const provider of ['email', 'google', 'sso:0a1b'])
    await add(made, 'auth.identities', {
      user_id: idOf(5),
      provider,
      provider_id: provider,
      identity_data: {},
    })
  const { summary, lines } = await importInto(db, { source: from })
  expect(summary).toMatchObject({ read: 5, imported: 2, bare: 1, conflicts: 0 })
  expect(Object.fromEntries(summary.leftOut)).toEqual({ deleted: 1, sso: 1, anonymous: 1 })
  expect(Object.fromEntries(summary.otherIdentities)).toEqual({ email: 1, google: 1, sso: 1 })
  expect(await db.rows('select id from auth.users order by id')).toEqual([{ id: idOf(4) }, { id: idOf(5) }])
  expect(await userHere(idOf(5))).toMatchObject({
    app_metadata: { provider: 'email', providers: ['email'] },
    wechat_id: null,
    phone: null,
  })
  expect(lines).toEqual([
    '5 users in the source:',
    '        2 imported (1 of them with neither openid nor phone: id and metadata only)',
    expect.stringMatching(/^ {8}3 left out \(\w+ 1, \w+ 1, \w+ 1\)$/),
    expect.stringMatching(/^Identities of other providers are left out: \w+ 1, \w+ 1, \w+ 1\.$/),
    expect.stringMatching(/^Passwords, e-mail addresses, .* are not taken/),
  ])
})

test('the least that a source can have is enough', async () => {
  const { source: from, made } = await source('bare')
  await add(made, 'auth.users', { id: idOf(1), raw_user_meta_data: { name: 'x' } })
  const { summary } = await importInto(db, { source: from, appid: undefined })
  expect(summary).toMatchObject({ imported: 1, bare: 1, conflicts: 0 })
  expect(await db.row('select user_metadata, app_metadata from auth.users')).toEqual({
    user_metadata: { name: 'x' },
    app_metadata: {},
  })
})
