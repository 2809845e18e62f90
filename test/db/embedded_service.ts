import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import pg from 'pg'

export const FIXTURE = fileURLToPath(new URL('./embedded_fixture.ts', import.meta.url))

type Message = {
  databaseUrl?: string
  ownerUrl?: string
  pid?: number
  failed?: string
  gone?: string
  message?: string
}

/** A service in a process of its own (see embedded_fixture.ts). */
export type Service = {
  child: ChildProcess
  pid: number
  messages: Message[]
  exited: Promise<[number | null, NodeJS.Signals | null]>
  /** Its URLs once it is up; rejects with its message when it fails. */
  up: Promise<{ databaseUrl: string; ownerUrl: string; pid: number }>
}

const services: Service[] = []
const directories: string[] = []

/** A fresh temporary directory, open to nobody else. */
export async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'embedded-test-'))
  directories.push(directory)
  return directory
}

/** Makes the database that the tests share which do not care how it came about: a first start takes long. */
export async function makeDatabase(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'embedded-test-'))
  const service = startService(directory)
  await service.up
  service.child.kill('SIGTERM')
  await service.exited
  return directory
}

/** Starts a service on a directory; `fixture` is the file it runs. */
export function startService(dataDir: string, fixture = FIXTURE): Service {
  const child = spawn(process.execPath, [fixture, dataDir], { stdio: ['ignore', 'pipe', 'inherit'] })
  const messages: Message[] = []
  const lines = createInterface({ input: child.stdout! })
  const up = new Promise<{ databaseUrl: string; ownerUrl: string; pid: number }>((resolve, reject) => {
    lines.on('line', line => {
      const message = JSON.parse(line) as Message
      messages.push(message)
      const { databaseUrl, ownerUrl, pid, failed } = message
      if (databaseUrl && ownerUrl && pid) resolve({ databaseUrl, ownerUrl, pid })
      if (failed) reject(new Error(failed))
    })
    lines.on('close', () => reject(new Error('ended early')))
  })
  up.catch(() => {})
  const exited = once(child, 'exit') as Service['exited']
  const service = { child, pid: child.pid!, messages, exited, up }
  services.push(service)
  return service
}

/** The process id that PostgreSQL has written down, if any. */
export async function postmasterPid(dataDir: string): Promise<number | undefined> {
  const text = await readFile(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8').catch(() => '')
  return Number(text.split('\n')[0]) || undefined
}

/** Runs one statement on a connection of its own. */
export async function query(url: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url, ssl: false })
  client.on('error', () => {})
  try {
    await client.connect()
    return (await client.query(text)).rows
  } finally {
    await client.end()
  }
}

/** Repeats `work` until it succeeds, for at most `ms` milliseconds. */
export async function eventually<T>(work: () => Promise<T>, ms = 10_000): Promise<T> {
  const giveUpAt = Date.now() + ms
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (Date.now() > giveUpAt) throw error
      await sleep(20)
    }
  }
}

/** Ends, by their ids, the processes that this test started on its directories or on `shared`. */
export async function cleanUp(shared: string): Promise<void> {
  for (const { child, exited } of services.splice(0)) {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
    await exited
  }
  for (const directory of [shared, ...directories]) await endOrphanedServer(directory)
  for (const directory of directories.splice(0)) await remove(directory)
}

export async function remove(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
}

async function endOrphanedServer(dataDir: string): Promise<void> {
  const pid = await postmasterPid(dataDir)
  if (!pid) return
  try {
    process.kill(pid, 'SIGQUIT')
    for (;;) {
      await sleep(20)
      process.kill(pid, 0)
      if ((await postmasterPid(dataDir)) !== pid) return
    }
  } catch {
    // It is gone.
  }
}
