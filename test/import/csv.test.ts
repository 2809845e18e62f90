import { createDatabase, type TestDatabase } from '../support/database.ts'
import { APP, clear, file, idOf, importInto, inItsOwnWay, OTHER_APP, removeFiles } from './fixture.ts'

let db: TestDatabase
beforeAll(async () => {
  db = await createDatabase()
  await inItsOwnWay(db, { timezone: 'Asia/Shanghai', datestyle: 'SQL, DMY' })
})
afterEach(() => clear(db))
afterAll(() => Promise.all([db.drop(), removeFiles()]))

const importFile = async (text: string | Buffer, options = {}) =>
  importInto(db, { source: { csv: await file(text) }, ...options })
const users = () =>
  db.rows(`select u.id, phone, wechat_id, i.appid, i.unionid, user_metadata as metadata
           from auth.users u left join auth.identities i on i.user_id = u.id order by u.id`)
const row = (number: number, more: object = {}) => ({
  id: idOf(number),
  phone: null,
  wechat_id: null,
  appid: null,
  unionid: null,
  metadata: {},
  ...more,
})

test.each<[string, string | Buffer, object[]]>([
  ['an id alone', `id\n${idOf(1)}\n${idOf(2)}\n`, [row(1), row(2)]],
  ['no newline at the end', `id\n${idOf(1)}`, [row(1)]],
  ['nobody', 'id,phone\n', []],
  [
    'a byte order mark, CRLF, empty lines, any order of columns in any case',
    `\uFEFFPhone, ID ,openid\r\n+8613800138000,${idOf(1)},o-1\r\n\r\n,${idOf(2).toUpperCase()},\r\n`,
    [row(1, { phone: '+8613800138000', wechat_id: 'o-1', appid: APP }), row(2)],
  ],
  [
    'quotes, commas, and line ends of both kinds within them',
    `id,user_metadata,phone\n${idOf(1)},"{""name"": ""张, \\""三\\""\\n"",\r\n ""a"": [1,\n2]}","+86 138 0013 8000"\r\n${idOf(2)},,""\n`,
    [row(1, { metadata: { name: '张, "三"\n', a: [1, 2] }, phone: '+8613800138000' }), row(2)],
  ],
  [
    'an app and a unionid of his own',
    `id,openid,unionid,appid\n${idOf(1)},o-1,u-1,${OTHER_APP}\n${idOf(2)}, o-2 ,,\n`,
    [
      row(1, { wechat_id: 'o-1', appid: OTHER_APP, unionid: 'u-1' }),
      row(2, { wechat_id: 'o-2', appid: APP }),
    ],
  ],
])('%s', async (_, text, expected) => {
  const { summary } = await importFile(text)
  expect(summary).toMatchObject({ imported: expected.length, conflicts: 0 })
  expect(await users()).toEqual(expected)
})

test('a long file is read in parts, which end anywhere', async () => {
  const numbers = Array.from({ length: 2_500 }, (_, number) => number)
  const line = (number: number) => `${idOf(number)},"{""text"": ""${'字'.repeat(number % 50)}""}"`
  const { summary } = await importFile(`id,user_metadata\r\n${numbers.map(line).join('\r\n')}`, {
    batch: 700,
  })
  expect(summary).toMatchObject({ read: 2_500, imported: 2_500 })
  const here = await db.rows<{ id: string; length: number }>(
    `select id, length(user_metadata ->> 'text') as length from auth.users order by id`,
  )
  expect(here).toEqual(numbers.map(number => ({ id: idOf(number), length: number % 50 })))
})

test('a line ends in two parts', async () => {
  // Files are read 64 KiB at a time.
  const first = (pad: number) => `id,user_metadata\r\n${idOf(1)},"{""pad"": ""${'x'.repeat(pad)}""}"`
  const text = first(64 * 1024 - 1 - first(0).length)
  expect(text).toHaveLength(64 * 1024 - 1)
  const { summary } = await importFile(`${text}\r\n${idOf(2)},"{}"\r\n`)
  expect(summary).toMatchObject({ imported: 2, conflicts: 0 })
})

test.each([
  ['2024-01-31T12:34:56Z', '2024-01-31T12:34:56.000Z'],
  ['2024-01-31T12:34:56.789+08:00', '2024-01-31T04:34:56.789Z'],
  ['2024-01-31 12:34:56.789123+00', '2024-01-31T12:34:56.789Z'],
  ['2024-01-31 12:34:56 +0530', '2024-01-31T07:04:56.000Z'],
  ['2024-01-31T12:34', '2024-01-31T12:34:00.000Z'],
  ['2024-02-29', '2024-02-29T00:00:00.000Z'],
])('the time %s is %s', async (text, expected) => {
  await importFile(
    `id,created_at,updated_at,last_sign_in_at,banned_until\n${idOf(1)}${`,${text}`.repeat(4)}\n`,
  )
  const time = new Date(expected)
  expect(
    await db.row('select created_at, updated_at, last_sign_in_at, banned_until from auth.users'),
  ).toEqual({ created_at: time, updated_at: time, last_sign_in_at: time, banned_until: time })
})

const CREATED = '2024-01-01T00:00:00Z'
test.each<[string, string, string, object]>([
  [
    'no such column: the file’s word is enough',
    'created_at',
    CREATED,
    { phone_confirmed_at: new Date(CREATED) },
  ],
  ['a time', 'phone_confirmed_at', '2024-02-02', { phone_confirmed_at: new Date('2024-02-02') }],
])('when a phone was confirmed: %s', async (_, column, value, expected) => {
  await importFile(`id,phone,${column}\n${idOf(1)},+8613800138000,${value}\n`)
  expect(await db.row('select phone_confirmed_at from auth.users')).toEqual(expected)
})
