import fc from 'fast-check'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { ROUNDS } from '../support/rounds.ts'
import { APP, clear, everything, file, idOf, importInto, removeFiles } from './fixture.ts'

// Files, and rows of files, that cannot be read.

let db: TestDatabase
beforeAll(async () => {
  db = await createDatabase()
})
afterEach(() => clear(db))
afterAll(() => Promise.all([db.drop(), removeFiles()]))

const importFile = async (text: string | Buffer, options = {}) =>
  importInto(db, { source: { csv: await file(text) }, ...options })
/** [columns, row, the conflicts of line 3: kind and value] */
test.each<[string, string, string[]]>([
  ['id', '', ['ill_formed id']],
  ['id', 'x', ['ill_formed id']],
  ['id,created_at', `${idOf(1)},2024-02-30`, ['ill_formed created_at']],
  ['id,created_at', `${idOf(1)},0000-01-01T00:00:00Z`, ['ill_formed created_at']],
  ['id,updated_at', `${idOf(1)},2024-01-01T00:00:00+16:00`, ['ill_formed updated_at']],
  ['id,last_sign_in_at', `${idOf(1)},yesterday`, ['ill_formed last_sign_in_at']],
  ['id,banned_until', `${idOf(1)},1/2/2024`, ['ill_formed banned_until']],
  ['id,user_metadata', `${idOf(1)},[1]`, ['ill_formed user_metadata']],
  ['id,user_metadata', `${idOf(1)},{name: 1}`, ['ill_formed user_metadata']],
  ['id,app_metadata', `${idOf(1)},null`, ['ill_formed app_metadata']],
  ['id,app_metadata', `${idOf(1)},"{""a"": ""\\u0000""}"`, ['ill_formed app_metadata']],
  ['id,app_metadata', `${idOf(1)},"{""\\ud800"": 1}"`, ['ill_formed app_metadata']],
  ['id,app_metadata', `${idOf(1)},"{""a"": 1e999999}"`, ['ill_formed the row']],
  ['id,openid', `${idOf(1)},o 1`, ['ill_formed openid']],
  ['id,openid', `${idOf(1)},o\u00001`, ['ill_formed openid']],
  ['id,unionid', `${idOf(1)},统一`, ['ill_formed unionid']],
  ['id,openid,appid', `${idOf(1)},o-1,gh_1`, ['ill_formed appid']],
  ['id,phone', idOf(1), ['ill_formed 1 fields, not 2']],
  ['id,phone', `${idOf(1)},,`, ['ill_formed 3 fields, not 2']],
  ['id,phone', `${idOf(1)},1`, ['phone_unusable ****']],
  ['id,phone', `${idOf(1)},13800138000`, ['phone_ambiguous 138****8000']],
  ['id,phone,phone_confirmed_at', `${idOf(1)},+8613800138000,`, ['phone_unconfirmed +86138****8000']],
  [
    'id,phone,created_at',
    `x,13800138000,x`,
    ['ill_formed id', 'ill_formed created_at', 'phone_ambiguous 138****8000'],
  ],
])('under %s the row %j is in conflict', async (columns, text, expected) => {
  const good = [
    idOf(8),
    ...columns
      .split(',')
      .slice(1)
      .map(() => ''),
  ].join(',')
  const { summary, conflicts } = await importFile(`${columns}\n${good}\n${text || '""'}\n`, {
    skipConflicts: true,
  })
  expect(summary).toMatchObject({ read: 2, imported: 1, conflicts: 1 })
  const id = text.startsWith(idOf(1)) ? `${idOf(1)} ` : ''
  expect(conflicts).toEqual(expected.map(what => expect.stringContaining(`conflict ${id}line 3 ${what}: `)))
  expect(await db.rows('select id from auth.users')).toEqual([{ id: idOf(8) }])
})

test('an id that stands there twice is nobody’s', async () => {
  const { conflicts } = await importFile(
    `id,openid,phone,unionid\n${idOf(1)},o-1,+8613800138000,u-1\n${idOf(2)},o-2,,\n${idOf(1).toUpperCase()},o-1,+8613800138000,u-1\n`,
  )
  expect(conflicts).toEqual(
    [2, 4].map(line => expect.stringContaining(`conflict ${idOf(1)} line ${line} id_twice: `)),
  )
})

