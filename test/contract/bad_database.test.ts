import '../support/realm.ts'
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { startEmbedded } from '../../src/db/embedded.ts'
import { migrate } from '../../src/db/migrate.ts'
import { createLog } from '../../src/log.ts'
import { freshOpenid, freshPhone, loginCode, phoneCode, type SignedIn, signIn } from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { startProxy, type Wire } from '../support/proxy.ts'
import { type RawAnswer, type RawRequest, sendRequest } from '../support/raw.ts'
import { refusalOf } from '../support/refusals.ts'
import { entrancesOf, graphqlRequest, type Operation, operations, withToken } from '../support/requests.ts'
import { rowCounts } from '../support/rows.ts'
import { type Node, startNode, startSimulator, type TestSimulator } from '../support/service.ts'

// Every way in which the database can be away, for every operation on every entrance: 503 and when to come back, nothing
// by halves, and afterwards the service goes on by itself.

let db: TestDatabase
let simulator: TestSimulator
let wire: Wire
let node: Node
/** Beside the service's own connections, as the same login. */
let web: pg.Client
const login = `test_${randomUUID().replaceAll('-', '')}`

beforeAll(async () => {
  db = await createDatabase()
  await db.owner.query('create table public.things (name text); grant select on public.things to public')
  await db.owner.query(
    `create role ${login} login password 'x' in role authenticator; grant authenticator to ${login} with inherit true`,
  )
  const url = new URL(db.webUrl)
  Object.assign(url, { username: login, password: 'x' })
  web = new pg.Client({ connectionString: url.href })
  await web.connect()
  simulator = await startSimulator()
  wire = await startProxy(url.href)
  const env = { DATABASE_TIMEOUT_MS: '1000', DATABASE_POOL_SIZE: '4' }
  node = await startNode({ db: { ...db, webUrl: wire.url }, wechatUrl: simulator.url, env })
})
afterAll(async () => {
  await node.close()
  await wire.close()
  await web.end()
  await simulator.close()
  await db.owner.query(`drop role ${login}`)
  await db.drop()
})

