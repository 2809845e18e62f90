import { access, chmod, constants, mkdir, readdir, readFile, realpath, rm, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { isAlive } from './processes.ts'
import { EmbeddedError, type OsUser } from './types.ts'

/** What this service puts into a data directory. A directory that holds anything else is not ours to open up. */
const OURS = /^(env|postgres|postgres\.log|postgresql-.*|.*\.tmp)$/
const LEFTOVER = /\.(\d+)-[0-9a-f]{8}\.tmp$/

/**
 * Makes the data directory and finds whom PostgreSQL is to run as: it refuses to run as root.
 * @returns its real path, and the user (undefined: ourselves).
 * @throws EmbeddedError `unreachable` when that user could not get there, or the database belongs to another.
 */
export async function prepareDataDir(
  directory: string,
): Promise<{ dataDir: string; user: OsUser | undefined }> {
  const path = resolve(directory)
  const owner = await stat(join(path, 'postgres')).catch(() => undefined)
  if (process.getuid?.() !== 0) {
    if (owner && process.getuid && owner.uid !== process.getuid()) throw foreign(path, owner.uid)
    try {
      await mkdir(path, { recursive: true })
      await access(path, constants.R_OK | constants.W_OK | constants.X_OK)
    } catch (error) {
      throw notOurs(path, error as Error)
    }
    return { dataDir: await realpath(path), user: undefined }
  }
  const user = await databaseUser(owner)
  await refuseBlocked(dirname(path), path, user)
  await makeReachable(path, user)
  return { dataDir: await realpath(path), user }
}

/** Removes what processes that were killed half-way left in the data directory. */
export async function removeLeftovers(dataDir: string): Promise<void> {
  for (const name of await readdir(dataDir)) {
    const pid = LEFTOVER.exec(name)?.[1]
    // A program of the killed process may still write there: then the next start removes the rest.
    if (pid && !isAlive(Number(pid)))
      await rm(join(dataDir, name), { recursive: true, force: true }).catch(() => {})
  }
}

/** An existing database keeps its user (it may have been made without root); else `postgres`, else `nobody`. */
async function databaseUser(owner: { uid: number; gid: number } | undefined): Promise<OsUser> {
  const users = (await readFile('/etc/passwd', 'utf8').catch(() => ''))
    .split('\n')
    .map(line => line.split(':'))
    // Unsigned: macOS writes nobody as -2.
    .map(([name, , uid, gid]) => ({ name: name ?? '', uid: Number(uid) >>> 0, gid: Number(gid) >>> 0 }))
  if (owner && owner.uid !== 0) {
    const { uid, gid } = owner
    return users.find(user => user.uid === uid) ?? { name: `uid ${uid}`, uid, gid }
  }
  const user = users.find(({ name }) => name === 'postgres') ?? users.find(({ name }) => name === 'nobody')
  if (user) return user
  throw new EmbeddedError(
    'unreachable',
    'PostgreSQL does not run as root, and /etc/passwd has neither "postgres" nor "nobody": run as an ordinary user',
  )
}

/** Throws when a directory on the way to `directory` (as far as it exists) lets `user` not pass. */
async function refuseBlocked(directory: string, dataDir: string, user: OsUser): Promise<void> {
  let existing = directory
  while (!(await stat(existing).catch(() => undefined))) existing = dirname(existing)
  const way: string[] = []
  for (let at = await realpath(existing); way.at(-1) !== at; at = dirname(at)) way.push(at)
  for (const at of way.reverse()) if (!mayPass(await stat(at), user)) throw blocked(at, dataDir, user)
}

async function makeReachable(path: string, user: OsUser): Promise<void> {
  const created = await mkdir(path, { recursive: true })
  if (created) {
    // umask may have closed what mkdir made. Pass, but not list: the files inside have modes of their own.
    for (let at = path; at !== dirname(created); at = dirname(at)) await chmod(at, 0o711)
    return
  }
  const found = await stat(path)
  if (mayPass(found, user)) return
  const names = await readdir(path)
  if (!names.every(name => OURS.test(name))) throw blocked(await realpath(path), path, user)
  await chmod(path, (found.mode & 0o7777) | 0o011)
}

function mayPass(directory: { uid: number; gid: number; mode: number }, user: OsUser): boolean {
  if (directory.uid === user.uid) return (directory.mode & 0o100) !== 0
  return (directory.mode & (directory.gid === user.gid ? 0o010 : 0o001)) !== 0
}

function blocked(at: string, dataDir: string, user: OsUser): EmbeddedError {
  return new EmbeddedError(
    'unreachable',
    `PostgreSQL does not run as root but as the user "${user.name}", who cannot get to ${dataDir}: ${at} lets nobody ` +
      'else in. Run as an ordinary user, or set DATA_DIR to a directory which that user can reach, such as ' +
      `/var/lib/postgraphile-wechat or /tmp/${basename(dataDir).replace(/^\./, '') || 'data'}`,
  )
}

function notOurs(dataDir: string, error: Error): EmbeddedError {
  return new EmbeddedError(
    'unreachable',
    `cannot write to ${dataDir} (${error.message}): choose another directory with DATA_DIR=…`,
  )
}

function foreign(dataDir: string, uid: number): EmbeddedError {
  return new EmbeddedError(
    'unreachable',
    `the database in ${dataDir} belongs to another user (uid ${uid}), perhaps because it was made as root: run as that ` +
      'user or as root, or choose another directory with DATA_DIR=…',
  )
}
