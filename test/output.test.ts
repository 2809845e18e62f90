import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { createDatabase, type TestDatabase } from './support/database.ts'

// What a command prints arrives, however late it is read: `… | less`.

let db: TestDatabase
beforeAll(async () => {
  db = await createDatabase()
})
afterAll(() => db.drop())

test('two megabytes that nobody has read when the command is done', async () => {
  const statement = `select repeat('x', 100) as text from generate_series(1, 20000)`
  const child = spawn(process.execPath, ['src/main.ts', 'sql', statement], {
    env: { PATH: process.env.PATH!, DATABASE_OWNER_URL: db.ownerUrl },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const closed = once(child, 'close')
  // Longer than the statement takes; and where it is not, nothing can fail.
  await Promise.race([once(child, 'exit'), sleep(2_000)])
  let output = ''
  child.stdout.setEncoding('utf8').on('data', chunk => (output += chunk))
  expect((await closed)[0]).toBe(0)
  expect(output).toMatch(/\n\(20000 rows\)\n$/)
  expect(output.split('\n')).toHaveLength(20_004)
})
