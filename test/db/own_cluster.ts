import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { startEmbedded } from '../../src/db/embedded.ts'

/** A PostgreSQL of a test's own, for what concerns all databases of one: roles. It has a superuser who can log in. */
export async function startOwnCluster(binDir?: string) {
  const dataDir = await mkdtemp(join(tmpdir(), 'postgraphile-wechat-cluster-'))
  const options = { dataDir, durable: false, log: () => {}, ...(binDir !== undefined && { binDir }) }
  const embedded = await startEmbedded(options)
  // Elsewhere nobody may log in as postgres.
  await writeFile(
    join(dataDir, 'postgres', 'pg_hba.conf'),
    'host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n',
  )
  process.kill(embedded.pid, 'SIGHUP')
  const superuserUrl = withLogin(embedded.ownerUrl, 'postgres')
  const superuser = await connectWhenLetIn(superuserUrl)
  return {
    ownerUrl: embedded.ownerUrl,
    webUrl: embedded.databaseUrl,
    superuserUrl,
    superuser,
    async stop() {
      await superuser.end()
      await embedded.stop()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

export type OwnCluster = Awaited<ReturnType<typeof startOwnCluster>>

/** The URL with another login. */
export function withLogin(url: string, login: string, password = ''): string {
  const other = new URL(url)
  other.username = login
  other.password = password
  return other.href
}

async function connectWhenLetIn(url: string): Promise<pg.Client> {
  for (;;) {
    const client = new pg.Client({ connectionString: url })
    client.on('error', () => {})
    try {
      await client.connect()
      return client
    } catch {
      await sleep(20)
    }
  }
}
