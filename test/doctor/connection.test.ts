import { createServer } from 'node:net'
import { withLogin } from '../db/own_cluster.ts'
import { createDatabase, type TestDatabase, withDatabase } from '../support/database.ts'
import { startProxy } from '../support/proxy.ts'
import { startSimulator, type TestSimulator } from '../support/service.ts'
import { startSilence, startWay, type Way } from '../support/way.ts'
import { doctor, SECRET } from './harness.ts'

// The way to PostgreSQL, and what may be at its end.

let db: TestDatabase
let simulator: TestSimulator
const ways: Way[] = []
beforeAll(async () => {
  db = await createDatabase()
  simulator = await startSimulator()
})
afterEach(async () => {
  for (const way of ways.splice(0)) await way.close()
})
afterAll(async () => {
  await simulator.close()
  await db.drop()
})

const keep = <T extends Way>(way: T): T => {
  ways.push(way)
  return way
}
const examine = (DATABASE_URL: string, more: object = {}) =>
  doctor({ DATABASE_URL, JWT_SECRET: SECRET, WECHAT_API_URL: simulator.url, ...more })
const host = () => new URL(db.webUrl).host
const database = () => new URL(db.webUrl).pathname

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise(resolve => server.close(resolve))
  return port
}

test('it says where it is, as whom, and how fast', async () => {
  const { of } = await examine(db.webUrl)
  expect(of('web_connection')).toEqual([
    expect.stringMatching(`^ok: authenticator at ${host()}${database()}, \\d+\\.\\d ms there and back$`),
  ])
})

test.each<[what: string, url: () => string | Promise<string>, text: RegExp]>([
  [
    'a wrong password',
    () => withLogin(db.webUrl, 'authenticator', 'not the password'),
    /^fault: authenticator at .*: password authentication failed for user "authenticator" → The login or the password in DATABASE_URL is wrong/,
  ],
  [
    'no password',
    () => withLogin(db.webUrl, 'authenticator'),
    /^fault: authenticator at .* → .*DATABASE_URL/,
  ],
  [
    'a database that is not there',
    () => withDatabase(db.webUrl, 'nowhere'),
    /^fault: .*\/nowhere: database "nowhere" does not exist → There is no such database/,
  ],
  [
    'a port on which nobody listens',
    async () => `postgres://a:b@127.0.0.1:${await freePort()}/x`,
    /^fault: a at 127\.0\.0\.1:\d+\/x: connect ECONNREFUSED 127\.0\.0\.1:\d+ → Nobody listens there/,
  ],
  [
    'a name that is not known',
    () => 'postgres://a:b@database.invalid/x',
    /^fault: a at database\.invalid:5432\/x: getaddrinfo E\w+ database\.invalid → /,
  ],
  [
    'TLS that the server does not speak',
    () => `${db.webUrl}?sslmode=require`,
    /^fault: .*: The server does not support SSL connections → TLS fails: compare sslmode/,
  ],
  [
    'a certificate that cannot be read',
    () => `${db.webUrl}?sslmode=verify-full&sslrootcert=/nowhere/ca.pem`,
    /^fault: DATABASE_URL cannot be used: ENOENT.*\/nowhere\/ca\.pem/,
  ],
  [
    'a password with a percent sign that is no escape',
    () => db.webUrl.replace(/:[^:@/]+@/, ':half%of-it@'),
    /^fault: .*DATABASE_URL/,
  ],
])('%s', async (_what, url, text) => {
  const report = await examine(await url())
  expect(report.of('web_connection')).toEqual([expect.stringMatching(text)])
  expect(report.exitCode).toBe(1)
  expect(report.of('web_role')).toEqual([expect.stringMatching('^skipped: .*DATABASE_URL')])
  expect(report.of('reach')).toEqual([expect.stringMatching('^ok: ')])
})

test('all connections are taken', async () => {
  const { of } = await examine((await limited()).url)
  expect(of('web_connection')).toEqual([
    expect.stringMatching('too many connections for role .* → All connections are taken'),
  ])
})

