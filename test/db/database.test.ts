import { randomBytes, randomUUID } from 'node:crypto'
import { type Database, openDatabase } from '../../src/db/database.ts'
import { getUser } from '../../src/db/statements.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { recordedLog } from '../support/leaks.ts'
import { startProxy } from '../support/proxy.ts'

let site: TestDatabase
let db: Database
const login = `login_${randomBytes(6).toString('hex')}`

beforeAll(async () => {
  site = await createDatabase()
  await site.rows(`create role ${login} login inherit password 'first' in role authenticator`)
  const url = new URL(site.webUrl)
  url.username = login
  url.password = 'first'
  db = openDatabase({ url: url.href, poolSize: 1, timeoutMs: 1_000, log: recordedLog() })
})
afterAll(async () => {
  await db.close()
  await site.rows(`drop role ${login}`)
  await site.drop()
})

const pid = async () =>
  (await db.one<{ pid: number }>({ name: 'pid', text: 'select pg_backend_pid() as pid' }, [])).pid

test('what SQL raises costs no connection', async () => {
  const before = await pid()
  for (let n = 0; n < 5; n++)
    await expect(getUser(db, randomUUID())).rejects.toMatchObject({ code: 'session_not_found' })
  expect(await pid()).toBe(before)
})

test('a statement that takes too long costs its connection, which may still be busy', async () => {
  const before = await pid()
  const slow = { name: 'slow', text: 'select pg_sleep(10)' }
  await expect(db.one(slow, [])).rejects.toMatchObject({ code: 'database_unavailable' })
  expect(await pid()).not.toBe(before)
})

test('while the password is being changed the database is unavailable, and then it is there again', async () => {
  await site.rows(`alter role ${login} password 'second'`)
  const hangUp = { name: 'hang_up', text: 'select pg_terminate_backend(pg_backend_pid())' }
  await expect(db.one(hangUp, [])).rejects.toMatchObject({ code: 'database_unavailable' })
  await expect(pid()).rejects.toMatchObject({ code: 'database_unavailable' })
  await site.rows(`alter role ${login} password 'first'`)
  expect(await pid()).toBeGreaterThan(0)
})

test.each<[string, (db: Database, cut: () => void) => Promise<void>]>([
  [
    'while a statement runs',
    async (db, cut) => {
      const running = db.one({ name: 'slow', text: 'select pg_sleep(10)' }, [])
      setTimeout(cut, 200)
      await expect(running).rejects.toMatchObject({ code: 'database_unavailable' })
    },
  ],
  [
    'between two statements',
    async (db, cut) => {
      const client = await db.pool.connect()
      const ended = new Promise(resolve => client.once('end', resolve))
      cut()
      await ended
      client.release(true)
    },
  ],
])('a connection that breaks %s does not end the process', async (_when, use) => {
  const wire = await startProxy(site.webUrl)
  const far = openDatabase({ url: wire.url, poolSize: 1, timeoutMs: 5_000, log: recordedLog() })
  try {
    await use(far, wire.cut)
    await wire.mend()
    expect(await far.one({ name: 'one', text: 'select 1 as one' }, [])).toEqual({ one: 1 })
  } finally {
    await far.close()
    await wire.close()
  }
})
