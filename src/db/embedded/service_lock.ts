import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { clientConfig } from './cluster.ts'
import { isAlive } from './processes.ts'
import { EmbeddedError, type Site } from './types.ts'

/** Key of the advisory lock: an arbitrary fixed pair. */
const KEY = '913047, 1'
const NAME = 'postgraphile-wechat pid '
/** A killed holder's connection is gone within moments. */
const DEAD_HOLDER_MS = 5000

/** The lock on a data directory: held as long as its connection lives. */
export type ServiceLock = {
  /** Resolves when the connection ended, for whatever reason; never rejects. */
  lost: Promise<void>
  release(): Promise<void>
}

/**
 * Takes the lock that makes this process the only service of the directory.
 * @throws EmbeddedError `in_use` when another living process holds it; pg's error when there is no connection.
 */
export async function takeServiceLock(site: Site, ownerUrl: string): Promise<ServiceLock> {
  const client = new pg.Client({
    ...clientConfig(ownerUrl),
    application_name: `${NAME}${process.pid}`,
    keepAlive: true,
  })
  const lost = new Promise<void>(resolve => client.once('end', resolve))
  // The end of the connection follows, and is what counts.
  client.on('error', () => {})
  try {
    await client.connect()
    const giveUpAt = Date.now() + DEAD_HOLDER_MS
    for (;;) {
      const { rows } = await client.query<{ taken: boolean }>(`select pg_try_advisory_lock(${KEY}) as taken`)
      if (rows[0]?.taken) return { lost, release: () => client.end() }
      const holder = await findHolder(client)
      if (holder && (isAlive(holder.pid) || Date.now() > giveUpAt)) throw inUse(site, holder)
      await sleep(20)
    }
  } catch (error) {
    await client.end().catch(() => {})
    throw error
  }
}

async function findHolder(client: pg.Client): Promise<{ pid: number; since: Date } | undefined> {
  const [classid, objid] = KEY.split(', ')
  const { rows } = await client.query<{ application_name: string; backend_start: Date }>(
    `select application_name, backend_start from pg_locks join pg_stat_activity using (pid)
      where locktype = 'advisory' and classid = $1 and objid = $2 and objsubid = 2 and granted
        and pg_locks.database = (select oid from pg_database where datname = current_database())`,
    [classid, objid],
  )
  const [row] = rows
  return row && { pid: Number(row.application_name.replace(NAME, '')), since: row.backend_start }
}

function inUse(site: Site, holder: { pid: number; since: Date }): EmbeddedError {
  return new EmbeddedError(
    'in_use',
    `another postgraphile-wechat already runs on ${site.dataDir} (pid ${holder.pid}, since ` +
      `${holder.since.toISOString()}); stop it, or choose another directory with DATA_DIR=…`,
  )
}
