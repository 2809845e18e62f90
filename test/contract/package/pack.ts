import { execFile } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

export const root = fileURLToPath(new URL('../../../', import.meta.url))
export const run = promisify(execFile)
/** Of a project that has installed the package. */
export const BIN = 'node_modules/.bin/postgraphile-wechat'

/** Only what a fresh shell has, and the Node of the tests: no variable of the suite's may configure anything. */
export const environment = (more: Record<string, string> = {}) => ({
  PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
  HOME: process.env.HOME!,
  ...more,
})

interface Manifest {
  version: string
  bin: Record<string, string>
  dependencies: Record<string, string>
  optionalDependencies?: Record<string, string>
  devDependencies?: Record<string, string>
  peerDependencies?: Record<string, string>
}
export const manifestOf = (directory: string): Manifest =>
  JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'))

/** What a working copy may have and a clone has not. */
const MADE =
  /^(\.git|node_modules|dist|\.data|\.env|coverage|reports|\.stryker-tmp|\.install\.lock.*|.*\.tgz)$/

/** Packs the repository as a fresh clone would, and answers the directory of what is in the tarball. */
export async function pack(directory: string): Promise<string> {
  const clone = join(directory, 'clone')
  cpSync(root, clone, { recursive: true, filter: path => !MADE.test(basename(path)) })
  symlinkSync(join(root, 'node_modules'), join(clone, 'node_modules'))
  const options = ['pack', '--pack-destination', directory, '--loglevel=error', '--offline']
  await run('npm', options, { cwd: clone, env: environment() })
  const tarball = readdirSync(directory).find(name => name.endsWith('.tgz'))!
  await run('tar', ['-xzf', tarball], { cwd: directory })
  return join(directory, 'package')
}

/** Makes packages of ours be found by what is in `directory`, and none but these. */
export function link(directory: string, names: string[]): void {
  for (const name of names) {
    const place = join(directory, 'node_modules', name)
    if (existsSync(place)) continue
    mkdirSync(dirname(place), { recursive: true })
    symlinkSync(join(root, 'node_modules', name), place)
  }
}

/**
 * Installs the package into a project, without a network: what npm would fetch is linked to what is installed here. Each finds
 * what its own package.json names and nothing else, so one that is missing there is not found.
 */
export function install(packed: string, project: string): void {
  const place = join(project, 'node_modules', 'postgraphile-wechat')
  cpSync(packed, place, { recursive: true })
  const { dependencies, optionalDependencies, peerDependencies, bin } = manifestOf(packed)
  link(place, Object.keys({ ...dependencies, ...optionalDependencies }))
  link(project, Object.keys(peerDependencies!))
  for (const [name, file] of Object.entries(bin)) {
    mkdirSync(join(project, 'node_modules', '.bin'), { recursive: true })
    symlinkSync(join('..', 'postgraphile-wechat', file), join(project, 'node_modules', '.bin', name))
  }
}

/** What a project has installed before it comes to our package. */
export function installOthers(project: string): void {
  const { dependencies, devDependencies } = manifestOf(project)
  const { 'postgraphile-wechat': _ours, ...others } = dependencies
  link(project, Object.keys({ ...others, ...devDependencies }))
}

export const filesBelow = (directory: string): string[] =>
  readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name).slice(directory.length + 1))
    .sort()

/**
 * What the compiler finds wrong in a project and in the declarations of our package. What others' declarations lack is theirs;
 * they are symbolic links out of the project.
 */
export async function typeErrors(cwd: string, options: string[]): Promise<string[]> {
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  const { stdout } = await run(
    process.execPath,
    [tsc, ...options, '--skipLibCheck', 'false', '--pretty', 'false'],
    { cwd, maxBuffer: 10_000_000 },
  ).catch((error: { stdout: string }) => error)
  return stdout.split('\n').filter(line => /^(?!\.\.|\s).*error/.test(line))
}