test('whoever is ill-formed still has his phone and his openid', async () => {
  const { conflicts } = await importFile(
    `id,phone,openid,created_at\n${idOf(1)},+8613800138000,o-1,x\n${idOf(2)},+8613800138000,o-1,\n`,
  )
  expect(conflicts.map(line => / line (\d) (\w+)/.exec(line)!.slice(1).join(' ')).sort()).toEqual([
    '2 ill_formed',
    '2 openid_twice',
    '2 phone_twice',
    '3 openid_twice',
    '3 phone_twice',
  ])
})

test.each<[string, string | Buffer, string]>([
  ['nothing', '', 'is empty: its first line must name the columns'],
  ['no id', 'phone\n', 'it has no column id. The columns are id, phone, '],
  ['unknown columns', 'id,mobile,Name\n', 'it has the columns "mobile", "name". The columns are id, phone,'],
  ['a column twice', 'id,phone,ID\n', 'a column stands there twice'],
  ['no header, but people', `${idOf(1)},13800138000\n`, 'it has the columns'],
  ['a quote in the middle', `id\n${idOf(1)}\nx"y\n`, 'line 3: a quote stands where none can'],
  ['a quote that is not closed', `id\n${idOf(1)}\n"x\n${idOf(2)}\n`, 'line 3: a quote is not closed'],
  [
    'a quote that swallows the file',
    `id\n"${`${idOf(1)}\n`.repeat(40_000)}`,
    'line 2: a quote is not closed, or a row is longer than',
  ],
  ['another encoding', Buffer.from([...Buffer.from('id\n'), 0xd5, 0xc5]), 'is not UTF-8'],
])('a file is refused that has %s', async (_, text, message) => {
  const error = await importFile(text).catch(error => error)
  expect(error.name + error.message).toContain(message)
  expect(error.message).not.toContain('13800138000')
  expect(await everything(db)).toEqual([])
})

const cell = fc.oneof(
  fc.string({ maxLength: 20 }),
  fc.string({ unit: 'binary', maxLength: 8 }),
  fc.constantFrom(
    '',
    '+8613800138000',
    '13900139000',
    '85261234567',
    'o-1',
    'o-2',
    APP,
    '{}',
    '{"a":"\\u0000"}',
    '2024-01-01',
    '1e5',
  ),
  fc.json({ maxDepth: 3 }),
  fc.date({ noInvalidDate: true }).map(date => date.toISOString()),
)
const id = fc.oneof(
  { weight: 5, arbitrary: fc.integer({ min: 0, max: 30 }).map(idOf) },
  fc.string({ maxLength: 5 }),
)
const COLUMNS = [
  'phone',
  'openid',
  'unionid',
  'appid',
  'user_metadata',
  'app_metadata',
  'created_at',
  'updated_at',
  'banned_until',
]
const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`

test('whatever stands in the cells, everybody is here, left as he was, or in conflict, and none of it is an error', async () => {
  const rows = fc.array(
    fc.tuple(id, fc.array(cell, { minLength: COLUMNS.length, maxLength: COLUMNS.length })),
    { maxLength: 12 },
  )
  await fc.assert(
    fc.asyncProperty(rows, async rows => {
      const text = [['id', ...COLUMNS], ...rows.map(([first, cells]) => [first, ...cells])]
        .map(line => line.map(quoted).join(','))
        .join('\n')
      // A lone surrogate is no character of UTF-8.
      const { summary } = await importFile(Buffer.from(text.toWellFormed()), { skipConflicts: true })
      expect(summary.read).toBe(rows.length)
      expect(summary.imported + summary.here + summary.conflicts).toBe(rows.length)
      const halves = await db.rows(
        `select u.id from auth.users u where (wechat_id is not null) <> exists (select from auth.identities i where i.user_id = u.id)`,
      )
      expect(halves).toEqual([])
    }),
    { numRuns: 10 * ROUNDS },
  )
})
