import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startEmbedded } from '../src/db/embedded.ts'
import { migrate } from '../src/db/migrate.ts'
import { createLog } from '../src/log.ts'

const JWT_SECRET = 'a secret of the benchmark, 32 bytes or more'

/** What is measured: PostgreSQL, WeChat's simulator and the service, each a process of its own. */
export interface Site {
  service: string
  simulator: string
  close(): Promise<void>
}

export interface SignedIn {
  accessToken: string
  openid: string
}

/** Starts a site with a database of its own in a temporary directory. `env`: of the service. */
export async function startSite(env: Record<string, string> = {}): Promise<Site> {
  const dataDir = await mkdtemp(join(tmpdir(), 'postgraphile-wechat-bench-'))
  const ends: (() => Promise<void>)[] = [() => rm(dataDir, { recursive: true, force: true })]
  const close = async () => {
    for (let end = ends.pop(); end; end = ends.pop()) await end()
  }
  try {
    const embedded = await startEmbedded({ dataDir, log: () => {} })
    ends.push(() => embedded.stop())
    await migrate({ ownerUrl: embedded.ownerUrl, log: createLog('silent') })
    const simulator = await launch('simulator', { PORT: '0' }, /answers at (http:\/\/\S+)/, ends)
    const service = await launch(
      'serve',
      {
        PORT: '0',
        DATABASE_URL: embedded.databaseUrl,
        JWT_SECRET,
        SITE_URL: 'http://bench.test',
        WECHAT_API_URL: simulator,
        RATE_LIMITS: 'off',
        ...env,
      },
      /"url":"(http:\/\/[^"]+)"/,
      ends,
    )
    return { service, simulator, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** Starts a command of ours; its URL, once it has said so. */
async function launch(
  command: string,
  env: Record<string, string>,
  url: RegExp,
  ends: (() => Promise<void>)[],
): Promise<string> {
  const child = spawn(process.execPath, ['src/main.ts', command], {
    env: { PATH: process.env.PATH!, LOG_LEVEL: 'info', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  ends.push(() => end(child))
  let output = ''
  return new Promise((resolve, reject) => {
    child.once('exit', code => reject(new Error(`${command} ended with ${code}: ${output}`)))
    child.stdout.on('data', chunk => {
      if (output.length < 100_000) output += chunk
      const found = url.exec(output)?.[1]
      if (found) resolve(found)
    })
  })
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

export async function signIn({ service, simulator }: Site, openid: string): Promise<SignedIn> {
  const { code } = await post<{ code: string }>(`${simulator}/login-codes`, { openid })
  const session = await post<{ access_token?: string }>(`${service}/auth/v1/wechat_mini/login`, { code })
  if (session.access_token === undefined) throw new Error(JSON.stringify(session))
  return { accessToken: session.access_token, openid }
}

export const phoneCode = async ({ simulator }: Site, phone: string) =>
  (await post<{ code: string }>(`${simulator}/phone-codes`, { phone })).code
