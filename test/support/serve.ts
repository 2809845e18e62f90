import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { SIMULATOR_APP_ID, SIMULATOR_APP_SECRET } from '../../src/simulator/index.ts'
import { makeApiKey } from '../../src/tokens/jwt.ts'
import type { TestDatabase } from './database.ts'
import { recordOutput } from './leaks.ts'
import { JWT_SECRET, type Node } from './service.ts'

/** `postgraphile-wechat serve` in production, as a process of its own. */
export interface ServeProcess extends Node {
  child: ChildProcess
  keys: { anon: string; service_role: string }
  anonKey: string
  /** Ends it in order; its exit code. */
  stop(): Promise<number | null>
}

export async function launchServe({
  db,
  wechatUrl,
  env,
}: {
  db: TestDatabase
  wechatUrl: string
  env?: Record<string, string>
}): Promise<ServeProcess> {
  const child = spawn(process.execPath, ['src/main.ts', 'serve'], {
    env: {
      PATH: process.env.PATH!,
      NODE_ENV: 'production',
      PORT: '0',
      DATABASE_URL: db.webUrl,
      JWT_SECRET,
      SITE_URL: 'https://auth.example.com',
      WECHAT_APP_ID: SIMULATOR_APP_ID,
      WECHAT_APP_SECRET: SIMULATOR_APP_SECRET,
      WECHAT_API_URL: wechatUrl,
      ...env,
    },
  })
  recordOutput(child)
  let output = ''
  for (const stream of [child.stdout!, child.stderr!]) stream.on('data', chunk => (output += chunk))
  while (!output.includes('the service answers')) {
    if (child.exitCode !== null) throw new Error(output)
    await sleep(20)
  }
  const keys = {
    anon: await makeApiKey(JWT_SECRET, 'anon'),
    service_role: await makeApiKey(JWT_SECRET, 'service_role'),
  }
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return child.exitCode
    const exited = once(child, 'exit')
    child.kill('SIGTERM')
    return (await exited)[0] as number | null
  }
  return {
    url: /"url":"([^"]+)"/.exec(output)![1]!,
    child,
    keys,
    anonKey: keys.anon,
    stop,
    close: async () => void (await stop()),
  } as ServeProcess
}
