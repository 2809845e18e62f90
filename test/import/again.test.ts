import { createDatabase, type TestDatabase } from '../support/database.ts'
import { confirmed, parse, type Row, user } from './conflict_cases.ts'
import { add, clear, createSource, everything, idOf, importInto } from './fixture.ts'

// An import is run as often as it takes, and what happened here meanwhile stays.

let db: TestDatabase
let made: TestDatabase
beforeAll(async () => {
  ;[db, made] = await Promise.all([createDatabase(), createSource('memfire')])
})
afterEach(() => Promise.all([clear(db), clear(made)]))
afterAll(() => Promise.all([db.drop(), made.drop()]))

test('a dry run writes nothing; a second run changes nothing, whatever happened here since', async () => {
  const from = { from: made.ownerUrl }
  for (const number of [1, 2, 3, 4, 5])
    await add(made, 'auth.users', {
      id: idOf(number),
      wechat_id: `o-${number}`,
      wechat_unionid: `u-${number}`,
      phone: `+852912345${number}0`,
      phone_confirmed_at: '2024-01-01',
      created_at: '2024-01-01',
      updated_at: '2024-01-01',
    })
  const before = await everything(db)
  const dry = await importInto(db, { source: from, dryRun: true })
  expect(dry.summary).toMatchObject({ imported: 5, written: false })
  expect(dry.lines).toContain('        5 could be imported')
  expect(dry.lines).toContain('A dry run: nothing was written.')
  expect(await everything(db)).toEqual(before)

  expect((await importInto(db, { source: from })).summary).toMatchObject({ imported: 5, here: 0 })
  await db.rows(
    `update auth.users set phone = '+8613800138000', phone_confirmed_at = now(), updated_at = now() where id = $1`,
    [idOf(1)],
  )
  await db.rows(`update auth.users set banned_until = 'infinity', user_metadata = '{"a": 1}' where id = $1`, [
    idOf(2),
  ])
  await db.rows('update auth.users set deleted_at = now() where id = $1', [idOf(3)])
  await db.rows('delete from auth.users where id = $1', [idOf(4)])
  await db.rows('delete from auth.identities where user_id = $1', [idOf(5)])
  const after = await everything(db)
  for (const dryRun of [true, false])
    expect((await importInto(db, { source: from, dryRun })).summary).toMatchObject({
      imported: 0,
      here: 5,
      conflicts: 0,
    })
  expect(await everything(db)).toEqual(after)
})

test('who is gone here is in nobody’s way', async () => {
  const [, gone] = user(8, { ...confirmed('+8613800138000'), wechat_id: 'o-1', wechat_unionid: 'u-1' })
  const { email: _, ...row } = gone
  await add(db, 'auth.users', { ...row, deleted_at: '2024-01-01' })
  await add(db, 'auth.users', { ...row, id: idOf(7), merged_into: idOf(8) })
  await add(made, ...user(1, { ...confirmed('8613800138000'), wechat_id: 'o-1', wechat_unionid: 'u-1' }))
  expect((await importInto(db, { source: { from: made.ownerUrl } })).summary).toMatchObject({
    imported: 1,
    conflicts: 0,
  })
})

test('what was mended is taken by a later run, which does not touch the others', async () => {
  await add(made, ...user(1, confirmed('13800138000')))
  await add(made, ...user(2, { ...confirmed('85291234567'), wechat_id: 'o-2' }))
  const from = { from: made.ownerUrl }
  expect((await importInto(db, { source: from, skipConflicts: true })).summary).toMatchObject({
    imported: 1,
    conflicts: 1,
  })
  const before = await everything(db)
  const { summary } = await importInto(db, { source: from, bareNumbers: 'china' })
  expect(summary).toMatchObject({ imported: 1, here: 1, conflicts: 0 })
  expect(await everything(db)).toEqual(expect.arrayContaining(before))
  // What stood in their way, and would again, is no matter any more.
  const again = await importInto(db, { source: from })
  expect(again).toMatchObject({ summary: { here: 2, conflicts: 0 }, conflicts: [] })
  expect(await db.row('select phone from auth.users where id = $1', [idOf(1)])).toEqual({
    phone: '+8613800138000',
  })
})