/** A login that may have one connection, and has it. */
async function limited() {
  const name = `full_${Date.now()}`
  await db.rows(`create role ${name} login password 'x' connection limit 0 in role authenticator`)
  return { url: withLogin(db.webUrl, name, 'x') }
}

describe('whatever hangs', () => {
  test('a server that takes the connection and says nothing, for everything that is asked', async () => {
    const silent = keep(await startSilence(db.webUrl))
    const wechat = keep(await startSilence(simulator.url))
    const started = Date.now()
    const report = await examine(silent.url, {
      DATABASE_OWNER_URL: keep(await startSilence(db.ownerUrl)).url,
      WECHAT_API_URL: wechat.url,
    })
    expect(Date.now() - started).toBeLessThan(15_000)
    for (const check of ['web_connection', 'owner_connection'] as const)
      expect(report.of(check)).toEqual([
        expect.stringMatching(
          '^fault: .*: no answer within 4 s → Something takes the packets and says nothing',
        ),
      ])
    expect(report.of('reach')).toEqual([
      expect.stringMatching('takes the connection, and no answer comes: nothing within 4 s'),
    ])
  })

  test('a network that dies after the login', async () => {
    // The server's first words are the handshake; then the answer to the password, and what follows is lost.
    let isDead = false
    const way = keep(
      await startWay(db.webUrl, chunk => {
        if (isDead) return Buffer.alloc(0)
        isDead = chunk.includes('Z\0\0\0\x05I')
        return chunk
      }),
    )
    const started = Date.now()
    const report = await examine(way.url)
    expect(Date.now() - started).toBeLessThan(15_000)
    expect(report.of('web_connection')).toEqual([expect.stringMatching('^fault: no answer in time → ')])
    expect(report.of('schema')).toEqual([expect.stringMatching('^fault: no answer in time → ')])
  })

  test('a network that is cut', async () => {
    const wire = keep(await startProxy(db.webUrl))
    wire.cut()
    expect((await examine(wire.url)).of('web_connection')).toEqual([
      expect.stringMatching(/^fault: .*(Connection terminated|ECONNRESET)/),
    ])
  })
})

/** A pooler tells each client a process of its own invention, for cancelling. */
const inventedProcess = (chunk: Buffer) => {
  const at = chunk.indexOf('K\0\0\0')
  if (at >= 0) chunk.writeInt32BE(123_456_789, at + 5)
  return chunk
}

test('a pooler in between is noticed', async () => {
  const web = keep(await startWay(db.webUrl, inventedProcess)).url
  const owner = keep(await startWay(db.ownerUrl, inventedProcess)).url
  const { of } = await examine(web, { DATABASE_OWNER_URL: owner })
  expect(of('web_pooler')).toEqual([
    expect.stringMatching(
      '^warning: a pooler is in between, and DATAPLAN_PG_PREPARED_STATEMENT_CACHE_SIZE is not 0 → ',
    ),
  ])
  expect(of('owner_direct')).toEqual([
    expect.stringMatching('^fault: a pooler is in between → Let DATABASE_OWNER_URL name'),
  ])
  const set = await examine(web, { DATAPLAN_PG_PREPARED_STATEMENT_CACHE_SIZE: '0' })
  expect(set.of('web_pooler')).toEqual(['ok: one is in between'])
})

/** A server that says another version of itself. */
const version = (from: string, to: string) => (chunk: Buffer) =>
  Buffer.from(chunk.toString('latin1').replaceAll(from, to), 'latin1')

test.each([
  ['13', '^fault: PostgreSQL .* → 15 is the least'],
  ['19', '^warning: PostgreSQL .* → 18 is the newest that was tried'],
])('a server of version %s', async (major, text) => {
  const { number } = await db.row<{ number: string }>(
    `select current_setting('server_version_num') as number`,
  )
  const way = keep(await startWay(db.webUrl, version(number, `${major}${number.slice(2)}`)))
  expect((await examine(way.url)).of('version')).toEqual([expect.stringMatching(text)])
})
