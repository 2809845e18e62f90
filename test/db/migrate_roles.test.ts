import pg from 'pg'
import { ROLES } from '../../src/db/migrate/roles.ts'
import { MigrationError, migrate, schemaFiles } from '../../src/db/migrate.ts'
import { createLog } from '../../src/log.ts'
import { catalogue } from '../support/catalogue.ts'
import { withDatabase } from '../support/database.ts'
import { wantedPrograms } from '../support/installed.ts'
import { everyRound } from '../support/rounds.ts'
import { type OwnCluster, startOwnCluster } from './own_cluster.ts'

// Roles of our names that somebody else made, or changed. They are the cluster's, so these tests have one of their own,
// and in it, unlike everywhere else, a superuser.

const CALLERS = ['anon', 'authenticated', 'service_role']
const DUTIES = ROLES.filter(role => role.startsWith('auth_'))
const ATTRIBUTES = ['superuser', 'bypassrls', 'createrole', 'createdb', 'replication']

const programs = wantedPrograms().map(binDir => ({ binDir, name: binDir ?? 'the npm package' }))

describe.each(programs)('with the PostgreSQL of $name', ({ binDir }) => {
  let cluster: OwnCluster
  let superuser: pg.Client
  let owner: pg.Client
  let ownerUrl: string
  let hasOptions: boolean

  beforeAll(async () => {
    cluster = await startOwnCluster(binDir)
    superuser = cluster.superuser
    const { rows } = await superuser.query<{ server_version_num: string }>('show server_version_num')
    hasOptions = Number(rows[0]!.server_version_num) >= 160_000
    await superuser.query(`create role app_reader nologin; create role app_admin nologin createrole`)
  }, 120_000)
  afterAll(() => cluster.stop())

  /** The roles as `migrate` makes them, and an empty database. */
  beforeEach(async () => {
    await superuser.query('drop database if exists other with (force)')
    await superuser.query('drop role if exists auth_unknown')
    await superuser.query('alter role owner createrole createdb')
    for (const role of ROLES) {
      await superuser.query(
        `do $$ begin create role ${role}; exception when duplicate_object then null; end $$`,
      )
      await superuser.query(
        `alter role ${role} nosuperuser nobypassrls nocreaterole nocreatedb noreplication noinherit
         ${role === 'authenticator' ? 'login' : 'nologin'}`,
      )
      const { rows } = await superuser.query<{ statement: string }>(
        `select format('revoke %s from %s', roleid::regrole, member::regrole)
                || ${hasOptions ? `format(' granted by %s cascade', grantor::regrole)` : `''`} as statement
         from pg_auth_members where member = $1::regrole`,
        [role],
      )
      for (const { statement } of rows) await superuser.query(statement).catch(() => {})
    }
    await letOwnerGrant()
    await superuser.query('create database other owner owner')
    ownerUrl = withDatabase(cluster.ownerUrl, 'other')
    owner = new pg.Client({ connectionString: ownerUrl })
    owner.on('error', () => {})
    await owner.connect()
  })
  afterEach(() => owner.end())

  const letOwnerGrant = async () => {
    for (const role of ROLES) await superuser.query(`grant ${role} to owner with admin option`)
  }
  const up = () =>
    migrate({ ownerUrl, log: createLog('silent') }).then(
      () => undefined,
      (error: Error) => error,
    )
  const state = async () => ({
    schemas: (await owner.query(`select nspname from pg_namespace where nspname !~ '^pg_' order by 1`)).rows,
    catalogue: await catalogue(owner),
    roles: (await superuser.query('select * from pg_authid order by oid')).rows,
    members: (await superuser.query('select m::text from pg_auth_members m order by 1')).rows,
  })
  const spoil = async (statements: string[]) => {
    for (const statement of statements) await superuser.query(statement)
  }
  /** The lines that name a fault, and the statements that end them. */
  const faults = (error: Error) =>
    error.message.split('\n').flatMap(line => (line.startsWith('- ') ? [line.slice(2)] : []))
  const remedies = (error: Error) => faults(error).map(fault => fault.slice(fault.indexOf(': ') + 2))

  async function expectRefusal(statements: string[], expected: (string | RegExp)[]) {
    await spoil(statements)
    const before = await state()
    const error = (await up())!
    expect(error).toBeInstanceOf(MigrationError)
    expect(faults(error)).toEqual(expected.map(fault => expect.stringMatching(fault)))
    expect(await state()).toEqual(before)
    await spoil(remedies(error))
    await letOwnerGrant()
    expect(await up()).toBeUndefined()
    expect((await catalogue(owner)).length).toBeGreaterThan(100)
  }

  test('roles as they should be are used', async () => {
    expect(await up()).toBeUndefined()
  })

  test.each(everyRound)('databases of a new cluster may be migrated at once: round %i', async () => {
    const names = ['other', 'second', 'third']
    await owner.end()
    await superuser.query('drop database other')
    await superuser.query(`revoke ${ROLES.join(', ')} from owner cascade; drop role ${ROLES.join(', ')}`)
    for (const name of names) await superuser.query(`create database ${name} owner owner`)
    const log = createLog('silent')
    const outcomes = await Promise.allSettled(
      names.map(name => migrate({ ownerUrl: withDatabase(cluster.ownerUrl, name), log })),
    )
    for (const name of names) await superuser.query(`drop database ${name}`)
    await superuser.query('create database other owner owner')
    owner = new pg.Client({ connectionString: ownerUrl })
    await owner.connect()
    expect(outcomes).toEqual(names.map(() => ({ status: 'fulfilled', value: undefined })))
  })

  test('the list of roles is what the schema makes', () => {
    const roles = schemaFiles().find(({ name }) => name === 'schema/roles.sql')!.text
    const [, list] = /foreach v_role in array array\[([^\]]+)\]/.exec(roles)!
    expect(ROLES.toSorted()).toEqual([...list!.matchAll(/'(\w+)'/g)].map(([, role]) => role!).sort())
  })

  test.each(ATTRIBUTES)('no role may have %s', async attribute => {
    await expectRefusal(
      ROLES.map(role => `alter role ${role} ${attribute}`),
      ROLES.map(
        role => new RegExp(`^${role} has ${attribute.toUpperCase()}: alter role ${role} no${attribute};$`),
      ),
    )
  })

  test('several attributes of one role are one fault', async () => {
    await expectRefusal(
      ['alter role service_role superuser bypassrls login'],
      [
        /^service_role has SUPERUSER, BYPASSRLS, LOGIN: alter role service_role nosuperuser nobypassrls nologin;$/,
      ],
    )
  })

  test('callers and duties may not log in', async () => {
    const roles = ROLES.filter(role => role !== 'authenticator')
    await expectRefusal(
      roles.map(role => `alter role ${role} login`),
      roles.map(role => new RegExp(`^${role} has LOGIN: alter role ${role} nologin;$`)),
    )
  })

  const ANYBODYS = ['auth_binder', 'owner', 'pg_read_all_data', 'app_admin']
  test.each([
    ['anon', [...ANYBODYS, 'authenticated', 'service_role', 'authenticator']],
    ['authenticated', [...ANYBODYS, 'service_role', 'authenticator']],
    ['service_role', [...ANYBODYS, 'authenticator']],
    ['authenticator', [...ANYBODYS, 'support']],
    ['support', [...ANYBODYS, 'service_role', 'authenticator']],
  ])('%s may not be a member of %j', async (member, roles) => {
    // A role that the owner is a member of cannot become a member of the owner.
    await superuser.query(`revoke ${member} from owner`)
    await expectRefusal(
      roles.map(role => `grant "${role}" to ${member}`),
      roles.toSorted().map(role => new RegExp(`^${member} is a member of ${role}: revoke "${role}"`)),
    )
  })

  test('what is reached through a harmless role is found', async () => {
    await expectRefusal(
      [
        'revoke pg_read_all_data from app_reader',
        'grant pg_read_all_data to app_reader',
        'grant app_reader to authenticated',
      ],
      [/^authenticated is a member of app_reader, and so of pg_read_all_data: revoke "app_reader"/],
    )
    await spoil(['revoke pg_read_all_data from app_reader'])
  })

  test.each([
    ['inherited, and nothing else', 'inherit true, set false', true],
    ['set, and nothing else', 'inherit false, set true', true],
    ['given on, and nothing else', 'inherit false, set false, admin true', false],
  ])('what can be %s, is refused: with %s', async (_what, options, isRefused) => {
    // Before 16 a grant has no options.
    if (!hasOptions) return
    await spoil(['grant pg_read_all_data to app_reader', `grant app_reader to authenticated with ${options}`])
    const error = await up()
    expect(error ? faults(error) : []).toEqual(
      isRefused
        ? [expect.stringContaining('authenticated is a member of app_reader, and so of pg_read_all_data')]
        : [],
    )
    await spoil(['revoke pg_read_all_data from app_reader'])
  })

  test('the owner is not to be inherited, whatever its attributes', async () => {
    expect(await up()).toBeUndefined()
    await spoil([
      'alter role owner nocreaterole nocreatedb',
      'revoke anon, authenticator from owner cascade',
      'grant owner to anon',
    ])
    expect(faults((await up())!)).toEqual([
      expect.stringMatching('^anon is a member of owner: revoke "owner" from anon'),
    ])
  })

  test('a duty that inherits anything is refused', async () => {
    await expectRefusal(
      DUTIES.flatMap(duty => [`alter role ${duty} inherit`, `grant app_reader to ${duty}`]),
      DUTIES.map(duty => new RegExp(`^${duty} inherits app_reader: revoke "app_reader" from ${duty}`)),
    )
  })

  test('authenticator may become the callers, and not inherit them', async () => {
    const statements = [
      'alter role authenticator inherit',
      ...CALLERS.map(role => `grant ${role} to authenticator`),
    ]
    await expectRefusal(
      statements,
      hasOptions
        ? CALLERS.map(
            role =>
              new RegExp(
                `^authenticator inherits ${role}: grant ${role} to authenticator with inherit false`,
              ),
          )
        : [/^authenticator has INHERIT: alter role authenticator noinherit;$/],
    )
    const { rows } = await superuser.query<{ answer: boolean }>(
      `select bool_or(pg_has_role('authenticator', r, 'usage')) as answer from unnest($1::name[]) r`,
      [CALLERS],
    )
    expect(rows).toEqual([{ answer: false }])
  })

  test('a database that has the schema is refused as well', async () => {
    expect(await up()).toBeUndefined()
    await spoil(['alter role service_role bypassrls'])
    expect((await up())!.message).toContain('alter role service_role nobypassrls;')
  })

  test.each([
    [
      'a limit, a date and a password',
      [`alter role authenticator connection limit 50 valid until '2100-01-01' password 'x'`],
    ],
    [
      'settings',
      [
        `alter role authenticator set statement_timeout = '8s'`,
        `alter role anon set statement_timeout = '3s'`,
      ],
    ],
    ['INHERIT of what is a member of nothing', ['alter role anon inherit', 'alter role auth_keeper inherit']],
    [
      'a caller who may do what lesser ones may',
      ['grant anon to authenticated', 'grant authenticated to service_role'],
    ],
    ["the application's roles", ['alter role authenticated inherit', 'grant app_reader to authenticated']],
    ['monitoring', ['grant pg_monitor to authenticator']],
    ['authenticator without a login of its own', ['alter role authenticator nologin']],
    ["another's role that begins like ours", ['create role auth_unknown superuser']],
  ])('harmless: %s', async (_what, statements) => {
    await spoil(statements)
    const before = (await superuser.query('select * from pg_authid order by oid')).rows
    expect(await up()).toBeUndefined()
    expect((await superuser.query('select * from pg_authid order by oid')).rows).toEqual(before)
  })
})
