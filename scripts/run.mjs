/**
 * What every npm script of a clone starts with: it installs what is missing, then runs its arguments under the pinned
 * Node 24, which is an npm package here. Runs itself under any Node >= 18.
 *
 *   node scripts/run.mjs <file or option of node> …    node scripts/run.mjs --install
 *
 * Before it: npm. After it: src/main.ts, or a tool. Its exit code is that of what it ran.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync,
  lstatSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { constants } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const modules = join(root, 'node_modules')
const stamp = join(modules, '.installed')
const lock = join(root, '.install.lock')
const windows = process.platform === 'win32'
/** Under npm one Ctrl-C arrives twice: from the terminal and from npm, which passes it on. */
const SAME_SIGNAL_MS = 500
const PARENT_CHECK_MS = 500
/** No installation takes so long. */
const LOCK_LIMIT_MS = 20 * 60_000

function say(text) {
  process.stderr.write(`${text}\n`)
}

function fail(text) {
  say(text)
  process.exit(1)
}

function read(path) {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

// ---- installing

async function install() {
  const wanted = createHash('sha256')
    .update(`${process.platform} ${process.arch}\n`)
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex')
  const done = () => read(stamp) === wanted
  if (done()) return
  const locked = await takeLock()
  try {
    if (done()) return
    if (!isAsLocked()) {
      if (!locked) fail(`dependencies are missing, and ${root} cannot be written to: run npm ci as its owner`)
      rmSync(stamp, { force: true })
      await npmCi()
    }
    if (locked) writeFileSync(stamp, wanted)
  } finally {
    if (locked) rmSync(lock, { force: true })
  }
}

/** Whether npm itself has installed just what package-lock.json says: then there is nothing to do again. */
function isAsLocked() {
  const hidden = read(join(modules, '.package-lock.json'))
  if (!hidden) return false
  const present = JSON.parse(hidden).packages
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))
  return Object.entries(packages).every(([path, { version, optional, devOptional }]) => {
    // Packages for other platforms are listed, but not installed.
    if (path === '' || (!present[path] && (optional || devOptional))) return true
    return present[path]?.version === version
  })
}

async function npmCi() {
  say('installing dependencies (npm ci) …')
  // With the dev dependencies even where NODE_ENV says production: one of them is Node itself.
  const args = ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error']
  const { npm_execpath: npm = '', npm_node_execpath: node = process.execPath } = process.env
  const [command, before] = basename(npm) === 'npm-cli.js' ? [node, [npm]] : ['npm', []]
  // Its output is none of ours: what runs afterwards may be piped. It stays in our process group, so Ctrl-C reaches it.
  const stdio = ['ignore', 2, 2]
  const { code, signal } = await runChild(
    command,
    [...before, ...args],
    { stdio, shell: windows },
    handLockTo,
  )
  if (signal) process.exitCode = exitCode({ code, signal })
  if (code !== 0) throw new Error('npm ci failed')
}

/**
 * Only one may install at a time. The lock is a symbolic link to the holder's process number, because a link is made
 * together with what it says.
 * @returns false where the directory cannot be written to.
 */
async function takeLock() {
  for (let told = false; ; ) {
    try {
      symlinkSync(String(process.pid), lock)
      return true
    } catch (error) {
      if (error.code !== 'EEXIST') return false
    }
    const holder = holderOfLock()
    if (holder && (!isAlive(Number(holder)) || isOutdated())) {
      removeStaleLock(holder)
      continue
    }
    if (!told) say(`waiting for another installation (process ${holder}) …`)
    told = true
    await sleep(100)
  }
}

/** When we are killed npm goes on: the next one waits for it, and finds what it installed. */
function handLockTo(pid) {
  const fresh = `${lock}.${pid}`
  symlinkSync(String(pid), fresh)
  renameSync(fresh, lock)
}

function holderOfLock(path = lock) {
  try {
    return readlinkSync(path)
  } catch {
    return undefined
  }
}

/** Two may find the same stale lock: moving it aside first, only one of them removes it, and nobody a fresh one. */
function removeStaleLock(holder) {
  const aside = `${lock}.${process.pid}`
  try {
    renameSync(lock, aside)
    if (holderOfLock(aside) === holder) unlinkSync(aside)
    else renameSync(aside, lock)
  } catch (error) {
    if (error.code !== 'ENOENT') throw error
  }
}

/** The holder's number may belong to another process by now. */
function isOutdated() {
  const made = lstatSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? Date.now()
  return Date.now() - made > LOCK_LIMIT_MS
}

function isAlive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}

// ---- running

/** The pinned Node; this one where that is not to be had (its package has no binary for every platform). */
function findNode() {
  const pinned = join(modules, 'node', 'bin', windows ? 'node.exe' : 'node')
  if (existsSync(pinned)) return pinned
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major > 22 || (major === 22 && minor >= 18)) return process.execPath
  return fail(
    `Node.js >= 22.18 is needed. This is ${process.version}, and ${pinned} is missing: did the install script of the ` +
      'package "node" not run? Try: npm rebuild node',
  )
}

/**
 * Runs a child to its end, and passes on what asks us to end.
 * @returns its exit code or the signal it died of.
 */
function runChild(command, args, options, onSpawn = () => {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, ...options })
    child.on('spawn', () => onSpawn(child.pid))
    const lastSent = {}
    const pass = signal => {
      const now = performance.now()
      if (now - (lastSent[signal] ?? Number.NEGATIVE_INFINITY) < SAME_SIGNAL_MS) return
      lastSent[signal] = now
      send(child, signal, options.detached)
    }
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP']
    for (const signal of signals) process.on(signal, pass)
    const timer = watchParent(() => pass('SIGTERM'))
    const end = () => {
      clearInterval(timer)
      for (const signal of signals) process.off(signal, pass)
    }
    child.on('error', error => {
      end()
      reject(error)
    })
    child.on('exit', (code, signal) => {
      end()
      resolve({ code, signal })
    })
  })
}

/** As the terminal does it: the whole process group gets it, jest's workers too. */
function send(child, signal, toGroup) {
  try {
    process.kill(toGroup ? -child.pid : child.pid, signal)
  } catch (error) {
    if (error.code !== 'ESRCH') throw error
  }
}

/** Nothing tells a process that its parent was killed. Only under npm: a shell may end before what it started. */
function watchParent(onGone) {
  if (!process.env.npm_lifecycle_event) return undefined
  const line = () => [process.ppid, parentOfShell(process.ppid)].join()
  const before = line()
  const timer = setInterval(() => {
    if (line() === before) return
    clearInterval(timer)
    onGone()
  }, PARENT_CHECK_MS)
  return timer
}

/** npm runs scripts through a shell. Most put the script in their place; one that does not stands between npm and us. */
function parentOfShell(pid) {
  const match = /^\d+ \((?:sh|dash|ash|bash|busybox)\) \S+ (\d+) /.exec(read(`/proc/${pid}/stat`) ?? '')
  return match?.[1]
}

function exitCode({ code, signal }) {
  return signal ? 128 + constants.signals[signal] : code
}

// ---- what happens

try {
  const args = process.argv.slice(2)
  await install()
  /*
   * In a session of its own, so that Ctrl-C in the terminal reaches only us, and the child gets it once. It still reads
   * from and writes to the terminal, and sees that it is one. Through the IPC channel it notices when we are killed.
   */
  const options = { stdio: ['inherit', 'inherit', 'inherit', 'ipc'], detached: !windows }
  if (args[0] !== '--install') process.exitCode = exitCode(await runChild(findNode(), args, options))
} catch (error) {
  say(error.message)
  process.exitCode ||= 1
}
process.exit()
