import { execFile, spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import type { OsUser } from './types.ts'

/** What PostgreSQL needs of our environment. The rest stays out: PG… would redirect it, secrets are none of its business. */
const PASSED_ON = /^(PATH|TZ|TMPDIR|LD_LIBRARY_PATH|DYLD_.*|SystemRoot)$/

/**
 * Options with which every program of PostgreSQL is started: as `user`, and in a process group of its own, because
 * Ctrl-C in the terminal must not reach it before the service has closed its connections.
 */
export function spawnOptions(user: OsUser | undefined, cwd: string) {
  const inherited = Object.entries(process.env).filter(([name]) => PASSED_ON.test(name))
  return {
    cwd,
    detached: true,
    // LC_ALL: its messages are read before it has read its configuration; and macOS fails where no locale is set.
    env: { ...Object.fromEntries(inherited), LC_ALL: 'C' },
    // spawn takes a signed 32-bit number; macOS's nobody is -2.
    ...(user && { uid: user.uid | 0, gid: user.gid | 0 }),
  }
}

/**
 * Runs a program to its end.
 * @returns its exit code (undefined: it could not be started, or died of a signal) and all that it printed.
 */
export function run(
  file: string,
  args: string[],
  options: { user: OsUser | undefined; cwd: string; input?: string },
): Promise<{ code: number | undefined; output: string }> {
  return new Promise(resolve => {
    const child = spawn(file, args, { ...spawnOptions(options.user, options.cwd), stdio: 'pipe' })
    let output = ''
    const collect = (chunk: Buffer) => {
      output += chunk.toString()
    }
    child.stdout.on('data', collect)
    child.stderr.on('data', collect)
    child.on('error', error => resolve({ code: undefined, output: error.message }))
    child.on('close', code => resolve({ code: code ?? undefined, output }))
    // A program that ends early closes the pipe; its exit code says all there is to say.
    child.stdin.on('error', () => {})
    child.stdin.end(options.input ?? '')
  })
}

/** Whether a process of this id exists, whoever owns it. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** The command line of a process; empty for one that is gone or only waits to be reaped; undefined: cannot be told. */
export async function commandLine(pid: number): Promise<string | undefined> {
  if (!isAlive(pid)) return ''
  if (process.platform === 'linux') {
    const text = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
    return text.replaceAll('\0', ' ')
  }
  try {
    const { stdout } = await promisify(execFile)('ps', ['-ww', '-o', 'command=', '-p', String(pid)])
    return stdout
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? undefined : ''
  }
}
