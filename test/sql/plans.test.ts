import { readFile, writeFile } from 'node:fs/promises'
import { adminStatements } from '../../src/db/admin_statements.ts'
import { migrate } from '../../src/db/migrate.ts'
import { statements } from '../../src/db/statements.ts'
import { createLog } from '../../src/log.ts'
import { type OwnCluster, startOwnCluster } from '../db/own_cluster.ts'
import { wantedPrograms } from '../support/installed.ts'
import { adminCases, type Case, webCases } from './plans_cases.ts'
import { GROWING, makeCrowd } from './plans_crowd.ts'
import { type Access, type Explained, type Mode, openExplained } from './plans_explain.ts'
import { psqlCases, workerCases } from './plans_worker_cases.ts'

// How every statement reaches the tables that grow: by which index, and never by reading all of one. plans.txt says it for
// every PostgreSQL; `UPDATE_PLANS=1 npm test -- test/sql/plans.test.ts` writes it anew. The plans are read with auto_explain, which
// only a superuser can load, hence a cluster of our own.

const PLANS = new URL('plans.txt', import.meta.url)

/** Where all of a table may be read, and why. One that is not needed any more fails the test. */
const MAY_SCAN: Record<string, string> = {
  'metrics → deliveries': 'stops after 10,000 rows, and nearly all of the table waits',
  'clean up events → deliveries': 'once a batch of 10,000 events, all of which have to be looked for there',
  'admin, audit log of an action → audit_log_entries': 'counts no more than 100,000',
  'admin, audit log of a rare action → audit_log_entries':
    'an index by action misleads the import, which looks entries up by user',
  'psql, export → events': 'rare, and an index would cost every event an entry',
  'psql, export → deliveries': 'rare, and an index would cost every delivery an entry',
}

const CASES: { login: string; mode: Mode; cases: Record<string, Case> }[] = [
  ...(['custom', 'generic'] as const).flatMap(mode => [
    { login: 'authenticator', mode, cases: { ...webCases, ...adminCases } },
    { login: 'owner', mode, cases: workerCases },
  ]),
  // Nobody at a terminal says the same so often that it is planned for any values.
  { login: 'owner', mode: 'custom', cases: psqlCases },
]

const ask = (explained: Explained, login: string, it: Case, before = '') =>
  typeof it === 'function'
    ? explained.accessesOf(it, login, before)
    : explained.accessesOf(it.ask, login, `${before}; ${it.before}`)

const grows = ({ table }: Access) => GROWING.some(name => name.endsWith(`.${table}`))
/** `no condition`: it is read from one end, as far as is needed, or counted. */
const lineOf = (name: string, { table, index, isWhole }: Access) =>
  `${name} → ${table}: ${index ?? 'ALL OF IT'}${index !== undefined && isWhole ? ' (no condition)' : ''}`
const scansIn = (name: string, accesses: Access[]) =>
  accesses
    .filter(access => grows(access) && access.index === undefined)
    .map(({ table }) => `${name} → ${table}`)

const servers = wantedPrograms().map((binDir, index) => ({
  binDir,
  name: binDir ?? 'from npm',
  isFirst: index === 0,
}))

describe.each(servers)('PostgreSQL $name', ({ binDir, isFirst }) => {
  let cluster: OwnCluster
  const lines = new Set<string>()
  const scans = new Map<string, string>()
  const asked = new Set<string>()

  beforeAll(async () => {
    cluster = await startOwnCluster(binDir)
    await migrate({ ownerUrl: cluster.ownerUrl, log: createLog('silent') })
    await makeCrowd(cluster.superuser)
    for (const { login, mode, cases } of CASES) {
      const explained = await openExplained(cluster.superuserUrl, mode)
      for (const [name, it] of Object.entries(cases)) {
        const accesses = await ask(explained, login, it)
        for (const access of accesses.filter(grows)) {
          lines.add(lineOf(name, access))
          for (const scan of scansIn(name, [access])) scans.set(scan, access.text)
        }
      }
      for (const name of explained.asked) asked.add(name)
      await explained.end()
    }
    if (isFirst && process.env.UPDATE_PLANS) await writeFile(PLANS, `${[...lines].sort().join('\n')}\n`)
  }, 120_000)
  afterAll(() => cluster.stop())

  test('nothing reads all of a table that grows, but for good reason', () => {
    const unexpected = Object.fromEntries([...scans].filter(([scan]) => !(scan in MAY_SCAN)))
    expect(unexpected).toEqual({})
    expect(Object.keys(MAY_SCAN).filter(scan => !scans.has(scan))).toEqual([])
  })

  test('no statement of the web service is forgotten', () => {
    const all = Object.values({ ...statements, ...adminStatements }).map(({ name }) => name)
    expect(all.filter(name => !asked.has(name))).toEqual([])
  })

  test('every statement uses the indexes that plans.txt says', async () => {
    expect([...lines].sort()).toEqual((await readFile(PLANS, 'utf8')).trimEnd().split('\n'))
  })

  test.each<[string, string, Case, string]>([
    ['auth.sessions_user_id_idx', 'sign out', webCases['sign out, everywhere']!, 'sessions'],
    ['auth.users_wechat_unionid_key', 'sign in', webCases['sign in, new, with unionid']!, 'users'],
    ['auth.users_phone_key', 'find', adminCases['admin, users by phone']!, 'users'],
  ])('without %s it would be noticed', async (index, name, it, table) => {
    const explained = await openExplained(cluster.superuserUrl, 'generic')
    try {
      const found = await ask(explained, 'authenticator', it, `drop index ${index}`)
      expect(scansIn(name, found)).toContain(`${name} → ${table}`)
      expect(scansIn(name, await ask(explained, 'authenticator', it))).toEqual([])
    } finally {
      await explained.end()
    }
  })
})
