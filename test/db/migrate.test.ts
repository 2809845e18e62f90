import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { runMigrations } from 'graphile-worker'
import { codeVersion, MigrationError, migrate, schemaFiles } from '../../src/db/migrate.ts'
import { createLog } from '../../src/log.ts'
import { workerLogger } from '../../src/tasks/worker_log.ts'
import { catalogue } from '../support/catalogue.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { servers } from '../support/servers.ts'

const log = createLog('silent')

const directory = new URL('../../sql/migrations/', import.meta.url)
const files = readdirSync(directory)
  .filter(name => name.endsWith('.sql'))
  .sort()

const sha256 = (name: string) =>
  createHash('sha256')
    .update(readFileSync(new URL(name, directory)))
    .digest('hex')

describe.each(servers)('on $name', server => {
  const databases: TestDatabase[] = []

  // Each as soon as its test is over: all at once they would be more connections than the server has.
  afterEach(async () => {
    for (const db of databases.splice(0)) await db.drop()
  })

  async function database({ migrated = true } = {}): Promise<TestDatabase> {
    const db = await createDatabase({ migrated, server })
    databases.push(db)
    return db
  }
  const empty = () => database({ migrated: false })
  const up = (db: TestDatabase) => migrate({ ownerUrl: db.ownerUrl, log })

  /** The whole database, as far as a migration could change it. */
  const everything = async (db: TestDatabase) => ({
    schemas: await db.rows(
      `select n.nspname, (select count(*) from pg_class c where c.relnamespace = n.oid) as relations,
            (select count(*) from pg_proc p where p.pronamespace = n.oid) as functions
     from pg_namespace n where n.nspname !~ '^pg_(toast|temp)' order by 1`,
    ),
    catalogue: await catalogue(db.owner),
  })
  const recorded = (db: TestDatabase) =>
    db.rows('select version, name, sha256, applied_at from auth_private.migrations order by version')

  /** The error of a migration that has to fail. */
  const refusal = (db: TestDatabase) =>
    up(db).then(
      () => undefined,
      (error: Error) => error,
    )

  test('the login that migrates is no superuser, and does not bypass row-level security', async () => {
    const db = await empty()
    expect(
      await db.row(
        'select rolsuper, rolbypassrls, rolcreaterole from pg_roles where rolname = current_user and rolname = session_user',
      ),
    ).toEqual({ rolsuper: false, rolbypassrls: false, rolcreaterole: true })
  })

  describe('an empty database', () => {
    test('is built, and every migration counts as applied', async () => {
      const db = await empty()
      await up(db)
      expect(await db.row(`select to_regclass('auth.users') is not null as there`)).toEqual({ there: true })
      expect(await db.row('select max(version) as version from auth_private.migrations')).toEqual({
        version: codeVersion(),
      })
      expect(codeVersion()).toBeGreaterThan(0)
      expect(await db.row(`select to_regclass('graphile_worker.migrations') is not null as there`)).toEqual({
        there: true,
      })
    })

    test('is built once by five that start together', async () => {
      const db = await empty()
      const outcomes = await Promise.allSettled([up(db), up(db), up(db), up(db), up(db)])
      expect(outcomes).toEqual(Array(5).fill({ status: 'fulfilled', value: undefined }))
      const times = await db.rows('select distinct applied_at from auth_private.migrations')
      expect(times).toHaveLength(1)
      expect(await catalogue(db.owner)).toEqual(await catalogue((await database()).owner))
    })

    test('stays empty where a statement fails half-way', async () => {
      const db = await empty()
      await runMigrations({ connectionString: db.ownerUrl, logger: workerLogger(log) })
      // Most of the schema comes before the relay's function, which names this type.
      await db.rows('alter type graphile_worker.job_spec rename to job_spec_gone')
      expect((await refusal(db))?.message).toMatch(/relay_events\.sql: .*job_spec/)
      expect(await catalogue(db.owner)).toEqual([])
      await db.rows('alter type graphile_worker.job_spec_gone rename to job_spec')
      await up(db)
      expect(await catalogue(db.owner)).toEqual(await catalogue((await database()).owner))
    })
  })

  describe('a database that has the schema', () => {
    test('is not changed by another run', async () => {
      const db = await database()
      const before = [await everything(db), await recorded(db)]
      await up(db)
      await up(db)
      expect([await everything(db), await recorded(db)]).toEqual(before)
    })

    test('keeps its rows', async () => {
      const db = await database()
      await db.row(`insert into auth.users (wechat_id) values ('o-kept')`)
      await up(db)
      expect(await db.rows('select wechat_id from auth.users')).toEqual([{ wechat_id: 'o-kept' }])
    })

    test('is refused, and not changed, when it is newer than the code', async () => {
      const db = await database()
      await db.row(
        `insert into auth_private.migrations (version, name, sha256) values (9999, '9999_later.sql', 'x')`,
      )
      const before = [await everything(db), await recorded(db)]
      const error = await refusal(db)
      expect(error).toBeInstanceOf(MigrationError)
      expect(error!.message).toMatch(/9999.*newer/)
      expect([await everything(db), await recorded(db)]).toEqual(before)
    })

    test('is refused, and not changed, when it ran a migration that differs from the file', async () => {
      const db = await database()
      const [changed] = await db.rows<{ name: string }>(
        `update auth_private.migrations set sha256 = repeat('0', 64)
       where version = (select min(version) from auth_private.migrations) returning name`,
      )
      const before = [await everything(db), await recorded(db)]
      const error = await refusal(db)
      expect(error).toBeInstanceOf(MigrationError)
      expect(error!.message).toContain(changed!.name)
      expect(error!.message).toMatch(/edited after it was applied/)
      expect([await everything(db), await recorded(db)]).toEqual(before)
    })
  })

  describe.each([
    ['auth', 'create schema auth; create table auth.users (id uuid primary key, email text)'],
    ['auth_private', 'create schema auth_private'],
  ])('a database with a foreign schema %s', (_schema, statement) => {
    test('is refused with the remedy, and nothing is changed', async () => {
      const db = await empty()
      await db.rows(statement)
      const before = await everything(db)
      const error = await refusal(db)
      expect(error).toBeInstanceOf(MigrationError)
      expect(error!.message).toMatch(/not of postgraphile-wechat/)
      expect(error!.message).toMatch(/Use a database of its own/)
      expect(await everything(db)).toEqual(before)
    })
  })

  describe('sql/schema and sql/migrations', () => {
    const run = async (db: TestDatabase, texts: string[]) => {
      await runMigrations({ connectionString: db.ownerUrl, logger: workerLogger(log) })
      const client = await db.owner.connect()
      await client.query('begin')
      for (const text of texts) await client.query(text)
      await client.query('commit')
      client.release()
      return catalogue(db.owner)
    }

    test('build the same', async () => {
      expect(files.length).toBeGreaterThan(0)
      const readable = await run(
        await empty(),
        schemaFiles().map(({ text }) => text),
      )
      const frozen = await run(
        await empty(),
        files.map(name => readFileSync(new URL(name, directory), 'utf8')),
      )
      expect(readable.length).toBeGreaterThan(100)
      expect(frozen).toEqual(readable)
    })

    let known: ReturnType<typeof catalogue> | undefined
    /** What the template of all tests is: brought up from nothing. */
    const present = () => {
      known ??= database().then(({ owner }) => catalogue(owner))
      return known
    }

    // On the older server some of them: what differs there is not from one file to the next.
    test.each(files.slice(0, -1).filter((_name, index) => server === servers[0] || index % 6 === 0))(
      'a database of the time of %s, with a user, is brought to the same',
      async last => {
        const db = await empty()
        const then = files.slice(0, files.indexOf(last) + 1)
        await run(
          db,
          then.map(name => readFileSync(new URL(name, directory), 'utf8')),
        )
        for (const name of then) {
          await db.row('insert into auth_private.migrations (version, name, sha256) values ($1, $2, $3)', [
            Number(name.slice(0, 4)),
            name,
            sha256(name),
          ])
        }
        await db.row(`insert into auth.users (wechat_id) values ('o-kept')`)
        await up(db)
        expect(await catalogue(db.owner)).toEqual(await present())
        expect(await db.rows('select wechat_id from auth.users')).toEqual([{ wechat_id: 'o-kept' }])
      },
    )
  })

  test('the catalogue notices what a migration could forget', async () => {
    const db = await database()
    const before = await catalogue(db.owner)
    for (const change of [
      'alter table auth.users alter column app_metadata set default null',
      'comment on column auth.users.phone is null',
      'grant select (phone_raw) on auth.users to authenticated',
      'drop index auth.users_merged_into_idx',
      'alter table auth.users drop constraint users_phone_is_e164',
      'alter table auth.sessions disable row level security',
      'alter policy users_steward_all on auth.users using (false)',
      'alter function auth.uid() volatile',
      'grant execute on function auth.admin_find_user(text) to anon',
      'alter function auth.admin_bind_phone(uuid, text, text) owner to current_user',
      'alter table auth.users disable trigger users_count_phone_change',
      'grant usage on schema auth_private to anon',
      'comment on policy users_steward_all on auth.users is $$another$$',
      'alter table auth.users set (fillfactor = 50)',
      'alter table auth_private.rate_limits set logged',
      'alter table auth_private.events alter column id set increment by 2',
      'alter table auth.users alter column phone set storage external',
      'alter default privileges in schema auth grant select on tables to anon',
    ]) {
      const client = await db.owner.connect()
      await client.query('begin')
      await client.query(change)
      expect([change, await catalogue(client)]).not.toEqual([change, before])
      await client.query('rollback')
      client.release()
    }
  })
})

describe('the files of sql/', () => {
  test('are frozen: each is what sql/migrations/SHA256SUMS says', () => {
    const sums = readFileSync(new URL('SHA256SUMS', directory), 'utf8').trim().split('\n')
    expect(sums).toEqual(files.map(name => `${sha256(name)}  ${name}`))
  })

  test('are numbered without gaps, from 1', () => {
    expect(files.map(name => Number(/^(\d{4})_[a-z0-9_]+\.sql$/.exec(name)?.[1]))).toEqual(
      files.map((_, index) => index + 1),
    )
  })

  test('every readable file is part of sql/schema.sql, once', () => {
    const root = new URL('../../sql/', import.meta.url)
    const present = readdirSync(new URL('schema/', root), { recursive: true, encoding: 'utf8' })
      .filter(name => name.endsWith('.sql'))
      .map(name => `schema/${name}`)
    expect(
      schemaFiles()
        .map(({ name }) => name)
        .sort(),
    ).toEqual(present.sort())
  })
})
