import { readFileSync } from 'node:fs'
import pg from 'pg'
import { migrate } from '../../src/db/migrate.ts'
import { createLog } from '../../src/log.ts'
import { catalogue } from '../support/catalogue.ts'
import { bindEntrances, freshPhone, phoneCode, post, signIn } from '../support/client.ts'
import { type TestDatabase, withDatabase } from '../support/database.ts'
import { wantedPrograms } from '../support/installed.ts'
import { startNode, startSimulator, type TestSimulator } from '../support/service.ts'
import { openTerminal, type Terminal } from '../support/terminal.ts'
import { writeAbout } from '../tasks/receiver.ts'
import { type OwnCluster, startOwnCluster } from './own_cluster.ts'

// docs/operations.md, "Backup": its blocks take a database to another cluster as they are written, without a superuser, and there it
// is the same to the last right. The programs are an installed PostgreSQL's; the npm package has none of them.

const page = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8')
const chapter = page.slice(page.indexOf('\n## Backup\n'), page.indexOf('\n## What to watch\n'))
const blocks = (language: string) =>
  [...chapter.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'gms'))].map(([, block]) => block!)
const [dump, restore, ...others] = blocks('sh')
const [skipIds] = blocks('sql')

const binDir = wantedPrograms().find(directory => directory !== undefined)
const where = binDir === undefined ? describe.skip : describe

where(`with the programs of ${binDir}`, () => {
  let from: OwnCluster
  let to: OwnCluster
  let simulator: TestSimulator
  let terminal: Terminal
  let before: string[]

  beforeAll(async () => {
    ;[from, to] = await Promise.all([startOwnCluster(binDir), startOwnCluster(binDir)])
    simulator = await startSimulator()
    terminal = await openTerminal([binDir!])
    await migrate({ ownerUrl: from.ownerUrl, log: createLog('silent') })
    before = await asOwner(from.ownerUrl, catalogue)
  }, 120_000)
  afterAll(async () => {
    await terminal.close()
    await simulator.close()
    await Promise.all([from.stop(), to.stop()])
  })

  async function asOwner<T>(connectionString: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
    const client = new pg.Client({ connectionString })
    await client.connect()
    try {
      return await work(client)
    } finally {
      await client.end()
    }
  }
  const nodeOf = ({ webUrl }: OwnCluster) =>
    startNode({ db: { webUrl } as TestDatabase, wechatUrl: simulator.url })

  test('without a superuser: owners, rights and policies are the same, and its users go on', async () => {
    const first = await nodeOf(from)
    const user = await signIn(first, simulator)
    const phone = freshPhone()
    const code = await phoneCode(simulator, phone)
    const bind = bindEntrances['REST POST']!
    const bound = await bind(first, code, user.accessToken)
    await terminal.run(dump!, { DATABASE_OWNER_URL: from.ownerUrl })
    // After the dump: the user has a token that the restored database has never heard of.
    const refresh = { refresh_token: user.refreshToken }
    const later = await post(`${first.url}/auth/v1/token?grant_type=refresh_token`, refresh)
    await first.close()

    await terminal.run(restore!, { DATABASE_OWNER_URL: to.ownerUrl })
    expect(await asOwner(to.ownerUrl, catalogue)).toEqual(before)
    const second = await nodeOf(to)
    const calls = simulator.callCounts.getuserphonenumber
    expect(await bind(second, code, user.accessToken)).toEqual(bound)
    expect(simulator.callCounts.getuserphonenumber).toBe(calls)
    const refreshed = await post(`${second.url}/auth/v1/token?grant_type=refresh_token`, {
      refresh_token: later.body.refresh_token,
    })
    expect([refreshed.status, refreshed.body.user?.phone]).toEqual([200, phone])
    await second.close()
    await migrate({ ownerUrl: to.ownerUrl, log: createLog('silent') })
    expect(others).toEqual([])
  }, 120_000)

  test('by a superuser: pg_restore alone', async () => {
    await terminal.run(dump!, { DATABASE_OWNER_URL: from.ownerUrl })
    await to.superuser.query('create database plain owner owner')
    const url = withDatabase(to.superuserUrl, 'plain')
    await terminal.run('pg_restore --exit-on-error --dbname="$URL" app.dump', { URL: url })
    expect(await asOwner(url, catalogue)).toEqual(before)
  }, 120_000)

  test('events of a database that was set back get numbers that no receiver has seen', async () => {
    await asOwner(to.ownerUrl, async client => {
      const rows = async <Row extends object>(text: string, values?: unknown[]) =>
        (await client.query<Row>(text, values)).rows
      const [old] = await rows<{ id: string }>('select max(id) as id from auth_private.events')
      await client.query(skipIds!)
      const userId = '00000000-0000-4000-8000-000000000000'
      const [id] = await writeAbout({ rows } as TestDatabase, userId, ['phone.bound'])
      expect(Number(id)).toBeGreaterThan(Number(old!.id) + 1_000_000)
    })
  })
})
