import { schemaFiles } from '../../src/db/migrate.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { servers } from '../support/servers.ts'

// What holds of every object of the schema, whatever is added to it and whatever sql/privileges.md says of it. Each rule
// lists the objects that break it, and is shown one that does.

const SCHEMAS = `('auth', 'auth_private')`
const DUTIES = `('auth_signer', 'auth_keeper', 'auth_holder', 'auth_claims', 'auth_binder', 'auth_merger', 'auth_steward', 'auth_courier', 'auth_limiter', 'auth_herald', 'auth_receiver', 'auth_eraser', 'auth_revealer', 'auth_watcher')`
const FUNCTIONS = `from pg_proc p join pg_namespace n on n.oid = p.pronamespace where n.nspname in ${SCHEMAS}`
const TABLES = `from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname in ${SCHEMAS} and c.relkind in ('r', 'p', 'v', 'm', 'f')`
const WRITES = `array['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']
  || case when current_setting('server_version_num')::integer >= 170000 then array['MAINTAIN'] end`
const writable = (role: string) => `
  exists (select from unnest(${WRITES}) w where has_table_privilege('${role}', c.oid, w))
  or exists (select from unnest(array['INSERT', 'UPDATE', 'REFERENCES']) w where has_any_column_privilege('${role}', c.oid, w))`

interface Rule {
  name: string
  /** Lists the objects that break the rule. */
  offenders: string
  /** Breaks the rule, and the object that does. */
  offence: [statement: string, object: string]
}

const definer = (name: string, options: string) =>
  `create function auth_private.${name}() returns integer language plpgsql security definer ${options} as 'begin return 1; end'`

const rules: Rule[] = [
  {
    name: 'no function is executable by PUBLIC',
    offenders: `select p.oid::regprocedure ${FUNCTIONS} and exists (
      select from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a where a.grantee = 0)`,
    offence: ['create function auth.bad() returns integer language sql return 1', 'auth.bad()'],
  },
  {
    name: 'every definer pins a search_path that ends in pg_temp',
    offenders: `select p.oid::regprocedure ${FUNCTIONS} and p.prosecdef and not exists (
      select from unnest(p.proconfig) s where s ~ '^search_path=.*, *pg_temp$')`,
    offence: [definer('bad', 'set search_path = pg_temp, pg_catalog'), 'auth_private.bad()'],
  },
  {
    name: 'every function whose names are looked up when it runs pins a search_path that ends in pg_temp',
    offenders: `select p.oid::regprocedure ${FUNCTIONS} and p.prosqlbody is null and not exists (
      select from unnest(p.proconfig) s where s ~ '^search_path=.*, *pg_temp$')`,
    offence: [
      `create function auth_private.bad() returns integer language sql as 'select 1'`,
      'auth_private.bad()',
    ],
  },
  {
    name: 'every definer belongs to a duty',
    offenders: `select p.oid::regprocedure ${FUNCTIONS} and p.prosecdef
      and pg_get_userbyid(p.proowner) not in ${DUTIES}`,
    offence: [definer('bad', 'set search_path = pg_catalog, pg_temp'), 'auth_private.bad()'],
  },
  {
    name: 'no duty owns a table, or anything else but definers',
    offenders: `select c.oid::regclass::text from pg_class c where pg_get_userbyid(c.relowner) in ${DUTIES}
      union all select p.oid::regprocedure::text from pg_proc p
      where pg_get_userbyid(p.proowner) in ${DUTIES} and not p.prosecdef
      union all select n.nspname from pg_namespace n where pg_get_userbyid(n.nspowner) in ${DUTIES}`,
    offence: [
      'grant create on schema auth to auth_keeper; alter table auth.sessions owner to auth_keeper',
      'auth.sessions',
    ],
  },
  {
    name: 'no duty may create in a schema',
    offenders: `select r.rolname || ' in ' || n.nspname from pg_namespace n, pg_roles r
      where r.rolname in ${DUTIES} and n.nspname in ${SCHEMAS} and has_schema_privilege(r.oid, n.oid, 'CREATE')`,
    offence: ['grant create on schema auth to auth_keeper', 'auth_keeper in auth'],
  },
  {
    name: 'every table has row-level security',
    offenders: `select c.oid::regclass ${TABLES} and c.relkind <> 'v' and not c.relrowsecurity`,
    offence: ['alter table auth.sessions disable row level security', 'auth.sessions'],
  },
  {
    name: 'every view is a security barrier',
    offenders: `select c.oid::regclass ${TABLES} and c.relkind = 'v'
      and not coalesce('security_barrier=true' = any (c.reloptions), false)`,
    offence: ['create view auth.bad as select 1 as one', 'auth.bad'],
  },
  {
    name: 'no policy is for PUBLIC',
    offenders: `select p.polname from pg_policy p join pg_class c on c.oid = p.polrelid
      join pg_namespace n on n.oid = c.relnamespace where n.nspname in ${SCHEMAS} and 0 = any (p.polroles)`,
    offence: ['create policy bad on auth.users using (true)', 'bad'],
  },
  {
    name: 'every table and column has a comment',
    offenders: `select c.oid::regclass::text ${TABLES} and obj_description(c.oid, 'pg_class') is null
      union all select a.attrelid::regclass || '.' || a.attname
      from pg_attribute a where a.attnum > 0 and not a.attisdropped
        and a.attrelid in (select c.oid ${TABLES}) and col_description(a.attrelid, a.attnum) is null`,
    offence: ['alter table auth.users add column bad text', 'auth.users.bad'],
  },
  {
    name: 'every function has a comment',
    offenders: `select p.oid::regprocedure ${FUNCTIONS} and obj_description(p.oid, 'pg_proc') is null`,
    offence: ['comment on function auth.uid() is null', 'auth.uid()'],
  },
  {
    name: 'auth_private and graphile_worker are closed to callers',
    offenders: `select r || ' ' || n.nspname from pg_namespace n, unnest(array['anon', 'authenticated', 'service_role', 'support']) r
      where n.nspname in ('auth_private', 'graphile_worker') and has_schema_privilege(r, n.oid, 'USAGE')`,
    offence: ['grant usage on schema auth_private to anon', 'anon auth_private'],
  },
  ...['anon', 'authenticated', 'service_role', 'authenticator', 'support'].map(role => ({
    name: `${role} writes no table`,
    offenders: `select c.oid::regclass ${TABLES} and (${writable(role)})`,
    offence: [`grant update (user_metadata) on auth.users to ${role}`, 'auth.users'] as [string, string],
  })),
]