const endConnections = () =>
  web.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
     where usename = $1 and datname = current_database() and pid <> pg_backend_pid()`,
    [login],
  )

/** As a change of the login's settings needs it; the pool has noticed when this ends. */
async function renewConnections() {
  await endConnections()
  await until(async () => node.services.db.pool.totalCount === 0)
}

/** What one transaction should have written, and only part of which is there. */
const HALVES = `
  select 'user' as what, u.id from auth.users u
  where not exists (select from auth.identities i where i.user_id = u.id)
     or not exists (select from auth_private.events e where e.user_id = u.id and e.type = 'user.created')
     or not exists (select from auth.audit_log_entries a where a.user_id = u.id and a.action = 'user_signed_up')
  union all
  select 'session', s.id from auth.sessions s
  where not exists (select from auth.audit_log_entries a where a.session_id = s.id and a.action ~ '^user_signed_(up|in)$')
     or not exists (select from auth_private.events e where e.type = 'user.signed_in' and e.data ->> 'session_id' = s.id::text)
  union all
  select 'phone', u.id from auth.users u, lateral (
    select count(*) filter (where a.action = 'phone_bound') as bound, count(*) filter (where a.action = 'phone_unbound') as unbound,
      (array_agg(a.action order by a.id desc) filter (where a.action ~ '^phone_(un)?bound$'))[1] as last
    from auth.audit_log_entries a where a.user_id = u.id) audit
  where (u.phone is not null) <> coalesce(audit.last = 'phone_bound', false)
     or audit.bound <> (select count(*) from auth_private.wechat_codes c where c.user_id = u.id and c.outcome = 'bound')
     or audit.bound <> (select count(*) from auth_private.events e where e.user_id = u.id and e.type = 'phone.bound')
     or audit.unbound <> (select count(*) from auth_private.events e where e.user_id = u.id and e.type = 'phone.unbound')`

interface Sent {
  operation: Operation | 'things'
  entrance: string
  request: RawRequest
}

/** Everything that a client can ask for, once by each entrance. */
async function requestsOf(user: SignedIn): Promise<Sent[]> {
  const input: Partial<Record<Operation, () => Promise<string> | string>> = {
    'sign in': () => loginCode(simulator, freshOpenid()),
    link: () => loginCode(simulator, user.openid),
    bind: () => phoneCode(simulator, freshPhone()),
    refresh: () => user.refreshToken,
  }
  const sent: Sent[] = []
  for (const operation of Object.keys(operations) as Operation[])
    for (const [entrance, make] of entrancesOf(operation)) {
      const request = make((await input[operation]?.()) ?? '')
      const isUsers = ['bind', 'unbind', 'link', 'update', 'sign out', 'user'].includes(operation)
      sent.push({ operation, entrance, request: isUsers ? withToken(request, user.accessToken) : request })
    }
  const things = withToken(graphqlRequest('{ allThings { nodes { name } } }'), user.accessToken)
  return [...sent, { operation: 'things', entrance: 'GraphQL', request: things }]
}

const sendAll = (sent: Sent[], base = node) =>
  Promise.all(sent.map(async one => ({ ...one, answer: await sendRequest(base.url, one.request) })))

const failed = ({ status, body }: RawAnswer) => status >= 400 || body?.errors !== undefined

interface Trouble {
  begin(): Promise<unknown> | unknown
  /** Happens while statements wait for a lock. */
  meanwhile?(): Promise<unknown> | unknown
  end(): Promise<unknown> | unknown
  /** What goes on all the same. */
  works?: Sent['operation'][]
  /** Statements that the service has given up may be carried out when the trouble ends: whole, if at all. */
  isLate?: boolean
  /** What waits for longer than our own statements do. */
  skips?: Sent['operation'][]
}

let locks: pg.Client
const lockEverything = async () => {
  locks = new pg.Client({ connectionString: db.ownerUrl })
  await locks.connect()
  await locks.query(
    'begin; lock table auth.users, auth.sessions, auth_private.wechat_codes in access exclusive mode',
  )
}
const isWaited = async () => (await web.query('select from pg_locks where not granted')).rowCount! > 0
const until = async (isSo: () => Promise<boolean>) => {
  while (!(await isSo())) await sleep(10)
}

/** Nobody has to do anything for it. On a busy machine a statement may still take longer than this node waits for it. */
async function everythingWorks(base: Node, skips: Sent['operation'][] = []) {
  for (let attempt = 1; ; attempt++) {
    const user = await signIn(base, simulator).catch(() => undefined)
    const all = user ? (await requestsOf(user)).filter(({ operation }) => !skips.includes(operation)) : []
    const failures = (await sendAll(all, base))
      .filter(({ answer }) => failed(answer))
      .map(({ answer, ...rest }) => ({ ...rest, text: answer.text }))
    if (user && failures.length === 0) return
    if (attempt === 20) expect({ user, failures }).toEqual({ user: expect.anything(), failures: [] })
    await sleep(200)
  }
}

const troubles: Record<string, Trouble> = {
  'nobody listens': { begin: () => wire.shut(), end: () => wire.mend() },
  'every connection is cut': { begin: () => wire.cut(), end: () => wire.mend() },
  'nothing comes through': {
    begin: () => wire.stall(),
    end: () => wire.mend(),
    isLate: true,
    skips: ['things'],
  },
  'the tables are locked': { begin: lockEverything, end: () => locks.end(), isLate: true, skips: ['things'] },
  'the connections are cut in the middle of a statement': {
    begin: lockEverything,
    meanwhile: () => wire.cut(),
    end: async () => {
      await wire.mend()
      await locks.end()
    },
    isLate: true,
    skips: ['things'],
  },
  'an administrator ends the connections in the middle of a statement': {
    begin: lockEverything,
    meanwhile: endConnections,
    end: () => locks.end(),
    isLate: true,
    skips: ['things'],
  },
  'the server has no connection left': {
    begin: async () => {
      await db.owner.query(`alter role ${login} connection limit 0`)
      await renewConnections()
    },
    end: () => db.owner.query(`alter role ${login} connection limit -1`),
  },
  'the database is a read-only standby': {
    begin: async () => {
      await db.owner.query(`alter role ${login} set default_transaction_read_only = on`)
      await renewConnections()
    },
    end: async () => {
      await db.owner.query(`alter role ${login} reset default_transaction_read_only`)
      await renewConnections()
    },
    works: ['user', 'things'],
  },
}

describe.each(Object.entries(troubles))(
  '%s',
  (_name, { begin, meanwhile, end, works = [], skips = [], isLate = false }) => {
    test('database_unavailable, nothing by halves, and then everything again', async () => {
      const user = await signIn(node, simulator)
      const all = (await requestsOf(user)).filter(({ operation }) => !skips.includes(operation))
      const before = await rowCounts(db)
      const asked = simulator.callCounts.getuserphonenumber
      await begin()
      try {
        const sending = sendAll(all)
        if (meanwhile) await until(isWaited).then(meanwhile)
        for (const { operation, entrance, answer } of await sending) {
          if (works.includes(operation)) {
            expect({ operation, failed: failed(answer) }).toEqual({ operation, failed: false })
            continue
          }
          const refusal = refusalOf(answer, [user.accessToken, user.refreshToken, login])
          const status = entrance === 'GraphQL' && operation !== 'things' ? 200 : 503
          expect({ operation, entrance, ...refusal }).toEqual({
            operation,
            entrance,
            status,
            code: 'database_unavailable',
          })
        }
        if (!isLate) expect(simulator.callCounts.getuserphonenumber).toBe(asked)
      } finally {
        await end()
      }
      await until(async () => !(await isWaited()))
      expect(await db.rows(HALVES)).toEqual([])
      if (!isLate) expect(await rowCounts(db)).toEqual(before)

      await everythingWorks(node)
      expect(await db.rows(HALVES)).toEqual([])
    })
  },
)

test('PostgreSQL restarts: 503 until it is back, nothing by halves, and nobody has to be told', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'bad-database-test-'))
  const cluster = await startEmbedded({ dataDir, durable: false, log: () => {} })
  const owner = new pg.Pool({ connectionString: cluster.ownerUrl })
  owner.on('error', () => {})
  const away = { ...db, webUrl: cluster.databaseUrl }
  let restarted: Node | undefined
  try {
    await migrate({ ownerUrl: cluster.ownerUrl, log: createLog('silent') })
    restarted = await startNode({ db: away, wechatUrl: simulator.url, env: { DATABASE_TIMEOUT_MS: '1000' } })
    const { url } = restarted
    const user = await signIn(restarted, simulator)
    const all = (await requestsOf(user)).filter(({ operation }) => operation !== 'things')
    const { pid } = cluster
    process.kill(pid, 'SIGINT')
    const told = new Set<string | undefined>()
    while (cluster.pid === pid) {
      const answers = await Promise.all(all.map(({ request }) => sendRequest(url, request)))
      for (const answer of answers.filter(failed)) told.add(refusalOf(answer).code)
    }
    // A code that was sent in vain is spent, where WeChat was asked before the database failed. What came through before it stopped is
    // done, and sent again: the phone has left by then, and the session has ended.
    for (const code of [
      'wechat_code_invalid',
      'wechat_code_used',
      'session_not_found',
      'refresh_token_not_found',
    ])
      told.delete(code)
    expect([...told]).toEqual(['database_unavailable'])
    expect((await owner.query(HALVES)).rows).toEqual([])
    await everythingWorks(restarted, ['things'])
  } finally {
    await restarted?.close()
    await owner.end()
    await cluster.stop()
    await rm(dataDir, { recursive: true, force: true, maxRetries: 5 })
  }
})
