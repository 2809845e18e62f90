import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { startEmbedded } from '../../src/db/embedded.ts'
import { migrate } from '../../src/db/migrate.ts'
import { createLog } from '../../src/log.ts'
import { onTeardown, stopServers, stopServersOnSignals } from './cluster.ts'
import { TEMPLATE, withDatabase } from './database.ts'
import { wantedPrograms } from './installed.ts'
import type { Server } from './servers.ts'

/**
 * PostgreSQL for the suite, and in it the migrated template from which every test file copies its database. Where
 * TEST_OWNER_URL and TEST_WEB_URL name a server that runs already, it is used as it is, and nothing is started.
 */
export default async function globalSetup() {
  const { TEST_OWNER_URL: ownerUrl, TEST_WEB_URL: webUrl } = process.env
  if (!ownerUrl !== !webUrl) throw new Error('TEST_OWNER_URL and TEST_WEB_URL go together')
  const servers = ownerUrl && webUrl ? [await prepare(ownerUrl, webUrl)] : await startServers()
  process.env.TEST_SERVERS = JSON.stringify(servers)
}

async function startServers(): Promise<Server[]> {
  process.env.TEST_POSTGRES_LOGS = ''
  stopServersOnSignals()
  const starts = await Promise.allSettled(wantedPrograms().map(startServer))
  const failed = starts.find(({ status }) => status === 'rejected')
  if (!failed) return starts.map(start => (start as PromiseFulfilledResult<Server>).value)
  // jest runs no tear-down after a set-up that failed.
  await stopServers()
  throw (failed as PromiseRejectedResult).reason
}

async function startServer(binDir: string | undefined): Promise<Server> {
  const dataDir = await mkdtemp(join(tmpdir(), 'postgraphile-wechat-test-'))
  const remove = () => rm(dataDir, { recursive: true, force: true })
  const options = { dataDir, durable: false, log: () => {}, ...(binDir !== undefined && { binDir }) }
  const embedded = await startEmbedded(options).catch(async error => {
    await remove()
    throw error
  })
  process.env.TEST_POSTGRES_LOGS += `${join(dataDir, 'postgres.log')}\n`
  onTeardown(() => embedded.stop().finally(remove))
  return prepare(embedded.ownerUrl, embedded.databaseUrl)
}

/** Makes the template unless it is there. */
async function prepare(ownerUrl: string, webUrl: string): Promise<Server> {
  const client = new pg.Client({ connectionString: ownerUrl })
  await client.connect()
  try {
    const { rows } = await client.query<{ major: number; ready: boolean }>(
      `select current_setting('server_version_num')::integer / 10000 as major,
              exists (select from pg_database where datname = $1) as ready`,
      [TEMPLATE],
    )
    const { major, ready } = rows[0]!
    if (!ready) await createTemplate(client, withDatabase(ownerUrl, TEMPLATE))
    return { name: `PostgreSQL ${major}`, ownerUrl, webUrl }
  } finally {
    await client.end()
  }
}

async function createTemplate(client: pg.Client, ownerUrl: string) {
  await client.query(`create database ${TEMPLATE}`)
  try {
    await migrate({ ownerUrl, log: createLog('silent') })
  } catch (error) {
    // One that is not complete must not serve the next run on this server.
    await client.query(`drop database ${TEMPLATE} with (force)`)
    throw error
  }
}
