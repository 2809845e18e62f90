import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'
import pg from 'pg'
import { watchBlockers } from '../../src/db/migrate/blockers.ts'
import { PATIENCE, type Patience, step, TURN } from '../../src/db/migrate/patience.ts'
import { codeVersion, MigrationError, migrate } from '../../src/db/migrate.ts'
import { createLog } from '../../src/log.ts'
import { catalogue } from '../support/catalogue.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { servers } from '../support/servers.ts'

// An upgrade of a live database: it neither waits long nor leaves anything half-done.

const QUICK: Patience = { ...PATIENCE, lockTimeoutMs: 200, attempts: 3, pauseMs: 20, turnMs: 200 }
const NEXT = codeVersion() + 1
const NAME = `${String(NEXT).padStart(4, '0')}_next.sql`

describe.each(servers)('on $name', server => {
  let db: TestDatabase
  let directory: string
  const clients: pg.Client[] = []

  beforeEach(async () => {
    db = await createDatabase({ server })
    directory = await mkdtemp(join(tmpdir(), 'postgraphile-wechat-sql-'))
  })
  afterEach(async () => {
    await Promise.all(clients.splice(0).map(client => client.end()))
    await db.drop()
    await rm(directory, { recursive: true })
  })

  /** A session of another program. */
  async function session(...statements: string[]) {
    const client = new pg.Client({ connectionString: db.ownerUrl, application_name: 'a report' })
    client.on('error', () => {})
    await client.connect()
    clients.push(client)
    for (const statement of statements) await client.query(statement)
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
    return { client, pid: rows[0]!.pid }
  }

  /** `migrate`, where the code has one more migration. */
  async function upgrade(text: string, patience: Partial<Patience> = {}, onWarn = async () => {}) {
    await cp(fileURLToPath(new URL('../../sql/', import.meta.url)), directory, { recursive: true })
    await writeFile(join(directory, 'migrations', NAME), text)
    const warnings: string[] = []
    const log = Object.assign(createLog('silent'), {
      warn: (_fields: object, message: string) => {
        warnings.push(message)
        void onWarn()
      },
    })
    const error = await migrate({
      ownerUrl: db.ownerUrl,
      log,
      sqlDir: pathToFileURL(`${directory}/`),
      patience: { ...QUICK, ...patience },
    }).then(
      () => undefined,
      (reason: Error) => reason,
    )
    return { error, warnings }
  }
  /** The first row of a query, as soon as there is one, while something else goes on. */
  async function appears<Row extends object>(
    meanwhile: Promise<{ error?: Error | undefined }>,
    query: string,
  ) {
    let over: unknown
    void meanwhile.then(outcome => {
      over = outcome.error ?? 'it is over'
    })
    for (;;) {
      const [row] = await db.rows<Row>(query)
      if (row) return row
      if (over) throw over
      await sleep(10)
    }
  }
  const recorded = async () =>
    (await db.row<{ version: number }>('select max(version) as version from auth_private.migrations')).version

  test('a migration that a transaction keeps waiting gives up, names it, and has changed nothing', async () => {
    const { pid } = await session('begin', 'select from auth.users')
    const before = await catalogue(db.owner)
    const { error, warnings } = await upgrade(
      'create table auth.extras (id integer); alter table auth.users add column nickname text',
    )
    expect(error).toBeInstanceOf(MigrationError)
    expect(error!.message).toMatch(`sql/migrations/${NAME}: canceling statement due to lock timeout`)
    expect(error!.message).toMatch(/tried 3 times, and never waited longer than 0\.2 s/)
    expect(error!.message).toMatch(new RegExp(`pid ${pid} \\(\\w+, "a report", since 2\\d{3}-.*Z\\)`))
    expect(error!.message).toMatch(`select pg_terminate_backend(${pid});`)
    expect(warnings).toHaveLength(3)
    expect(warnings[0]).toContain(`pid ${pid}`)
    expect(await catalogue(db.owner)).toEqual(before)
    expect(await recorded()).toBe(codeVersion())
  })

  test('it is done once the transaction is over, and the service is not held up in between', async () => {
    const { client } = await session('begin', 'select from auth.users')
    const read: unknown[] = []
    const { error, warnings } = await upgrade(
      'alter table auth.users add column nickname text',
      { attempts: 20, pauseMs: 200 },
      async () => {
        // In the pause the table is free, though the other transaction still has it.
        read.push(await db.row('select count(*) from auth.users'))
        await client.query('commit')
      },
    )
    expect(error).toBeUndefined()
    expect(warnings.length).toBeGreaterThan(0)
    expect(read.length).toBeGreaterThan(0)
    expect(await recorded()).toBe(NEXT)
    await db.row('select nickname from auth.users')
  })

  test('sees of other logins what it may: at least who they are', async () => {
    const url = new URL(db.webUrl)
    const web = new pg.Client({ connectionString: url.href, application_name: 'a web node' })
    await web.connect()
    clients.push(web)
    await web.query('begin')
    await web.query('select from auth_private.migrations')
    const { error } = await upgrade('alter table auth_private.migrations add column remark text')
    expect(error!.message).toMatch(/pid \d+ \(authenticator, "a web node"\)/)
  })

  test('a statement that takes too long is cancelled, and nothing of its file stays', async () => {
    const before = await catalogue(db.owner)
    const { error } = await upgrade('create table auth.extras (id integer); select pg_sleep(30)', {
      statementTimeoutMs: 100,
    })
    expect(error).toBeInstanceOf(MigrationError)
    expect(error!.message).toMatch(`sql/migrations/${NAME}: canceling statement due to statement timeout`)
    expect(error!.message).toMatch(/longer than 0\.1 s/)
    expect(await catalogue(db.owner)).toEqual(before)
  })

  test('a file may give itself longer', async () => {
    const { error } = await upgrade('set local statement_timeout = 0; select pg_sleep(0.3)', {
      statementTimeoutMs: 100,
    })
    expect(error).toBeUndefined()
  })

  test('the limits are gone with the transaction, done or not', async () => {
    const { client } = await session()
    const run = {
      ownerUrl: db.ownerUrl,
      applicationName: 'test',
      client,
      blockers: await watchBlockers(db.ownerUrl, 1_000),
      patience: QUICK,
      log: createLog('silent'),
    }
    const limits = () =>
      client.query(
        `select current_setting('lock_timeout') as lock, current_setting('statement_timeout') as statement`,
      )
    const before = (await limits()).rows
    expect((await step(run, 'a step', limits)).rows).toEqual([{ lock: '200ms', statement: '10min' }])
    await expect(step(run, 'a step', () => client.query('select 1/0'))).rejects.toThrow('division by zero')
    expect((await limits()).rows).toEqual(before)
    await run.blockers.close()
  })

  test("another node's migration is waited for, but not forever", async () => {
    const { pid, client } = await session(`select pg_advisory_lock(${TURN})`)
    const waiting = await upgrade('create table auth.extras (id integer)')
    expect(waiting.error).toBeInstanceOf(MigrationError)
    expect(waiting.error!.message).toMatch(/Another migration of this database has not ended for 0\.2 s/)
    expect(waiting.error!.message).toMatch(`pid ${pid}`)
    expect(await recorded()).toBe(codeVersion())
    const later = upgrade('create table auth.extras (id integer)', { turnMs: 30_000 })
    await appears(later, `select from pg_locks where locktype = 'advisory' and not granted`)
    await client.query('select pg_advisory_unlock_all()')
    expect((await later).error).toBeUndefined()
    expect(await recorded()).toBe(NEXT)
  })

  test("graphile-worker's own migrations wait no longer than ours", async () => {
    await db.rows('drop schema auth, auth_private, graphile_worker cascade')
    const { pid } = await session('begin', 'create schema graphile_worker')
    const { error } = await upgrade('select')
    expect(error).toBeInstanceOf(MigrationError)
    expect(error!.message).toMatch("graphile-worker's schema: canceling statement due to lock timeout")
    expect(error!.message).toMatch(`pid ${pid}`)
    expect(await catalogue(db.owner)).toEqual([])
  })

  test('a connection that is cut in the middle leaves nothing, and the next run completes', async () => {
    const { client } = await session('begin', 'select from auth.sessions')
    const before = await catalogue(db.owner)
    // Half of the file is done when it comes to the second table.
    const text =
      'alter table auth.users add column nickname text; alter table auth.sessions add column device text'
    const cut = upgrade(text, { lockTimeoutMs: 30_000 })
    const waiting = `select l.pid from pg_locks l where not l.granted and l.relation = 'auth.sessions'::regclass`
    const { pid } = await appears<{ pid: number }>(cut, waiting)
    await db.row('select pg_terminate_backend($1)', [pid])
    const { error } = await cut
    expect(error).toBeInstanceOf(MigrationError)
    expect(error!.message).toMatch(/as a whole or not at all: run migrate again/)
    expect(await catalogue(db.owner)).toEqual(before)
    expect(await recorded()).toBe(codeVersion())
    await client.query('rollback')
    expect((await upgrade(text)).error).toBeUndefined()
    expect(await recorded()).toBe(NEXT)
    await db.row('select nickname from auth.users')
    await db.row('select device from auth.sessions')
  })
})
