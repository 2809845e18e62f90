import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { runMigrations } from 'graphile-worker'
import pg from 'pg'
import { migrate } from '../../src/db/migrate.ts'
import { createLog } from '../../src/log.ts'
import { workerLogger } from '../../src/tasks/worker_log.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { everyRound } from '../support/rounds.ts'
import { servers } from '../support/servers.ts'

// Nodes of the version before, whose statements are prepared already and go on while the schema becomes a newer one.

const log = createLog('silent')
const APP = 'wx1111111111111111'

/** What such nodes send, by the last migration that they know. */
const versions = {
  '0003_narrower_rights.sql': {
    signIn: 'select * from auth_private.wechat_sign_in($1, $2, $3)',
    refresh: 'select * from auth_private.refresh_session($1, $2)',
    getUser: 'select auth_private.get_user($1) as user_json',
    signOut: 'select auth_private.sign_out($1, $2)',
  },
}

const directory = new URL('../../sql/migrations/', import.meta.url)
const files = readdirSync(directory)
  .filter(name => name.endsWith('.sql'))
  .sort()

describe.each(servers)('on $name', server => {
  let db: TestDatabase
  const clients: pg.Client[] = []

  afterEach(async () => {
    await Promise.all(clients.splice(0).map(client => client.end()))
    await db.drop()
  })

  async function databaseOf(last: string) {
    db = await createDatabase({ migrated: false, server })
    await runMigrations({ connectionString: db.ownerUrl, logger: workerLogger(log) })
    for (const [index, name] of files.slice(0, files.indexOf(last) + 1).entries()) {
      const text = readFileSync(new URL(name, directory), 'utf8')
      await db.rows(text)
      await db.row('insert into auth_private.migrations (version, name, sha256) values ($1, $2, $3)', [
        index + 1,
        name,
        createHash('sha256').update(text).digest('hex'),
      ])
    }
  }

  async function connect() {
    const client = new pg.Client({ connectionString: db.webUrl })
    await client.connect()
    clients.push(client)
    return client
  }

  describe.each(Object.entries(versions))('a node of the time of %s', (last, texts) => {
    const send = async (client: pg.Client, name: keyof typeof texts, values: unknown[]) =>
      (await client.query({ name, text: texts[name], values })).rows[0]
    const signIn = (client: pg.Client, openid: string) => send(client, 'signIn', [APP, openid, null])

    test('keeps its prepared statements across the upgrade', async () => {
      await databaseOf(last)
      const client = await connect()
      const round = async () => {
        const { session_id, user_json, ...session } = await signIn(client, 'o-alice')
        const refreshed = await send(client, 'refresh', [session_id, 0])
        const { user_json: user } = await send(client, 'getUser', [session_id])
        await send(client, 'signOut', [session_id, 'local'])
        expect(session).toEqual({ refresh_counter: '0', signed_in_at: expect.any(Date) })
        expect(refreshed).toMatchObject({ state: 'refreshed', refresh_counter: '1' })
        return [user_json.id, refreshed.user_json.id, user.id]
      }
      const before = await round()
      await migrate({ ownerUrl: db.ownerUrl, log })
      expect(await round()).toEqual(before)
      const { rows } = await client.query('select name from pg_prepared_statements order by name')
      expect(rows.map(({ name }) => name)).toEqual(Object.keys(texts).sort())
    })

    test.each(everyRound)('serves without an error while it happens (%d)', async () => {
      await databaseOf(last)
      let isOver = false
      const failures: string[] = []
      const busy = Array.from({ length: 8 }, async (_, index) => {
        const client = await connect()
        const { session_id } = await signIn(client, `o-${index}`)
        for (let count = 0; !isOver; count += 1) {
          const work = [
            () => signIn(client, `o-${index}`),
            () => send(client, 'getUser', [session_id]),
            () => send(client, 'refresh', [session_id, count]),
            () => signIn(client, `o-${index}-${count}`),
          ][index % 4]!
          await work().catch((error: pg.DatabaseError) => {
            failures.push(`${error.code} ${error.message}`)
            isOver = true
          })
        }
      })
      await db.row('select pg_sleep(0.2)')
      await migrate({ ownerUrl: db.ownerUrl, log }).finally(() => {
        isOver = true
      })
      await Promise.all(busy)
      expect(failures).toEqual([])
    })
  })
})