const CREATED = '2024-01-01T00:00:00Z'
test.each<[string, 'keep' | 'drop', Row, Row]>([
  [
    'kept, as of',
    'keep',
    { phone: '8613800138000', created_at: CREATED },
    { phone: '+8613800138000', phone_confirmed_at: new Date(CREATED) },
  ],
  [
    'kept, as of now without',
    'keep',
    { phone: '8613800138000' },
    { phone: '+8613800138000', phone_confirmed_at: expect.any(Date) },
  ],
  [
    'dropped, whatever',
    'drop',
    { phone: '13800138000', created_at: CREATED },
    { phone: null, phone_confirmed_at: null },
  ],
])(
  'a phone that was never confirmed is %s the time of its user',
  async (_, unconfirmedPhones, row, expected) => {
    await add(made, ...user(1, row))
    const { summary, lines } = await importInto(db, { source: { from: made.ownerUrl }, unconfirmedPhones })
    expect(summary).toMatchObject({
      imported: 1,
      conflicts: 0,
      droppedPhones: unconfirmedPhones === 'drop' ? 1 : 0,
    })
    expect(lines.join(' ').includes('1 phones that the source never saw confirmed are dropped')).toBe(
      unconfirmedPhones === 'drop',
    )
    expect(await db.row('select phone, phone_confirmed_at from auth.users')).toEqual(expected)
  },
)

const LATER = '2999-01-01'
/** Imported with this phone, openid and unionid; then the source, and we, went on. */
test.each<[string, Row, string, number]>([
  ['nothing', { updated_at: LATER }, '', 0],
  ['another phone there', { updated_at: LATER, phone: '8613800138001' }, '', 1],
  ['no phone any more there', { updated_at: LATER, phone: null, phone_confirmed_at: null }, '', 0],
  ['another openid there', { updated_at: LATER, wechat_id: 'o-2' }, '', 1],
  ['another unionid there', { updated_at: LATER, wechat_unionid: 'u-2' }, '', 1],
  ['another phone here', { updated_at: '2024-01-01' }, `update auth.users set phone = '+8613800138001'`, 0],
  [
    'another phone here, and there nothing that matters since',
    { updated_at: LATER },
    `update auth.users set phone = '+8613800138001', phone_confirmed_at = '3000-01-01'`,
    0,
  ],
  ['no openid any more here', { updated_at: '2024-01-01' }, 'delete from auth.identities', 0],
  ['the account is gone here', { updated_at: LATER, phone: '8613800138001' }, 'delete from auth.users', 0],
  [
    'the account was deleted here',
    { updated_at: LATER, phone: '8613800138001' },
    'update auth.users set deleted_at = now()',
    0,
  ],
])(
  'who was imported before is left alone, and told where the source went on: %s',
  async (_, there, here, conflicts) => {
    await add(
      made,
      ...user(1, {
        ...confirmed('8613800138000'),
        wechat_id: 'o-1',
        wechat_unionid: 'u-1',
        updated_at: '2024-01-01',
      }),
    )
    const from = { source: { from: made.ownerUrl } }
    await importInto(db, from)
    for (const [name, value] of Object.entries(there))
      await made.rows(`update auth.users set ${name} = $1`, [value])
    if (here) await db.rows(here)
    const before = await everything(db)
    const again = await importInto(db, { ...from, skipConflicts: true })
    expect(again.summary).toMatchObject({ imported: 0, here: 1 - conflicts, conflicts })
    expect(again.conflicts.map(parse)).toEqual(conflicts ? [[idOf(1), 'changed_since_import', '']] : [])
    expect(await everything(db)).toEqual(before)
  },
)
