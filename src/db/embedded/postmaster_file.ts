import { chown, readFile, rename, stat, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { temporaryName } from './env_file.ts'
import { commandLine, isAlive } from './processes.ts'
import type { Site } from './types.ts'

/** PostgreSQL writes its lock file within moments of making it: one that stays empty belongs to a killed server. */
const EMPTY_FOR_MS = 2000

/** A server of this data directory, as its postmaster.pid tells. `ready`: it takes connections. */
export type Postmaster = { pid: number; port: number; ready: boolean }

/**
 * Finds the server that runs on this data directory, whoever started it.
 * A lock file that would keep PostgreSQL from starting although no server runs is put out of the way.
 * @returns undefined when there is none.
 */
export async function findPostmaster(site: Site): Promise<Postmaster | undefined> {
  const path = lockFile(site)
  for (;;) {
    const text = await readFile(path, 'utf8').catch(() => undefined)
    if (text === undefined) return undefined
    if (text === '') {
      await waitOrRemove(path)
      continue
    }
    const found = parse(text)
    if (found && (await isServerOf(found.pid, site.pgData))) return found
    // PostgreSQL itself sees that a process is gone, but takes any living one, except its parent, for a server.
    if (!found || !isAlive(found.pid) || found.pid === process.pid) return undefined
    if (await disown(site, path, text)) return undefined
  }
}

/** What postmaster.pid says now, true or not. */
export async function readPostmasterFile(site: Site): Promise<Postmaster | undefined> {
  return parse(await readFile(lockFile(site), 'utf8').catch(() => ''))
}

/** Whether this process is a postmaster of this directory; where that cannot be told, whether it lives. */
export async function isServerOf(pid: number, pgData: string): Promise<boolean> {
  const command = await commandLine(pid)
  return command === undefined || command.includes(serverArguments(pgData).join(' '))
}

/** What every postmaster's command line says, with the beginning of what follows, so that no longer path matches. */
export function serverArguments(pgData: string): string[] {
  return ['-D', pgData, '-p']
}

function lockFile(site: Site): string {
  return join(site.pgData, 'postmaster.pid')
}

function parse(text: string): Postmaster | undefined {
  const lines = text.split('\n')
  const pid = Number(lines[0])
  if (!(pid > 0)) return undefined
  return { pid, port: Number(lines[3]), ready: lines[7]?.trim() === 'ready' }
}

/**
 * The process number was given again (after a reboot, in a container), or a zombie holds it. PostgreSQL ignores its own
 * parent's number in the file: with ours there it starts, and still heeds the line about shared memory, which protects
 * the data from backends that outlived their postmaster.
 * @returns false when the file changed meanwhile: then it is to be read again.
 */
async function disown(site: Site, path: string, text: string): Promise<boolean> {
  const aside = temporaryName(path)
  try {
    await rename(path, aside)
    if ((await readFile(aside, 'utf8')) !== text) {
      await rename(aside, path)
      return false
    }
    await writeFile(path, text.replace(/^\d+/, String(process.pid)), { mode: 0o600, flag: 'wx' })
    if (site.user) await chown(path, site.user.uid, site.user.gid)
    await unlink(aside)
    return true
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'EEXIST') return false
    throw error
  }
}

async function waitOrRemove(path: string): Promise<void> {
  const file = await stat(path).catch(() => undefined)
  if (file && Date.now() - file.mtimeMs > EMPTY_FOR_MS) await unlink(path).catch(() => {})
  else await sleep(50)
}
