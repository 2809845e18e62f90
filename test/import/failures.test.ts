import { ImportError, named } from '../../src/import/error.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { createSource, importInto, type Overrides } from './fixture.ts'

// What makes an import impossible.

let db: TestDatabase
let made: TestDatabase
let empty: TestDatabase
beforeAll(async () => {
  ;[db, made, empty] = await Promise.all([
    createDatabase(),
    createSource('supabase'),
    createDatabase({ migrated: false }),
  ])
})
afterAll(() => Promise.all([db.drop(), made.drop(), empty.drop()]))

const PASSWORD = 'a-password-of-the-tests'
const nowhere = `postgres://user:${PASSWORD}@127.0.0.1:1/db`
test.each<[string, () => Promise<object>, string]>([
  [
    'the source cannot be reached',
    async () => ({ source: { from: nowhere } }),
    'The database of --from cannot be reached: connect ECONNREFUSED',
  ],
  [
    'the target cannot be reached',
    async () => ({ source: { from: made.ownerUrl }, ownerUrl: nowhere }),
    'The database of DATABASE_OWNER_URL cannot be reached: connect ECONNREFUSED',
  ],
  [
    'the source has no such database',
    async () => ({ source: { from: `${made.ownerUrl}_x` } }),
    'The database of --from cannot be reached: database "',
  ],
  ['the source has no users', async () => ({ source: { from: empty.ownerUrl } }), 'has no table auth.users'],
  ['the source is one of ours', async () => ({ source: { from: db.ownerUrl } }), 'is not a GoTrue table'],
  [
    'the target has no schema',
    async () => ({ source: { from: made.ownerUrl }, ownerUrl: empty.ownerUrl }),
    'does not have our schema yet: run npx postgraphile-wechat migrate first',
  ],
  [
    'the target is the source',
    async () => ({ source: { from: made.ownerUrl }, ownerUrl: made.ownerUrl }),
    'does not have our schema yet',
  ],
  [
    'the login of the source may not read the users',
    async () => ({ source: { from: made.webUrl } }),
    'The database of --from: permission denied for schema auth. Log in as the owner',
  ],
  [
    'the login of the target is not the owner',
    async () => ({ source: { from: made.ownerUrl }, ownerUrl: db.webUrl }),
    'The database of DATABASE_OWNER_URL: permission denied for',
  ],
  [
    'the file is not there',
    async () => ({ source: { csv: '/nowhere/users.csv' } }),
    '/nowhere/users.csv cannot be read: ENOENT',
  ],
  [
    'the list of conflicts cannot be written',
    async () => ({ source: { from: made.ownerUrl }, conflictsFile: '/nowhere/conflicts.csv' }),
    '/nowhere/conflicts.csv cannot be written: ENOENT',
  ],
])('%s: one message, without the password', async (_, options, message) => {
  const error = await importInto(db, (await options()) as Overrides).catch(error => error)
  expect(error).toBeInstanceOf(ImportError)
  expect(error.message).toContain(message)
  expect(error.message).not.toContain(PASSWORD)
})

test('what PostgreSQL says is told without a phone, what is a fault of ours as it is', () => {
  const said = (code: string) =>
    Object.assign(new Error('No to +8613800138000'), { code, hint: 'Do.', detail: '1380' })
  expect(named('It', said('P0001'))).toEqual(new ImportError('It: No to +86138****8000. Do.'))
  expect(named('It', said('57P01'))).toEqual(
    new ImportError('It: No to +86138****8000. What was written is complete: run the import again'),
  )
  for (const fault of [new TypeError('x'), said('ERR_X'), new ImportError('x')])
    expect(named('It', fault)).toBe(fault)
})

test('a login of the source to whom policies show some rows only is refused', async () => {
  await made.rows('grant usage on schema auth to authenticator')
  await made.rows('grant select on auth.users, auth.identities to authenticator')
  expect((await importInto(db, { source: { from: made.webUrl } })).summary.read).toBe(0)
  await made.rows('alter table auth.users enable row level security')
  await expect(importInto(db, { source: { from: made.webUrl } })).rejects.toThrow(
    'The database of --from: query would be affected by row-level security policy for table "users". Log in as the owner',
  )
})

test('a schema of an older version is to be migrated first', async () => {
  const old = await createDatabase()
  await old.rows('delete from auth_private.migrations where version > 1')
  await expect(importInto(old, { source: { from: made.ownerUrl } })).rejects.toThrow(
    'of an older version: run npx',
  )
  await old.drop()
})
