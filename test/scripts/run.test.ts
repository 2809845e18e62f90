import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const script = fileURLToPath(new URL('../../scripts/run.mjs', import.meta.url))
/** What the launcher runs here: it writes down what reaches it, and ends a moment after it was asked to. */
const CHILD = `import { appendFileSync } from 'node:fs'
const log = line => appendFileSync('log', line + '\\n')
log('pid ' + process.pid)
let ending = false
const end = why => {
  log(why)
  if (!ending) setTimeout(() => { log('bye'); process.exit(3) }, 200)
  ending = true
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => end(signal))
process.once('disconnect', () => end('disconnect'))
process.channel.unref()
setTimeout(() => process.exit(9), 20_000)
`

let clone: string
const started: ChildProcess[] = []

/** A clone whose only dependency is a local package "node", so that npm needs no network. */
beforeEach(async () => {
  clone = await mkdtemp(join(tmpdir(), 'run-test-'))
  await cp(script, join(clone, 'scripts', 'run.mjs'))
  await mkdir(join(clone, 'pinned', 'bin'), { recursive: true })
  await symlink(process.execPath, join(clone, 'pinned', 'bin', 'node'))
  await writeFile(join(clone, 'pinned', 'package.json'), '{"name":"node","version":"1.0.0"}')
  const root = { name: 'clone', version: '1.0.0', devDependencies: { node: 'file:pinned' } }
  await writeFile(join(clone, 'package.json'), JSON.stringify(root))
  await writeLock('1.0.0')
  await writeFile(join(clone, 'child.mjs'), CHILD)
})

