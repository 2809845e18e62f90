import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { codeVersion } from '../src/db/migrate.ts'
import { bindEntrances, freshPhone, phoneCode, send, signIn } from './support/client.ts'
import { createDatabase, type TestDatabase } from './support/database.ts'
import { end, launch as launchProcess, launchServe, production as productionOf } from './support/serve.ts'
import { startSimulator, type TestSimulator } from './support/service.ts'
import { startReceiver, subscribe } from './tasks/receiver.ts'

// The production entry points as processes of their own: several nodes, one database.

let db: TestDatabase
let simulator: TestSimulator
const children: ChildProcess[] = []

beforeAll(async () => {
  db = await createDatabase()
  simulator = await startSimulator()
})
afterAll(async () => {
  for (const child of children)
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
  await simulator.close()
  await db.drop()
})

function launch(command: string, more: Record<string, string>) {
  const launched = launchProcess(command, more)
  children.push(launched.child)
  return launched
}
const production = () => productionOf({ db, wechatUrl: simulator.url })

async function serve() {
  const service = await launchServe({ db, wechatUrl: simulator.url })
  children.push(service.child)
  return service
}

test('three processes: one code sent 20 times at once is one call to WeChat and 20 equal answers; so is one later', async () => {
  const nodes = await Promise.all([serve(), serve(), serve()])
  const user = await signIn(nodes[0]!.node, simulator)
  const code = await phoneCode(simulator, freshPhone())
  const before = simulator.callCounts.getuserphonenumber
  simulator.failNext('getuserphonenumber', { hang: 300 })
  const entrances = Object.values(bindEntrances)
  const outcomes = await Promise.all(
    Array.from({ length: 20 }, (_, index) =>
      entrances[index % 3]!(nodes[index % 3]!.node, code, user.accessToken),
    ),
  )
  expect(
    new Set(outcomes.map(({ code: error, phone, userId }) => JSON.stringify([error, phone, userId]))).size,
  ).toBe(1)
  expect(outcomes[0]).toMatchObject({ code: undefined, userId: user.userId })
  expect(await end(nodes[0]!.child, 'SIGKILL')).toBeNull()
  expect(await entrances[0]!(nodes[1]!.node, code, user.accessToken)).toEqual(outcomes[0])
  expect(simulator.callCounts.getuserphonenumber - before).toBe(1)
  expect(simulator.callCounts.stable_token).toBe(1)
  for (const { child } of nodes.slice(1)) expect(await end(child, 'SIGTERM')).toBe(0)
}, 60_000)

test('SIGTERM lets a bind in flight finish, and production says nothing but JSON', async () => {
  const { child, output, node } = await serve()
  const user = await signIn(node, simulator)
  const phone = freshPhone()
  const code = await phoneCode(simulator, phone)
  const before = simulator.callCounts.getuserphonenumber
  simulator.failNext('getuserphonenumber', { hang: 1_000 })
  const binding = bindEntrances.GraphQL!(node, code, user.accessToken)
  while (simulator.callCounts.getuserphonenumber === before) await sleep(10)
  const exit = end(child, 'SIGTERM')
  expect(await binding).toMatchObject({ code: undefined, phone: `+86${phone}` })
  expect(await exit).toBe(0)
  for (const line of output().trim().split('\n')) expect(() => JSON.parse(line)).not.toThrow()
  expect((await db.row('select phone from auth.users where id = $1', [user.userId])).phone).toBe(
    `+86${phone}`,
  )
}, 60_000)

