import { type ChildProcess, spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { recordOutput } from './leaks.ts'

// `npm start` as a process, in a directory of its own.

export interface Started {
  child: ChildProcess
  output: () => string
}

/** Only what a fresh shell has: no variable of the suite's may configure anything. */
export const freshEnv = (more: Record<string, string> = {}) => ({
  PATH: process.env.PATH!,
  HOME: process.env.HOME!,
  ...more,
})

export const ended = (child: ChildProcess) =>
  child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve()
    : new Promise<void>(resolve => child.once('exit', () => resolve()))

export function launchIn(
  dataDir: string,
  more: Record<string, string> = {},
  args = ['scripts/run.mjs', 'src/main.ts', 'start'],
): Started {
  const child = spawn(process.execPath, args, { env: freshEnv({ DATA_DIR: dataDir, PORT: '0', ...more }) })
  recordOutput(child)
  let output = ''
  for (const stream of [child.stdout!, child.stderr!]) stream.on('data', chunk => (output += chunk))
  return { child, output: () => output }
}

/** Waits until its banner is there; where it answers. */
export async function untilReady({ child, output }: Started): Promise<string> {
  while (!output().includes('Health')) {
    if (child.exitCode !== null) throw new Error(output())
    await sleep(20)
  }
  return /GraphQL +(http:\S+)\/graphql/.exec(output())![1]!
}

/** What it has generated. */
export const readGenerated = async (dataDir: string): Promise<Record<string, string>> =>
  Object.fromEntries(
    (await readFile(join(dataDir, 'env'), 'utf8')).split('\n').flatMap(line => {
      const at = line.indexOf('=')
      return at < 0 ? [] : [[line.slice(0, at), line.slice(at + 1)]]
    }),
  )

/** One statement, as the owner of its database. */
export async function asOwnerOf<T extends object>(dataDir: string, text: string, values: unknown[] = []) {
  const { DATABASE_OWNER_URL: connectionString } = await readGenerated(dataDir)
  const client = new pg.Client({ connectionString: connectionString! })
  await client.connect()
  try {
    return (await client.query<T>(text, values)).rows
  } finally {
    await client.end()
  }
}
