import { randomUUID } from 'node:crypto'
import { chown, open, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * Reads `<directory>/env`: one NAME=value a line.
 * @returns the values by name; empty when there is no such file.
 */
export async function readEnvFile(directory: string): Promise<Record<string, string>> {
  let text: string
  try {
    text = await readFile(join(directory, 'env'), 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {}
    throw error
  }
  const lines = text.split('\n').filter(line => line.includes('='))
  return Object.fromEntries(lines.map(line => [line.slice(0, line.indexOf('=')), afterEquals(line)]))
}

/**
 * Sets values in `<directory>/env` and keeps the others. Readers see the old file or the new one, never a part; the
 * mode is 0600, the owner whoever owned the file before, else the invoking user.
 * Only one process may do it at a time: the one that holds the service lock.
 * @throws Error when a value holds a line break.
 */
export async function writeEnvFile(directory: string, changes: Record<string, string>): Promise<void> {
  const lines = Object.entries({ ...(await readEnvFile(directory)), ...changes }).map(([name, value]) => {
    if (/[\r\n]/.test(value)) throw new Error(`${name} must be a single line`)
    return `${name}=${value}\n`
  })
  const path = join(directory, 'env')
  const temporary = temporaryName(path)
  const before = await stat(path).catch(() => undefined)
  try {
    const file = await open(temporary, 'wx', 0o600)
    try {
      await file.writeFile(lines.join(''))
      await file.sync()
    } finally {
      await file.close()
    }
    if (before && process.getuid?.() === 0) await chown(temporary, before.uid, before.gid)
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

/** A name beside `path` that says whose it is, so that what a killed process left behind can be told and removed. */
export function temporaryName(path: string): string {
  return `${path}.${process.pid}-${randomUUID().slice(0, 8)}.tmp`
}

function afterEquals(line: string): string {
  return line.slice(line.indexOf('=') + 1).trimEnd()
}
