import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { startEmbedded } from '../../src/db/embedded.ts'
import { migrate } from '../../src/db/migrate.ts'
import { createLog } from '../../src/log.ts'
import { cluster } from './cluster.ts'

/** One PostgreSQL for the suite, and in it the migrated template from which every test file copies its database. */
export default async function globalSetup() {
  const dataDir = await mkdtemp(join(tmpdir(), 'postgraphile-wechat-test-'))
  const embedded = await startEmbedded({ dataDir, durable: false, log: () => {} })
  cluster.stop = async () => {
    await embedded.stop()
    await rm(dataDir, { recursive: true, force: true })
  }
  const client = new pg.Client({ connectionString: embedded.ownerUrl })
  await client.connect()
  await client.query('create database template_migrated')
  await client.end()
  const template = new URL(embedded.ownerUrl)
  template.pathname = '/template_migrated'
  await migrate({ ownerUrl: template.href, log: createLog('silent') })
  process.env.TEST_OWNER_URL = embedded.ownerUrl
  process.env.TEST_WEB_URL = embedded.databaseUrl
}
