import { setTimeout as sleep } from 'node:timers/promises'
import { freePort, withPort } from './cluster.ts'
import { findPostmaster, type Postmaster } from './postmaster_file.ts'
import { becomeReady, type Server, spawnServer, stopForeignServer, stopServer } from './server.ts'
import { type ServiceLock, takeServiceLock } from './service_lock.ts'
import { EmbeddedError, type Site, type Urls } from './types.ts'

/** How long remains of an earlier server, or a taken port, may stand in the way. */
const PATIENCE_MS = 20_000

/** A server of our own, and the lock on its directory. */
export type Running = { server: Server; lock: ServiceLock; urls: Urls }

/**
 * Starts PostgreSQL and takes the service lock.
 * @param mayMove whether another port may be chosen when the one of `urls` is taken.
 * @throws EmbeddedError `in_use` when another service has the directory, `failed` when PostgreSQL does not start;
 *   the signal's reason when aborted: nothing runs then.
 */
export async function bringUp(
  site: Site,
  urls: Urls,
  mayMove: boolean,
  signal: AbortSignal,
): Promise<Running> {
  const giveUpAt = Date.now() + PATIENCE_MS
  let current = urls
  for (;;) {
    signal.throwIfAborted()
    const other = await findPostmaster(site)
    if (other) await endOrphan(site, current, other, giveUpAt)
    const server = await spawnServer(site, Number(new URL(current.ownerUrl).port))
    const failure = await becomeReady(server, site, signal)
    if (!failure) {
      const lock = await lockOrStop(site, server, current, giveUpAt)
      if (lock) return { server, lock, urls: current }
      continue
    }
    if (failure.reason === 'other' || Date.now() > giveUpAt) {
      throw new EmbeddedError(
        'failed',
        `PostgreSQL does not start: ${failure.message}; see ${site.dataDir}/postgres.log`,
      )
    }
    if (failure.reason === 'port' && mayMove) current = await onAnotherPort(site, current)
    else await sleep(100)
  }
}

/**
 * A server that is not ours runs on the directory: it belongs to another service, which holds the lock; or its service
 * was killed, then it ends here. Having the lock, rather than seeing that it is free, decides between several that start
 * at once: the last one to take it wins.
 */
async function endOrphan(site: Site, urls: Urls, other: Postmaster, giveUpAt: number): Promise<void> {
  const lock = await takeServiceLock(site, withPort(urls.ownerUrl, other.port)).catch(async error => {
    if (error instanceof EmbeddedError) throw error
    // It lets nobody in any more, perhaps for ever: PostgreSQL 18 can hang when it is ended while it recovers from a crash.
    if (isShuttingDown(error)) return await stopForeignServer(site, other.pid)
    // It is starting or ending: look again, but do not do so for ever.
    if (isRefusal(error.code) || Date.now() > giveUpAt) throw cannotLogIn(site, other, error)
    await sleep(50)
  })
  if (!lock) return
  site.log('info', 'ending the PostgreSQL that a killed service left behind', { pid: other.pid })
  await stopForeignServer(site, other.pid)
  await lock.release().catch(() => {})
}

/** Undefined when another start has just ended our server, taking it for an orphan: then look who has the directory. */
async function lockOrStop(
  site: Site,
  server: Server,
  urls: Urls,
  giveUpAt: number,
): Promise<ServiceLock | undefined> {
  try {
    return await takeServiceLock(site, urls.ownerUrl)
  } catch (error) {
    await stopServer(server)
    if (error instanceof EmbeddedError) throw error
    const { code, message } = error as NodeJS.ErrnoException
    if (isRefusal(code) || Date.now() > giveUpAt) {
      throw new EmbeddedError('failed', `cannot log in to the PostgreSQL in ${site.dataDir}: ${message}`)
    }
  }
}

/** Wrong password, no such database: the server is well, and trying again is useless. */
function isRefusal(code: string | undefined): boolean {
  return code === '28P01' || code === '3D000'
}

function isShuttingDown({ code, message }: NodeJS.ErrnoException): boolean {
  return code === '57P03' && message.includes('shutting down')
}

async function onAnotherPort(site: Site, urls: Urls): Promise<Urls> {
  const port = await freePort()
  site.log('info', 'the port of the embedded database is taken: choosing another', { port })
  return { databaseUrl: withPort(urls.databaseUrl, port), ownerUrl: withPort(urls.ownerUrl, port) }
}

function cannotLogIn(site: Site, other: Postmaster, error: Error): EmbeddedError {
  return new EmbeddedError(
    'failed',
    `a PostgreSQL (pid ${other.pid}) runs on ${site.dataDir}, but cannot be logged in to with DATABASE_OWNER_URL of ` +
      `${site.dataDir}/env (${error.message}); end it with: kill -INT ${other.pid}`,
  )
}
