import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { startEmbedded } from '../src/db/embedded.ts'
import { migrate } from '../src/db/migrate.ts'
import { createLog } from '../src/log.ts'
import { APPID, DATA_KEY, JWT_SECRET, SITE_URL } from './keys.ts'
import { type Server, startProcess } from './process.ts'

export type { Server }

/** As the image starts it (Dockerfile). */
const HEAP = ['--max-semi-space-size=8', '--heap-growing-percent=60']
/** Of every server that is measured; the service's default. */
const POOL_SIZE = '10'

/** A database with the schema, and what bench/rivals/schema.sql adds. */
export interface SiteDatabase {
  databaseUrl: string
  ownerUrl: string
  /** As the owner; two at once. */
  query<Row extends object>(text: string, values?: unknown[]): Promise<Row[]>
}

/** What is measured: PostgreSQL, a WeChat and servers, each a process of its own. */
export interface Site extends SiteDatabase {
  /** The process id of PostgreSQL. */
  readonly postgres: number
  /** Makes another database of the same PostgreSQL. */
  addDatabase(name: string): Promise<SiteDatabase>
  /** Starts PostgreSQL anew, with these settings and no others. */
  restart(settings: Record<string, string>): Promise<void>
  /** Starts a process that says its URL in its first lines, and ends with the site. */
  launch(args: string[], env: Record<string, string>): Promise<Server>
  /** The same of the worker, which has no URL. */
  startWorker(database: SiteDatabase): Promise<Server>
  /** Starts the service against this WeChat. */
  serve(wechat: string, env?: Record<string, string>): Promise<Server>
  close(): Promise<void>
}

/** Starts a PostgreSQL with a database of its own in a temporary directory. */
export async function startSite(directory = tmpdir()): Promise<Site> {
  const dataDir = await mkdtemp(join(directory, 'postgraphile-wechat-bench-'))
  const ends: (() => Promise<void>)[] = [() => rm(dataDir, { recursive: true, force: true })]
  const close = async () => {
    for (let end = ends.pop(); end; end = ends.pop()) await end()
  }
  try {
    const start = () => startEmbedded({ dataDir, log: () => {} })
    let embedded = await start()
    ends.push(() => embedded.stop())
    const pools: pg.Pool[] = []
    ends.push(async () => void (await Promise.all(pools.map(pool => pool.end()))))
    const { ownerUrl, databaseUrl } = embedded
    const prepare = async (name: string): Promise<SiteDatabase> => {
      const [own, web] = [withDatabase(ownerUrl, name), withDatabase(databaseUrl, name)]
      await migrate({ ownerUrl: own, log: createLog('silent') })
      const options = '-c maintenance_work_mem=1GB'
      const pool = new pg.Pool({ connectionString: own, max: 2, options })
      // A restart ends the ones that are idle.
      pool.on('error', () => {})
      pools.push(pool)
      await pool.query(await readFile(new URL('rivals/schema.sql', import.meta.url), 'utf8'))
      return {
        ownerUrl: own,
        databaseUrl: web,
        query: async (text, values) => (await pool.query(text, values)).rows,
      }
    }
    const first = await prepare(new URL(ownerUrl).pathname.slice(1))
    const launch = async (args: string[], env: Record<string, string>, ready?: RegExp) => {
      const server = await startProcess(args, env, ready)
      ends.push(server.end)
      return server
    }
    return {
      ...first,
      get postgres() {
        return embedded.pid
      },
      async addDatabase(name) {
        await first.query(`create database ${name}`)
        return prepare(name)
      },
      async restart(settings) {
        await embedded.stop()
        const lines = Object.entries(settings).map(([name, value]) => `${name} = '${value}'\n`)
        // What comes last holds; otherwise the file is empty.
        await writeFile(join(dataDir, 'postgres/postgresql.auto.conf'), lines.join(''))
        embedded = await start()
        if (embedded.ownerUrl !== ownerUrl) throw new Error('PostgreSQL had to move to another port')
      },
      launch: (args, env) => launch(args, env),
      startWorker: database =>
        launch(
          ['src/main.ts', 'worker'],
          { DATABASE_OWNER_URL: database.ownerUrl, LOG_LEVEL: 'debug' },
          /looking for jobs/,
        ),
      serve: (wechat, env) =>
        launch([...HEAP, 'src/main.ts', 'serve'], {
          PORT: '0',
          DATABASE_URL: databaseUrl,
          WECHAT_API_URL: wechat,
          WECHAT_APP_ID: APPID,
          WECHAT_APP_SECRET: 'secret',
          JWT_SECRET,
          DATA_KEY,
          SITE_URL,
          RATE_LIMITS: 'off',
          LOG_LEVEL: 'info',
          ...env,
        }),
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** What one of the comparisons is told. */
export const rivalEnv = (databaseUrl: string, wechat: string) => ({
  DATABASE_URL: databaseUrl,
  WECHAT_API_URL: wechat,
  POOL_SIZE,
})

function withDatabase(url: string, name: string): string {
  const other = new URL(url)
  other.pathname = `/${name}`
  return other.href
}

/** Posts JSON; the answer's JSON, whatever its status. */
export async function post<Body>(url: string, body: unknown, token?: string): Promise<Body> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
    body: JSON.stringify(body),
  })
  return (await response.json()) as Body
}
