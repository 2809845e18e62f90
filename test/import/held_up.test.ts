import { setTimeout as sleep } from 'node:timers/promises'
import { named } from '../../src/import/error.ts'
import { ImportError } from '../../src/import/import.ts'
import { TURN } from '../../src/import/target.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { clear, everything, file, idOf, importInto, removeFiles } from './fixture.ts'

// What an import meets here while it writes.

let db: TestDatabase
beforeAll(async () => {
  db = await createDatabase()
})
afterEach(() => clear(db))
afterAll(() => Promise.all([db.drop(), removeFiles()]))

/** Until the import waits for a lock, in another transaction than this one. */
async function untilItWaits(former?: { began: string }) {
  for (;;) {
    const [waiting] = await db.rows<{ pid: number; began: string }>(
      `select pid, xact_start::text as began from pg_stat_activity
       where application_name = 'postgraphile-wechat import' and datname = current_database() and wait_event_type = 'Lock'`,
    )
    if (waiting && waiting.began !== former?.began) return waiting
    await sleep(10)
  }
}
const oneUser = async () => ({ source: { csv: await file(`id,openid\n${idOf(1)},o-1\n`) } })

test('an import waits for the one before it, and for whoever holds a lock', async () => {
  const other = await db.owner.connect()
  await other.query('select pg_advisory_lock($1)', [TURN])
  const importing = importInto(db, await oneUser())
  const first = await untilItWaits()
  await other.query('begin; lock table auth.identities in exclusive mode')
  await other.query('select pg_advisory_unlock($1)', [TURN])
  // It gives way, and tries again.
  await untilItWaits(await untilItWaits(first))
  await other.query('commit')
  expect((await importing).summary).toMatchObject({ imported: 1, conflicts: 0 })
  other.release()
})

test('an import whose connection is lost says so, and another goes on', async () => {
  const other = await db.owner.connect()
  await other.query('begin; lock table auth.identities in exclusive mode')
  const importing = importInto(db, await oneUser()).catch(error => error)
  await db.rows('select pg_terminate_backend($1)', [(await untilItWaits()).pid])
  const error = await importing
  await other.query('rollback')
  other.release()
  expect(error).toBeInstanceOf(ImportError)
  expect(error.message).toMatch(/^The database of DATABASE_OWNER_URL: .*run the import again$/)
  expect(await everything(db)).toEqual([])
  expect((await importInto(db, await oneUser())).summary).toMatchObject({ imported: 1 })
})

// Not made to happen: whoever else works on the server would fail, too.
test('a server with too few locks for a batch is told', () => {
  const error = Object.assign(new Error('out of shared memory'), { code: '53200' })
  expect(named('The database', error)).toMatchObject({
    message:
      'The database: out of shared memory. What was written is complete: run the import again, with a smaller --batch, which takes fewer locks',
  })
})

describe('a trigger of the application’s', () => {
  const onUser2 = (body: string) =>
    db.rows(`create or replace function public.keep_out() returns trigger language plpgsql as $$ begin
      if new.id = '${idOf(2)}' then ${body} end if; return new; end $$`)
  beforeAll(async () => {
    await onUser2('return null;')
    await db.rows(
      `create trigger keep_out before insert on auth.users for each row execute function public.keep_out()`,
    )
  })
  afterAll(() => db.rows('drop trigger keep_out on auth.users'))
  const threeUsers = async () => ({ source: { csv: await file(`id\n${idOf(1)}\n${idOf(2)}\n${idOf(3)}\n`) } })

  test('may keep somebody out, who is a conflict', async () => {
    const { summary, conflicts } = await importInto(db, await threeUsers())
    expect(summary).toMatchObject({ imported: 2, conflicts: 1, written: true })
    expect(conflicts).toEqual([expect.stringContaining(`conflict ${idOf(2)} line 3 overtaken: `)])
    expect(await db.rows('select user_id from auth.audit_log_entries order by 1')).toEqual([
      { user_id: idOf(1) },
      { user_id: idOf(3) },
    ])
  })

  test('may refuse, in its own words, and batches before stay', async () => {
    await onUser2(`raise exception 'Not this one';`)
    const error = await importInto(db, { ...(await threeUsers()), batch: 1 }).catch(error => error)
    expect(error).toBeInstanceOf(ImportError)
    expect(error.message).toBe('The database of DATABASE_OWNER_URL: Not this one')
    expect(await db.rows('select id from auth.users')).toEqual([{ id: idOf(1) }])
  })
})
