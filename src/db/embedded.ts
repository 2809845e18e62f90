import { join } from 'node:path'
import { findBinaries } from './embedded/binaries.ts'
import { bringUp, type Running } from './embedded/bring_up.ts'
import { ensureAuthenticator, ensureCluster } from './embedded/cluster.ts'
import { prepareDataDir, removeLeftovers } from './embedded/data_dir.ts'
import { readEnvFile, writeEnvFile } from './embedded/env_file.ts'
import { supervise } from './embedded/supervisor.ts'
import type { EmbeddedError, Log, Site } from './embedded/types.ts'

export { readEnvFile, writeEnvFile } from './embedded/env_file.ts'
export { EmbeddedError, type EmbeddedErrorCode, type Log } from './embedded/types.ts'

export type EmbeddedOptions = {
  /** DATA_DIR: holds the database (`postgres`), its log (`postgres.log`) and what was generated (`env`). */
  dataDir: string
  log: Log
  /** false, for tests: fast, but a crash of the machine may lose the database. Default true. */
  durable?: boolean
  /** Where the programs of an installed PostgreSQL are, 15 or later, for tests. Default: those that came from npm. */
  binDir?: string
  /**
   * Called at most once, when PostgreSQL is gone for good while the service runs: it does not start any more, or another
   * service has taken the directory. The service should end.
   */
  onExit?: (error: EmbeddedError) => void
  /** Aborting it makes a start that still waits for PostgreSQL reject with its reason; later it does nothing. */
  signal?: AbortSignal
}

export type Embedded = {
  /** Login of the web service, the role `authenticator`. Stays the same while this process runs. */
  databaseUrl: string
  /** Login of `migrate` and `worker`: owns the database `app`, is no superuser. */
  ownerUrl: string
  /** Process id of PostgreSQL; another one after it was killed and came back. */
  readonly pid: number
  /** Ends PostgreSQL in order, within about 10 s, and resolves when it is gone. May be called again. */
  stop(): Promise<void>
}

/**
 * Starts a PostgreSQL 18 on 127.0.0.1 with its data in `dataDir`, makes it on the first start, keeps it running, and keeps
 * other services off the directory. Whatever a killed start or a killed service left behind is completed or taken over.
 * @throws EmbeddedError with a message for the person at the terminal.
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  const site = await prepareSite(options)
  const signal = options.signal ?? new AbortController().signal
  const running = await bringUp(site, await ensureCluster(site), true, signal)
  const gone = (error: EmbeddedError) => {
    if (options.onExit) options.onExit(error)
    else site.log('error', error.message)
  }
  const supervisor = supervise(site, running, gone)
  try {
    await publish(site, running)
  } catch (error) {
    await supervisor.stop()
    throw error
  }
  return {
    ...running.urls,
    get pid() {
      return supervisor.pid()
    },
    stop: supervisor.stop,
  }
}

async function prepareSite(options: EmbeddedOptions): Promise<Site> {
  const { dataDir, user } = await prepareDataDir(options.dataDir)
  await removeLeftovers(dataDir)
  return {
    dataDir,
    pgData: join(dataDir, 'postgres'),
    user,
    ...(await findBinaries(dataDir, user, options.binDir)),
    durable: options.durable ?? true,
    log: options.log,
  }
}

/** What needs the lock: the other login, and the file that tells both. */
async function publish(site: Site, { urls }: Running): Promise<void> {
  await ensureAuthenticator(urls)
  const wanted = { DATABASE_URL: urls.databaseUrl, DATABASE_OWNER_URL: urls.ownerUrl }
  const written = await readEnvFile(site.dataDir)
  const stale = Object.entries(wanted).some(([name, value]) => written[name] !== value)
  if (stale) await writeEnvFile(site.dataDir, wanted)
}