describe('a database that another version has migrated', () => {
  /** Ends as soon as it serves, or does not. */
  async function outcome(command: string, more: Record<string, string>) {
    const { child, output } = launch(command, { ...production(), ...more })
    child.stdout!.on('data', () => output().includes('the service answers') && child.kill('SIGTERM'))
    const [status] = await once(child, 'exit')
    return { status: status as number, output: output() }
  }
  const withOwner = () => ({ DATABASE_OWNER_URL: db.ownerUrl })
  const recorded = () => db.rows('select * from auth_private.migrations order by version')

  describe('a newer one', () => {
    beforeAll(() =>
      db.rows(
        `insert into auth_private.migrations (version, name, sha256) values (9999, '9999_later.sql', 'x')`,
      ),
    )
    afterAll(() => db.rows('delete from auth_private.migrations where version = 9999'))

    test('nodes of this version start and serve, with a warning; migrate refuses', async () => {
      const before = await recorded()
      const direct = await outcome('serve', {})
      expect([direct.status, direct.output]).toEqual([0, expect.stringContaining('the service answers')])
      const migrating = await outcome('serve', withOwner())
      expect([migrating.status, migrating.output]).toEqual([
        0,
        expect.stringContaining('the service answers'),
      ])
      expect(migrating.output).toContain('the database is newer than this code')
      const refused = await outcome('migrate', withOwner())
      expect([refused.status, refused.output]).toEqual([1, expect.stringMatching(/9999.*newer version/)])
      expect(await recorded()).toEqual(before)
    }, 60_000)

    test('their users notice nothing, and they are ready', async () => {
      const { child, node } = await serve()
      await signIn(node, simulator)
      expect((await send(`${node.url}/health/ready`)).status).toBe(200)
      expect(await end(child, 'SIGTERM')).toBe(0)
    }, 60_000)
  })

  test('an older one, or none: serve says what to run, and migrates itself where it may', async () => {
    const [last] = await db.rows<{ version: number }>(
      'select * from auth_private.migrations order by version desc limit 1',
    )
    await db.rows('delete from auth_private.migrations where version = $1', [last!.version])
    const refused = await outcome('serve', {})
    expect(refused.status).toBe(1)
    expect(refused.output).toMatch(
      `The database has version ${last!.version - 1} of the schema, this code needs ${last!.version}: run "postgraphile-wechat migrate"`,
    )
    await db.rows(
      'insert into auth_private.migrations select * from json_populate_record(null::auth_private.migrations, $1)',
      [last],
    )
    const none = await createDatabase({ migrated: false })
    try {
      const urls = { DATABASE_URL: none.webUrl }
      expect((await outcome('serve', urls)).output).toContain('version 0')
      const { status, output } = await outcome('serve', { ...urls, DATABASE_OWNER_URL: none.ownerUrl })
      expect([status, output]).toEqual([0, expect.stringContaining('the schema was built')])
    } finally {
      await none.drop()
    }
  }, 60_000)

  test('one that ran an edited migration: neither migrate nor a serve that migrates goes on', async () => {
    await db.rows(`update auth_private.migrations set sha256 = 'x' || sha256 where version = 1`)
    const before = await recorded()
    for (const command of ['migrate', 'serve']) {
      const { status, output } = await outcome(command, withOwner())
      expect([command, status, output]).toEqual([
        command,
        1,
        expect.stringContaining('edited after it was applied'),
      ])
    }
    expect(await recorded()).toEqual(before)
    await db.rows(`update auth_private.migrations set sha256 = substr(sha256, 2) where version = 1`)
  }, 60_000)
})

test('production has no simulator and no IDE', async () => {
  const { child, node } = await serve()
  for (const path of ['/simulator/login-codes', '/graphiql', '/']) {
    const { status, body } = await send(`${node.url}${path}`)
    expect([path, status, body.error_code]).toEqual([path, 404, 'validation_failed'])
  }
  expect(await end(child, 'SIGTERM')).toBe(0)
}, 60_000)

test('the worker is a process of its own: events are delivered, and SIGTERM ends it', async () => {
  const { child: web, node } = await serve()
  const receiver = await startReceiver()
  await subscribe(db, receiver.url)
  const worker = launch('worker', { DATABASE_OWNER_URL: db.ownerUrl, WEBHOOK_ALLOW_PRIVATE: 'true' })
  const user = await signIn(node, simulator)
  while (!worker.output().includes(user.userId)) await sleep(50)
  expect(receiver.about(user.userId).length).toBeGreaterThan(0)
  expect(await end(worker.child, 'SIGTERM')).toBe(0)
  await receiver.close()
  expect(await end(web, 'SIGTERM')).toBe(0)
  expect(await db.rows('select from graphile_worker.jobs where locked_at is not null')).toEqual([])
}, 60_000)

test('migrate as a job: brings an empty database up, and ends', async () => {
  const empty = await createDatabase({ migrated: false })
  try {
    for (const _ of [1, 2]) {
      const { child, output } = launch('migrate', { DATABASE_OWNER_URL: empty.ownerUrl })
      const [status] = await once(child, 'exit')
      expect([status, output().includes('Error')]).toEqual([0, false])
    }
    expect(await empty.row('select max(version) as version from auth_private.migrations')).toEqual({
      version: codeVersion(),
    })
  } finally {
    await empty.drop()
  }
}, 60_000)
