import { setTimeout as sleep } from 'node:timers/promises'
import { bringUp, type Running } from './bring_up.ts'
import { stopServer } from './server.ts'
import { takeServiceLock } from './service_lock.ts'
import { EmbeddedError, type Site } from './types.ts'

const MAX_DELAY_MS = 5000
/** A server that lived so long did not die of what killed the one before. */
const HEALTHY_MS = 60_000
const MAX_FAILED_STARTS = 10

/**
 * Keeps the server alive under the same URL, and the lock on it, until stopped.
 * @param onGone called once when that has become impossible: another service has the directory, or PostgreSQL does not
 *   start any more.
 */
export function supervise(site: Site, first: Running, onGone: (error: EmbeddedError) => void) {
  const abort = new AbortController()
  const aborted = new Promise<void>(resolve => abort.signal.addEventListener('abort', () => resolve()))
  let current = first

  async function keepRunning(): Promise<void> {
    let quickDeaths = 0
    for (;;) {
      const since = Date.now()
      await Promise.race([current.server.exited, current.lock.lost, aborted])
      if (abort.signal.aborted) return
      quickDeaths = Date.now() - since > HEALTHY_MS ? 0 : quickDeaths + 1
      current = await recover(site, current, quickDeaths, abort.signal)
    }
  }

  const ended = keepRunning().catch(async error => {
    await current.lock.release().catch(() => {})
    if (!abort.signal.aborted) onGone(error)
  })

  async function end(): Promise<void> {
    abort.abort()
    await ended
    // The lock ends with the server, so nobody can take the directory before all is written.
    await stopServer(current.server)
    await current.lock.release().catch(() => {})
  }

  let stopping: Promise<void> | undefined
  return {
    pid: () => current.server.pid,
    stop(): Promise<void> {
      stopping ??= end()
      return stopping
    },
  }
}

/** Gets back what was lost: the lock, or the server with it. */
async function recover(
  site: Site,
  lost: Running,
  quickDeaths: number,
  signal: AbortSignal,
): Promise<Running> {
  const relocked = await retakeLock(site, lost, signal)
  if (relocked) return relocked
  site.log('warn', `PostgreSQL ended (${lost.server.ending}); starting it again`, { pid: lost.server.pid })
  for (let failures = 0; ; failures += 1) {
    await sleep(delayMs(quickDeaths + failures), undefined, { signal })
    try {
      return await bringUp(site, lost.urls, false, signal)
    } catch (error) {
      signal.throwIfAborted()
      const gone = error instanceof EmbeddedError && error.code === 'in_use'
      if (gone || failures >= MAX_FAILED_STARTS) throw error
      site.log('error', (error as Error).message)
    }
  }
}

/** At once the first time, then ever more slowly. */
function delayMs(attempt: number): number {
  return attempt <= 1 ? 0 : Math.min(100 * 2 ** attempt, MAX_DELAY_MS)
}

/** The connection breaks a little before a dying server is seen to end, and may break without that. */
async function retakeLock(site: Site, lost: Running, signal: AbortSignal): Promise<Running | undefined> {
  while (lost.server.ending === undefined) {
    signal.throwIfAborted()
    try {
      return { ...lost, lock: await takeServiceLock(site, lost.urls.ownerUrl) }
    } catch (error) {
      if (error instanceof EmbeddedError) throw error
      await sleep(50)
    }
  }
}
