import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { startEmbedded } from '../src/db/embedded.ts'
import { migrate } from '../src/db/migrate.ts'
import { createLog } from '../src/log.ts'

export const JWT_SECRET = 'a secret of the benchmark, 32 bytes or more'
export const DATA_KEY = Buffer.alloc(32, 'bench').toString('base64')
export const SITE_URL = 'http://bench.test'
export const APPID = 'wx0000000000000000'
/** Of every server that is measured; the service's default. */
const POOL_SIZE = '10'

/** What is measured: PostgreSQL, a WeChat and servers, each a process of its own. */
export interface Site {
  databaseUrl: string
  ownerUrl: string
  /** The process id of PostgreSQL. */
  postgres: number
  /** Starts a process that says its URL in its first lines, and ends with the site. */
  launch(args: string[], env: Record<string, string>): Promise<Server>
  /** Starts the service against this WeChat. */
  serve(wechat: string, env?: Record<string, string>): Promise<Server>
  query<Row extends object>(text: string, values?: unknown[]): Promise<Row[]>
  close(): Promise<void>
}

export interface Server {
  url: string
  pid: number
  end(): Promise<void>
}

/** Starts a PostgreSQL with a database of its own in a temporary directory. */
export async function startSite(directory = tmpdir()): Promise<Site> {
  const dataDir = await mkdtemp(join(directory, 'postgraphile-wechat-bench-'))
  const ends: (() => Promise<void>)[] = [() => rm(dataDir, { recursive: true, force: true })]
  const close = async () => {
    for (let end = ends.pop(); end; end = ends.pop()) await end()
  }
  try {
    const embedded = await startEmbedded({ dataDir, log: () => {} })
    ends.push(() => embedded.stop())
    const { ownerUrl, databaseUrl, pid } = embedded
    await migrate({ ownerUrl, log: createLog('silent') })
    const pool = new pg.Pool({ connectionString: ownerUrl, max: 2 })
    ends.push(() => pool.end())
    await pool.query(await readFile(new URL('rivals/schema.sql', import.meta.url), 'utf8'))
    const launch: Site['launch'] = async (args, env) => {
      const server = await start(args, env)
      ends.push(server.end)
      return server
    }
    return {
      databaseUrl,
      ownerUrl,
      postgres: pid,
      launch,
      serve: (wechat, env) =>
        launch(['src/main.ts', 'serve'], {
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
      query: async (text, values) => (await pool.query(text, values)).rows,
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
  JWT_SECRET,
  DATA_KEY,
  ISSUER: `${SITE_URL}/auth/v1`,
  POOL_SIZE,
})

async function start(args: string[], env: Record<string, string>): Promise<Server> {
  const child = spawn(process.execPath, ['--no-warnings', ...args], {
    cwd: new URL('..', import.meta.url),
    env: { PATH: process.env.PATH!, NODE_ENV: 'production', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  const url = await new Promise<string>((resolve, reject) => {
    child.once('exit', code => reject(new Error(`${args.join(' ')} ended with ${code}: ${output}`)))
    // Read on to the end: a request log that nobody reads would stop the server.
    child.stdout.on('data', chunk => {
      if (output.length < 100_000) output += chunk
      const found = /(?:"url":"|answers at )(http:\/\/[^"\s]+)/.exec(output)?.[1]
      if (found) resolve(found)
    })
  })
  return { url, pid: child.pid!, end: () => end(child) }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  await exited
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
