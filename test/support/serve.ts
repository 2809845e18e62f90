import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { SIMULATOR_APP_ID, SIMULATOR_APP_SECRET } from '../../src/simulator/index.ts'
import { makeApiKey } from '../../src/tokens/jwt.ts'
import type { TestDatabase } from './database.ts'
import { recordOutput } from './leaks.ts'
import { JWT_SECRET, type Node } from './service.ts'

/** Starts a command of ours as a process of its own; `output()`: what it has said. */
export function launch(command: string, env: Record<string, string>) {
  const child = spawn(process.execPath, ['src/main.ts', command], {
    env: { PATH: process.env.PATH!, LOG_LEVEL: 'info', ...env },
  })
  recordOutput(child)
  let output = ''
  for (const stream of [child.stdout!, child.stderr!]) stream.on('data', chunk => (output += chunk))
  return { child, output: () => output }
}

interface Site {
  db: TestDatabase
  wechatUrl: string
}

/** The environment of `serve` in production. */
export const production = ({ db, wechatUrl }: Site) => ({
  NODE_ENV: 'production',
  PORT: '0',
  DATABASE_URL: db.webUrl,
  JWT_SECRET,
  SITE_URL: 'https://auth.example.com',
  WECHAT_APP_ID: SIMULATOR_APP_ID,
  WECHAT_APP_SECRET: SIMULATOR_APP_SECRET,
  WECHAT_API_URL: wechatUrl,
})

/** Sends a signal to a process; the exit code with which it ends. */
export async function end(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM') {
  const exited = once(child, 'exit')
  child.kill(signal)
  return (await exited)[0] as number | null
}

/** `postgraphile-wechat serve` in production, which answers already. */
export async function launchServe(site: Site, env: Record<string, string> = {}) {
  const { child, output } = launch('serve', { ...production(site), ...env })
  while (!output().includes('the service answers')) {
    if (child.exitCode !== null) throw new Error(output())
    await sleep(20)
  }
  return {
    child,
    output,
    node: { url: /"url":"([^"]+)"/.exec(output())![1]! } as Node,
    keys: {
      anon: await makeApiKey(JWT_SECRET, 'anon'),
      service_role: await makeApiKey(JWT_SECRET, 'service_role'),
    },
  }
}
export type ServeProcess = Awaited<ReturnType<typeof launchServe>>
