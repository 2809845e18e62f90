import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { recordOutput } from '../support/leaks.ts'
import { add, createSource, idOf } from './fixture.ts'

let db: TestDatabase
let made: TestDatabase
beforeAll(async () => {
  ;[db, made] = await Promise.all([createDatabase(), createSource('supabase')])
})
afterAll(() => Promise.all([db.drop(), made.drop()]))

const PASSWORD = 'a-password-of-the-tests'
const nowhere = `postgres://user:${PASSWORD}@127.0.0.1:1/db`

async function run(env: Record<string, string>, ...options: string[]) {
  const child = spawn(process.execPath, ['src/main.ts', 'import', ...options], {
    env: { PATH: process.env.PATH!, ...env },
  })
  recordOutput(child)
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (output += chunk))
  const [status] = await once(child, 'close')
  return { status: status as number, output }
}

test('imports, and ends with 0; with 1 where conflicts are left; with 78 where it is told nonsense', async () => {
  await add(made, 'auth.users', { id: idOf(1), email: 'a@example.com' })
  const url = new URL(made.ownerUrl)
  const env = { DATABASE_OWNER_URL: db.ownerUrl, PGPASSWORD: decodeURIComponent(url.password) }
  url.password = ''
  const from = ['--from', url.href]
  const first = await run(env, ...from)
  expect(first).toEqual({
    status: 0,
    output: expect.stringContaining('        1 imported (1 of them with'),
  })
  await add(made, 'auth.users', { id: idOf(2), phone: '13800138000', phone_confirmed_at: '2024-01-01' })
  const second = await run(env, ...from)
  expect(second.status).toBe(1)
  expect(second.output).toContain(`conflict ${idOf(2)} phone_ambiguous 138****8000: without plus`)
  expect(second.output).toContain('Nothing was written, because of the conflicts')
  const third = await run(env, '--from', `nonsense:${PASSWORD}`, '--batch', 'x')
  expect(third).toEqual({
    status: 78,
    output:
      'The configuration cannot be used:\n  - --from is not a postgres:// URL\n  - --batch is not a whole number from 1 to 2000\n',
  })
})

test('says what it cannot do in one line, and ends with 1', async () => {
  expect(await run({ DATABASE_OWNER_URL: db.ownerUrl }, '--from', nowhere)).toEqual({
    status: 1,
    output: 'The database of --from cannot be reached: connect ECONNREFUSED 127.0.0.1:1\n',
  })
})
