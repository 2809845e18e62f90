import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isServerOf, readPostmasterFile, serverArguments } from './postmaster_file.ts'
import { spawnOptions } from './processes.ts'
import { EmbeddedError, type Site } from './types.ts'

const LOG_LIMIT_BYTES = 10 * 1024 * 1024
const FAST_SHUTDOWN_MS = 10_000

/** A postmaster that this process started. */
export type Server = {
  pid: number
  /** How it ended, once it has. */
  ending: string | undefined
  /** Resolves when it has ended; never rejects. */
  exited: Promise<void>
  /** Where its messages begin in the log file, in bytes. */
  logStart: number
}

/** Why a server did not come up: its port is taken, another server is still there, or what its log says. */
export type StartFailure = { reason: 'port' | 'busy' | 'other'; message: string }

/** Starts a postmaster. It may still fail: see `becomeReady`. */
export async function spawnServer(site: Site, port: number): Promise<Server> {
  const log = await openLog(site)
  try {
    const args = [...serverArguments(site.pgData), String(port)]
    args.push('-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories=')
    // A statement, and the detail of an error, may hold a phone.
    args.push('-c', 'log_error_verbosity=terse', '-c', 'log_min_error_statement=panic')
    if (!site.durable)
      for (const name of ['fsync', 'full_page_writes', 'synchronous_commit']) args.push('-c', `${name}=off`)
    const child = spawn(site.postgres, args, {
      ...spawnOptions(site.user, site.pgData),
      stdio: ['ignore', log.file.fd, log.file.fd],
    })
    await once(child, 'spawn')
    const server: Server = {
      pid: child.pid!,
      ending: undefined,
      exited: Promise.resolve(),
      logStart: log.size,
    }
    server.exited = once(child, 'exit').then(([code, signal]) => {
      server.ending = signal ? `signal ${signal}` : `exit code ${code}`
    })
    return server
  } finally {
    await log.file.close()
  }
}

/**
 * Waits until the server takes connections, however long its recovery after a crash lasts.
 * @returns undefined when it does, else why it ended. Aborting ends it.
 */
export async function becomeReady(
  server: Server,
  site: Site,
  signal: AbortSignal,
): Promise<StartFailure | undefined> {
  let nextNews = Date.now() + 5000
  while (server.ending === undefined) {
    if (signal.aborted) {
      await stopServer(server)
      signal.throwIfAborted()
    }
    const found = await readPostmasterFile(site)
    if (found?.pid === server.pid && found.ready) return undefined
    if (Date.now() > nextNews) {
      site.log('info', 'PostgreSQL is still starting', { pid: server.pid })
      nextNews += 10_000
    }
    await sleep(10)
  }
  return whyItFailed(server, site)
}

/** Ends a server that this process started: at once, but with its data in order. Safe to call again. */
export async function stopServer(server: Server): Promise<void> {
  if (server.ending !== undefined) return
  sendTo(server.pid, 'SIGINT')
  const timer = setTimeout(sendTo, FAST_SHUTDOWN_MS, server.pid, 'SIGQUIT')
  await server.exited
  clearTimeout(timer)
}

/** Ends a server of this directory that is not our child, and waits until it is gone. */
export async function stopForeignServer(site: Site, pid: number): Promise<void> {
  const quitAt = Date.now() + FAST_SHUTDOWN_MS
  let sent: NodeJS.Signals | undefined
  while (await isServerOf(pid, site.pgData)) {
    const wanted = Date.now() < quitAt ? 'SIGINT' : 'SIGQUIT'
    if (sent !== wanted) sendTo(pid, wanted)
    sent = wanted
    await sleep(10)
  }
}

function sendTo(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return
    throw new EmbeddedError(
      'failed',
      `could not end the PostgreSQL with pid ${pid}: ${(error as Error).message}`,
    )
  }
}

async function openLog(site: Site) {
  const file = await open(join(site.dataDir, 'postgres.log'), 'a+', 0o600)
  let { size } = await file.stat()
  if (size > LOG_LIMIT_BYTES) {
    await file.truncate()
    size = 0
  }
  return { file, size }
}

async function whyItFailed(server: Server, site: Site): Promise<StartFailure> {
  const { file, size } = await openLog(site)
  const length = Math.max(0, size - server.logStart)
  const { buffer } = await file
    .read(Buffer.alloc(length), 0, length, server.logStart)
    .finally(() => file.close())
  const lines = buffer.toString().split('\n')
  // Two servers that start at once write to the same file; messages carry the process number.
  const own = lines.filter(line => line.includes(`[${server.pid}]`))
  const text = (own.length > 0 ? own : lines).join('\n').trim()
  const message = /(?:FATAL|PANIC):.*/.exec(text)?.[0] ?? (text || server.ending!)
  if (/Address already in use/.test(text)) return { reason: 'port', message }
  const busy = /lock file "postmaster.pid" (already exists|is empty)|pre-existing shared memory block/
  // Code 0: another start took it for an orphan and ended it in order.
  const again = busy.test(text) || server.ending === 'exit code 0'
  return { reason: again ? 'busy' : 'other', message }
}
