import { createDatabase, type TestDatabase } from '../support/database.ts'
import { APP, add, clear, createSource, idOf, importInto, OTHER_APP } from './fixture.ts'
import type { Shape } from './shapes.ts'

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

/** The identities that come of what the source says: [app, openid, unionid]. */
test.each<[string, Shape, Record<string, unknown>, Record<string, unknown>[], unknown[][]]>([
  [
    'the old shape of identities',
    'old',
    {},
    [{ id: 'o-1', identity_data: { sub: 'o-1', unionid: 'u-1' } }],
    [[APP, 'o-1', 'u-1']],
  ],
  [
    'data without an openid',
    'supabase',
    {},
    [{ provider_id: 'o-1', identity_data: {} }],
    [[APP, 'o-1', null]],
  ],
  [
    'data that says the openid otherwise',
    'supabase',
    {},
    [{ provider_id: 'u-1', identity_data: { openid: 'o-1', unionid: 'u-1', sub: 'u-1' } }],
    [[APP, 'o-1', 'u-1']],
  ],
  ['columns of the user', 'memfire', { wechat_id: 'o-1', wechat_unionid: 'u-1' }, [], [[APP, 'o-1', 'u-1']]],
  [
    'columns and an identity that say the same',
    'memfire',
    { wechat_id: 'o-1', wechat_unionid: 'u-1' },
    [{ provider_id: 'o-1', identity_data: { appid: OTHER_APP } }],
    [[OTHER_APP, 'o-1', 'u-1']],
  ],
  [
    'identities of two apps',
    'supabase',
    {},
    [
      { provider_id: 'o-1', identity_data: { unionid: 'u-1' }, created_at: '2024-01-01' },
      { provider_id: 'o-2', identity_data: { appid: OTHER_APP, unionid: 'u-1' }, created_at: '2024-01-02' },
    ],
    [
      [OTHER_APP, 'o-2', 'u-1'],
      [APP, 'o-1', 'u-1'],
    ],
  ],
  [
    'an openid of the columns beside that of another app',
    'memfire',
    { wechat_id: 'o-1' },
    [{ provider_id: 'o-2', identity_data: { appid: OTHER_APP } }],
    [
      [OTHER_APP, 'o-2', null],
      [APP, 'o-1', null],
    ],
  ],
])('openids: %s', async (_, shape, columns, identities, expected) => {
  const { source: from, made } = await source(shape)
  await add(made, 'auth.users', { id: idOf(1), ...columns })
  for (const identity of identities)
    await add(made, 'auth.identities', { user_id: idOf(1), provider: 'wechat_mini', ...identity })
  const { summary } = await importInto(db, { source: from })
  expect(summary).toMatchObject({ imported: 1, conflicts: 0 })
  const here = await db.rows('select appid, provider_id, unionid from auth.identities order by appid')
  expect(here.map(row => Object.values(row))).toEqual(expected)
  expect(await db.row('select * from auth.users')).toMatchObject({
    wechat_id: 'o-1',
    wechat_unionid: expected.flatMap(row => row[2] ?? []).at(0) ?? null,
  })
})