describe.each(servers)('on $name', server => {
  let db: TestDatabase

  beforeAll(async () => {
    db = await createDatabase({ server })
  })
  afterAll(() => db.drop())

  describe.each(rules)('$name', ({ offenders, offence: [statement, object] }) => {
    const list = async (client: Pick<TestDatabase['owner'], 'query'>) => {
      const { rows } = await client.query({ text: offenders, rowMode: 'array' })
      return (rows as unknown[][]).map(([name]) => String(name))
    }

    test('holds', async () => {
      expect(await list(db.owner)).toEqual([])
    })

    test('lists an object that breaks it', () =>
      db.experiment(async client => {
        await client.query(statement)
        expect(await list(client)).toContain(object)
      }))
  })

  describe('names', () => {
    const sql = schemaFiles()
      .map(({ text }) => text)
      .join('\n')
    const nameless = (keyword: string, names: string[]) =>
      names.filter(name => !new RegExp(`\\b${keyword} ${name}\\b`).test(sql))

    test('every constraint is named in its file', async () => {
      const rows = await db.rows<{ name: string }>(
        `select c.conname as name from pg_constraint c join pg_namespace n on n.oid = c.connamespace
       where n.nspname in ${SCHEMAS} and c.contype <> 'n'`,
      )
      expect(rows.length).toBeGreaterThan(20)
      expect(
        nameless(
          'constraint',
          rows.map(({ name }) => name),
        ),
      ).toEqual([])
      expect(nameless('constraint', ['users_phone_is_e164', 'users_check1'])).toEqual(['users_check1'])
    })

    test('every index is named in its file', async () => {
      const rows = await db.rows<{ name: string }>(
        `select c.relname as name from pg_index i join pg_class c on c.oid = i.indexrelid
         join pg_namespace n on n.oid = c.relnamespace
       where n.nspname in ${SCHEMAS} and not exists (select from pg_constraint k where k.conindid = i.indexrelid)`,
      )
      expect(rows.length).toBeGreaterThan(5)
      expect(
        nameless(
          'index',
          rows.map(({ name }) => name),
        ),
      ).toEqual([])
      expect(nameless('index', ['users_phone_key', 'users_phone_idx1'])).toEqual(['users_phone_idx1'])
    })
  })
})