afterEach(async () => {
  for (const child of started.splice(0)) {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
  }
  await rm(clone, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
})

async function writeLock(version: string): Promise<void> {
  const packages = {
    '': { name: 'clone', version, devDependencies: { node: 'file:pinned' } },
    'node_modules/node': { resolved: 'pinned', link: true },
    pinned: { name: 'node', version: '1.0.0', dev: true },
  }
  const lock = { name: 'clone', version, lockfileVersion: 3, requires: true, packages }
  await writeFile(join(clone, 'package-lock.json'), JSON.stringify(lock))
}

function launch(args: string[], env: Record<string, string> = {}) {
  return start(process.execPath, [join(clone, 'scripts', 'run.mjs'), ...args], env)
}

function start(command: string, args: string[], env: Record<string, string> = {}) {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('npm_'))
  const child = spawn(command, args, {
    env: {
      ...Object.fromEntries(inherited),
      npm_config_cache: join(clone, '.cache'),
      npm_config_offline: 'true',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  started.push(child)
  const output = { out: '', err: '' }
  child.stdout.on('data', chunk => {
    output.out += chunk
  })
  child.stderr.on('data', chunk => {
    output.err += chunk
  })
  const done = once(child, 'close').then(([code, signal]) => ({ code, signal, ...output }))
  return { child, done }
}

async function log(): Promise<string[]> {
  const text = await readFile(join(clone, 'log'), 'utf8').catch(() => '')
  return text.split('\n').filter(Boolean)
}

async function until(line: RegExp): Promise<void> {
  for (const giveUpAt = Date.now() + 10_000; !(await log()).some(text => line.test(text)); await sleep(20)) {
    if (Date.now() > giveUpAt) throw new Error(`no ${line} in ${await log()}`)
  }
}

test('a fresh clone is installed once, and again when package-lock.json asks for something else', async () => {
  const first = await launch(['-p', 'process.execPath + process.argv[1]', 'x']).done
  expect(first).toMatchObject({ code: 0, out: `${process.execPath}x\n` })
  expect(first.err).toContain('npm ci')
  expect((await readdir(join(clone, 'node_modules'))).sort()).toContain('.installed')

  expect(await launch(['--install']).done).toEqual({ code: 0, signal: null, out: '', err: '' })

  // npm itself has installed what the file says.
  await writeLock('1.0.1')
  expect(await launch(['--install']).done).toMatchObject({ code: 0, err: '' })

  await rm(join(clone, 'node_modules', '.installed'))
  await rm(join(clone, 'node_modules', '.package-lock.json'))
  expect((await launch(['--install']).done).err).toContain('npm ci')
})

test('a failed installation is told, and tried again the next time', async () => {
  const good = await readFile(join(clone, 'package-lock.json'))
  await writeFile(join(clone, 'package-lock.json'), '{}')
  expect(await launch(['-p', '1']).done).toMatchObject({ code: 1, out: '' })
  await writeFile(join(clone, 'package-lock.json'), good)
  expect(await launch(['-p', '1']).done).toMatchObject({ code: 0, out: '1\n' })
})

test('of several at once one installs; a lock whose holder is gone is no obstacle', async () => {
  const gone = start(process.execPath, ['-e', '0'])
  await gone.done
  await symlink(String(gone.child.pid), join(clone, '.install.lock'))
  const all = await Promise.all([1, 2, 3].map(n => launch(['-p', String(n)]).done))
  expect(all.map(({ out }) => out)).toEqual(['1\n', '2\n', '3\n'])
  expect(all.filter(({ err }) => err.includes('npm ci'))).toHaveLength(1)
  expect((await readdir(clone)).filter(name => name.includes('lock'))).toEqual(['package-lock.json'])
})

describe('once installed', () => {
  beforeEach(() => launch(['--install']).done)

  test('the exit code is the one of what ran, or tells the signal', async () => {
    expect(await launch(['-e', 'process.exit(7)']).done).toMatchObject({ code: 7 })
    expect(await launch(['-e', 'process.kill(process.pid, "SIGKILL")']).done).toMatchObject({ code: 137 })
  })

  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    '%s reaches the child once, however often it is sent at a time',
    async signal => {
      const { child, done } = launch(['child.mjs'])
      await until(/pid/)
      child.kill(signal)
      await sleep(50)
      child.kill(signal)
      expect(await done).toMatchObject({ code: 3 })
      expect((await log()).slice(1)).toEqual([signal, 'bye'])
    },
  )

  test('Ctrl-C, which hits the whole process group, reaches the child once', async () => {
    const command = `trap '' INT; "$@"`
    const shell = ['-c', command, 'sh', process.execPath, join(clone, 'scripts', 'run.mjs'), 'child.mjs']
    const group = spawn('sh', shell, { detached: true, stdio: 'ignore', env: process.env })
    started.push(group)
    await until(/pid/)
    process.kill(-group.pid!, 'SIGINT')
    await once(group, 'exit')
    expect((await log()).slice(1)).toEqual(['SIGINT', 'bye'])
  })

  test('the child notices that the launcher was killed', async () => {
    const { child } = launch(['child.mjs'])
    await until(/pid/)
    child.kill('SIGKILL')
    await until(/bye/)
    expect((await log()).slice(1)).toEqual(['disconnect', 'bye'])
  })

  test.each([
    ['npm', 'exec "$@"'],
    ['the shell', '"$@"; true'],
  ])('the launcher notices that %s above it was killed', async (_, command) => {
    const npm = join(clone, 'npm.mjs')
    const source = `import { spawn } from 'node:child_process'
      spawn('sh', ['-c', ${JSON.stringify(command)}, 'sh', ...process.argv.slice(2)], { stdio: 'inherit' })`
    await writeFile(npm, source)
    const launcher = [process.execPath, join(clone, 'scripts', 'run.mjs'), 'child.mjs']
    const { child } = start(process.execPath, [npm, ...launcher], { npm_lifecycle_event: 'start' })
    await until(/pid/)
    // It notes who its parents are when it starts the child, a moment before.
    await sleep(100)
    child.kill('SIGKILL')
    await until(/bye/)
    expect((await log()).slice(1)).toEqual(['SIGTERM', 'bye'])
  })

  test('jest runs under it, in workers too', async () => {
    await writeFile(join(clone, 'package.json'), '{"type":"module"}')
    for (const name of ['a', 'b'])
      await writeFile(join(clone, `${name}.test.js`), `test('${name}', () => {})`)
    const jest = join(dirname(dirname(script)), 'node_modules', 'jest', 'bin', 'jest.js')
    const args = [
      '--experimental-vm-modules',
      jest,
      '--rootDir',
      clone,
      '--cacheDirectory',
      join(clone, '.cache'),
    ]
    for (const mode of [['-i'], ['-w', '2']]) {
      const { code, err } = await launch([...args, ...mode]).done
      expect(err).toContain('2 passed, 2 total')
      expect(code).toBe(0)
    }
  })
})
