import type { Env } from '../../src/config.ts'
import { codeVersion, migrate } from '../../src/db/migrate.ts'
import { createLog } from '../../src/log.ts'
import { type OwnCluster, startOwnCluster, withLogin } from '../db/own_cluster.ts'
import { withDatabase } from '../support/database.ts'
import { wantedPrograms } from '../support/installed.ts'
import { startSimulator, type TestSimulator } from '../support/service.ts'
import { APP, APP_SECRET, doctor, PRODUCTION } from './harness.ts'

// What a database, its server and its logins can be like. Some of it only a superuser can make, hence a cluster of our own.

const programs = wantedPrograms().map(binDir => ({ binDir, name: binDir ?? 'the npm package' }))

describe.each(programs)('with the PostgreSQL of $name', ({ binDir }) => {
  let cluster: OwnCluster
  let simulator: TestSimulator
  beforeAll(async () => {
    cluster = await startOwnCluster(binDir)
    simulator = await startSimulator({ apps: { [APP]: APP_SECRET } })
    await migrate({ ownerUrl: cluster.ownerUrl, log: createLog('silent') })
    await sql(
      `create role powerful login password 'x' superuser;
       create role bypassing login password 'x' bypassrls in role authenticator;
       create role owning login password 'x' in role authenticator, owner;
       create role stranger login password 'x';
       create role aloof login password 'x' noinherit in role authenticator;
       create role member login password 'x' in role authenticator`,
    )
  }, 120_000)
  afterAll(async () => {
    await simulator.close()
    await cluster.stop()
  })

  const sql = async (text: string) => {
    for (const statement of text.split(';')) if (statement.trim()) await cluster.superuser.query(statement)
  }
  const examine = (more: Env = {}) =>
    doctor({
      ...PRODUCTION,
      DATABASE_URL: cluster.webUrl,
      DATABASE_OWNER_URL: cluster.ownerUrl,
      WECHAT_API_URL: simulator.url,
      ...more,
    })
  const as = (login: string) => withLogin(cluster.webUrl, login, 'x')
  /** Makes something wrong, looks, and puts it right again. */
  async function spoilt(make: string, mend: string, more: Env = {}) {
    await sql(make)
    try {
      return await examine(more)
    } finally {
      await sql(mend)
    }
  }

  test('all is well', async () => {
    const { of } = await examine()
    expect(of('web_role')).toEqual(['ok: authenticator'])
    expect(of('owner_rights')).toEqual(['ok: owner owns the schema and may create roles'])
    expect(of('roles')).toEqual(['ok: all 19, and none may do more than it should'])
    expect(of('jobs_schema')).toEqual(["ok: graphile-worker's schema is there"])
    expect(of('encoding')).toEqual(['ok: UTF8'])
    expect(of('writable')).toEqual(['ok: it can be written to'])
    expect(of('schema')).toEqual([`ok: version ${codeVersion()}, that of this code`])
    expect(of('version')).toEqual([expect.stringMatching(/^ok: PostgreSQL 1\d\.\d+/)])
  })

  test.each(['powerful', 'bypassing', 'owning'])(
    '%s may do too much: a fault in production, elsewhere a warning',
    async login => {
      const text =
        'DATABASE_URL logs in as a superuser, with BYPASSRLS, or as a role that inherits .* → Log in as authenticator'
      expect((await examine({ DATABASE_URL: as(login) })).of('web_role')).toEqual([
        expect.stringMatching(`^fault: ${text}`),
      ])
      const elsewhere = await examine({ DATABASE_URL: as(login), NODE_ENV: '' })
      expect(elsewhere.of('web_role')).toEqual([expect.stringMatching(`^warning: ${text}`)])
    },
  )

  test.each(['stranger', 'aloof'])(
    '%s lacks authenticator, and what it may not look at is not a fault of its own',
    async login => {
      const { of, findings } = await examine({ DATABASE_URL: as(login) })
      expect(of('web_role')).toEqual([
        expect.stringMatching(
          '^fault: .*neither is authenticator nor inherits from it → .*grant authenticator to',
        ),
      ])
      expect(of('schema')).toEqual(['skipped: the login may not look at it'])
      expect(findings.filter(({ verdict }) => verdict === 'fault').map(({ check }) => check)).toEqual([
        'web_role',
        'reach',
      ])
    },
  )

  test('a member is as good', async () => {
    expect((await examine({ DATABASE_URL: as('member') })).of('web_role')).toEqual([
      'ok: member, as authenticator',
    ])
  })

  test('roles that may do more than they should, with the statements that mend them', async () => {
    const { of } = await spoilt(
      'alter role service_role bypassrls; grant pg_read_all_data to anon',
      'alter role service_role nobypassrls; revoke pg_read_all_data from anon',
    )
    expect(of('roles')).toEqual([
      expect.stringMatching('^fault: service_role has BYPASSRLS → .*: alter role service_role nobypassrls;$'),
      expect.stringMatching(
        '^fault: anon is a member of pg_read_all_data → .*: revoke "pg_read_all_data" from anon',
      ),
    ])
  })

  test('an owner that may not create roles, and a login that owns nothing', async () => {
    const without = await spoilt('alter role owner nocreaterole', 'alter role owner createrole')
    expect(without.of('owner_rights')).toEqual([
      'fault: owner has no CREATEROLE, which migrate needs → As an administrator: alter role "owner" createrole;',
    ])
    const { of } = await examine({ DATABASE_OWNER_URL: as('member') })
    expect(of('owner_rights')).toEqual([
      'fault: the schema belongs to owner, and member is not a member of it → Log in as owner in DATABASE_OWNER_URL.',
    ])
    expect(of('jobs_schema')).toEqual([
      expect.stringMatching("^fault: graphile-worker's tables are not this login's → "),
    ])
  })

  test('a schema that is older, and one that is newer', async () => {
    await sql('begin; create table kept as select * from auth_private.migrations; commit')
    const needed = codeVersion()
    const older = await spoilt(
      `delete from auth_private.migrations where version = ${needed}`,
      'insert into auth_private.migrations select * from kept on conflict do nothing',
    )
    expect(older.of('schema')).toEqual([
      `fault: version ${needed - 1}, and this code needs ${needed} → Run "postgraphile-wechat migrate" with DATABASE_OWNER_URL.`,
    ])
    const newer = await spoilt(
      `insert into auth_private.migrations (version, name, sha256) values (9999, '9999_future.sql', repeat('0', 64))`,
      'delete from auth_private.migrations where version = 9999; drop table kept',
    )
    expect(newer.of('schema')).toEqual([
      expect.stringMatching(`^ok: version 9999, newer than this code \\(${needed}\\)`),
    ])
  })

  describe('another database', () => {
    const place = () => ({
      DATABASE_URL: withDatabase(cluster.webUrl, 'other'),
      DATABASE_OWNER_URL: withDatabase(cluster.ownerUrl, 'other'),
    })
    afterEach(() => sql('drop database if exists other with (force)'))

    test('that was not migrated', async () => {
      const { of } = await spoilt('create database other owner owner', '', place())
      expect(of('schema')).toEqual([
        expect.stringMatching('^fault: the schema is not there → Run "postgraphile-wechat migrate"'),
      ])
      expect(of('jobs_schema')).toEqual([
        expect.stringMatching("^fault: graphile-worker's schema is not there → Run"),
      ])
      expect(of('events')).toEqual(['skipped: the schema is not there, or the login may not look at it'])
      expect(of('owner_rights')).toEqual(['ok: owner may create roles'])
    })

    test("that is another service's", async () => {
      await sql('create database other owner owner')
      const { default: pg } = await import('pg')
      const client = new pg.Client({ connectionString: place().DATABASE_OWNER_URL })
      await client.connect()
      await client.query('create schema auth')
      await client.end()
      expect((await examine(place())).of('schema')).toEqual([
        expect.stringMatching('^fault: the database has a schema "auth" or "auth_private" of something else'),
      ])
    })

    test('of another encoding', async () => {
      const { of } = await spoilt(
        `create database other owner owner template template0 encoding 'SQL_ASCII' locale_provider libc lc_collate 'C' lc_ctype 'C'`,
        '',
        place(),
      )
      expect(of('encoding')).toEqual([
        expect.stringMatching('^fault: the database has the encoding SQL_ASCII: .* → Make another one'),
      ])
    })
  })

  test('a database that is read-only', async () => {
    const { of } = await spoilt(
      'alter role authenticator set default_transaction_read_only = on',
      'alter role authenticator reset default_transaction_read_only',
    )
    expect(of('writable')).toEqual([expect.stringMatching('^fault: transactions are read-only → ')])
  })

  test('what makes a commit mean less', async () => {
    // As startOwnCluster makes it.
    expect((await examine()).of('durability')).toEqual([
      expect.stringMatching('^warning: fsync is off: '),
      expect.stringMatching('^warning: full_page_writes is off: '),
      expect.stringMatching('^warning: synchronous_commit is off: .* → Reset it'),
    ])
    const { of } = await spoilt(
      'alter role authenticator set synchronous_commit = on',
      'alter role authenticator reset synchronous_commit',
    )
    expect(of('durability')).toEqual([
      expect.stringMatching('^warning: fsync is off: '),
      expect.stringMatching('^warning: full_page_writes is off: '),
    ])
  })

  test('more connections than there are', async () => {
    const { of } = await examine({ DATABASE_POOL_SIZE: '1000' })
    expect(of('web_pool')).toEqual([
      expect.stringMatching(
        /^fault: DATABASE_POOL_SIZE is 1000, and PostgreSQL allows \d+ connections → Lower/,
      ),
    ])
    const limited = await spoilt(
      'alter role authenticator connection limit 3',
      'alter role authenticator connection limit -1',
    )
    expect(limited.of('web_pool')).toEqual([
      expect.stringMatching('^fault: DATABASE_POOL_SIZE is 10, and PostgreSQL allows 3 connections'),
    ])
    const { server } = (
      await cluster.superuser.query(`select current_setting('max_connections')::integer as server`)
    ).rows[0]
    const tight = await examine({ DATABASE_POOL_SIZE: String(server - 4) })
    expect(tight.of('web_pool')).toEqual([
      expect.stringMatching(/^warning: \d+ of \d+ connections are in use; this node takes up to/),
    ])
  })
})

test('a cluster that has never seen the service', async () => {
  const cluster = await startOwnCluster()
  try {
    await cluster.superuser.query('drop role authenticator')
    const env = { ...PRODUCTION, DATABASE_URL: cluster.ownerUrl, DATABASE_OWNER_URL: cluster.ownerUrl }
    const { of } = await doctor({ ...env, WECHAT_API_URL: 'http://127.0.0.1:9' })
    expect(of('web_role')).toEqual([
      expect.stringMatching(
        '^fault: there is no role authenticator in this cluster → Run "postgraphile-wechat migrate"',
      ),
    ])
    expect(of('roles')).toEqual([
      expect.stringMatching(
        '^fault: not there: anon, authenticated, service_role, authenticator, support, auth_signer, .* → Run',
      ),
    ])
  } finally {
    await cluster.stop()
  }
}, 60_000)
