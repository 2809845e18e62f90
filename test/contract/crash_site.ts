import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { readEnvFile, startEmbedded } from '../../src/db/embedded.ts'
import { migrate } from '../../src/db/migrate.ts'
import { createLog } from '../../src/log.ts'
import { SIMULATOR_APP_ID, SIMULATOR_APP_SECRET } from '../../src/simulator/index.ts'
import { postmasterPid } from '../db/embedded_service.ts'
import { JWT_SECRET } from '../support/service.ts'
import { type KeptProcess, keepRunning } from './crash_process.ts'
import type { Random } from './crash_random.ts'

/** All that runs, as real processes. */
export interface Site {
  env: Record<string, string>
  services: KeptProcess[]
  workers: KeptProcess[]
  /** Events of which the application's own task was not told, where there is one. */
  untold(): Promise<object[]>
  /** Queries as the owner; they wait while PostgreSQL is away. */
  rows<Row extends object>(text: string): Promise<Row[]>
  /** kill -9 of one process of a kind. */
  crash(kind: string, random: Random): Promise<void>
  /** Ends everything in order; the exit codes. May be called again. */
  stop(): Promise<(number | null)[]>
}

export interface SiteOptions {
  dataDir: string
  wechatUrl: string
  onFault(what: string): void
}

/** Times that a lease is made of: short, so that waiting for one does not take long. */
const common = (wechatUrl: string) => ({
  PORT: '0',
  JWT_SECRET,
  WECHAT_APP_ID: SIMULATOR_APP_ID,
  WECHAT_APP_SECRET: SIMULATOR_APP_SECRET,
  WECHAT_API_URL: wechatUrl,
  SITE_URL: 'https://auth.example.com',
  WECHAT_TIMEOUT_MS: '2000',
  DATABASE_TIMEOUT_MS: '1500',
  RATE_LIMITS: 'off',
})

/** As in production: a PostgreSQL, three nodes of the service, two workers. */
export async function startProduction({ dataDir, wechatUrl, onFault }: SiteOptions): Promise<Site> {
  const cluster = await startEmbedded({ dataDir, log: () => {}, onExit: error => onFault(error.message) })
  await migrate({ ownerUrl: cluster.ownerUrl, log: createLog('silent') })
  const env = {
    ...common(wechatUrl),
    NODE_ENV: 'production',
    DATABASE_URL: cluster.databaseUrl,
  }
  const DELIVERED = join(dataDir, 'delivered')
  const workerEnv = { DATABASE_OWNER_URL: cluster.ownerUrl, DELIVERED }
  const keep = (count: number, args: string[], more: Record<string, string>) =>
    Array.from({ length: count }, () => keepRunning({ args, env: more, onFault }))
  const services = keep(3, ['src/main.ts', 'serve'], env)
  const workers = keep(2, ['test/contract/crash_worker.ts'], workerEnv)
  const database = openOwner(dataDir)
  return {
    env,
    services,
    workers,
    rows: database.rows,
    async untold() {
      // `a+`: before the first delivery there is no file.
      const delivered = new Set((await readFile(DELIVERED, { encoding: 'utf8', flag: 'a+' })).split('\n'))
      const events = await database.rows<EventRow>(EVENTS)
      return events.filter(
        ({ type, user_id, created_at }) => !delivered.has(`${type} ${user_id} ${created_at.toISOString()}`),
      )
    },
    crash: crashes(dataDir, services, workers, database.rows),
    stop: once(async () => {
      const codes = await Promise.all([...services, ...workers].map(process => process.stop()))
      await database.end()
      await cluster.stop()
      return codes
    }),
  }
}

/** As `npm start`: all in one process, which has PostgreSQL under it. */
export async function startAlone({ dataDir, wechatUrl, onFault }: SiteOptions): Promise<Site> {
  const env = { ...common(wechatUrl), DATA_DIR: dataDir }
  const all = [keepRunning({ args: ['src/main.ts', 'start'], env, onFault })]
  const database = openOwner(dataDir)
  return {
    env,
    services: all,
    workers: all,
    rows: database.rows,
    untold: async () => [],
    crash: crashes(dataDir, all, all, database.rows),
    stop: once(async () => {
      const codes = await Promise.all(all.map(process => process.stop()))
      await database.end()
      return codes
    }),
  }
}

function once<T>(work: () => Promise<T>): () => Promise<T> {
  let done: Promise<T> | undefined
  return () => {
    done ??= work()
    return done
  }
}

const EVENTS = 'select type, user_id, created_at from auth_private.events'
interface EventRow {
  type: string
  user_id: string
  created_at: Date
}

/** The owner's connection, through whatever happens to PostgreSQL. */
function openOwner(dataDir: string) {
  let pool: pg.Pool | undefined
  async function open() {
    const { DATABASE_OWNER_URL } = await readEnvFile(dataDir)
    if (!DATABASE_OWNER_URL) throw new Error('the database is not there yet')
    const opened = new pg.Pool({
      connectionString: DATABASE_OWNER_URL,
      max: 1,
      connectionTimeoutMillis: 2_000,
    })
    opened.on('error', () => {})
    return opened
  }
  async function end() {
    const ending = pool
    pool = undefined
    await ending?.end()
  }
  return {
    async rows<Row extends object>(text: string): Promise<Row[]> {
      for (const giveUpAt = Date.now() + 60_000; ; await sleep(50)) {
        try {
          pool ??= await open()
          return (await pool.query<Row>(text)).rows
        } catch (error) {
          if (/^(22|23|42)/.test((error as { code?: string }).code ?? '') || Date.now() > giveUpAt)
            throw error
          await end()
        }
      }
    },
    end,
  }
}

function crashes(dataDir: string, services: KeptProcess[], workers: KeptProcess[], rows: Site['rows']) {
  const kinds: Record<string, (random: Random) => Promise<void>> = {
    service: async random => random.pick(services).kill(),
    worker: async random => random.pick(workers).kill(),
    async PostgreSQL() {
      await rows('select')
      kill(await postmasterPid(dataDir))
    },
    async 'a process of PostgreSQL'(random) {
      const found = await rows<{ pid: number }>(
        'select pid from pg_stat_activity where pid <> pg_backend_pid()',
      )
      // None, right after a start.
      if (found.length > 0) kill(random.pick(found).pid)
    },
  }
  return (kind: string, random: Random) => kinds[kind]!(random)
}

/** It may be gone already, with its postmaster. */
function kill(pid: number | undefined) {
  try {
    if (pid !== undefined) process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
