import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { ids } from '../../src/doctor/catalogue.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { recordOutput } from '../support/leaks.ts'
import { end, launch } from '../support/serve.ts'
import { startSimulator, type TestSimulator } from '../support/service.ts'
import { until } from '../tasks/harness.ts'
import { APP, APP_SECRET, PRODUCTION } from './harness.ts'

// `doctor` as people and programs run it.

let db: TestDatabase
let simulator: TestSimulator
let place: Record<string, string>
beforeAll(async () => {
  db = await createDatabase()
  simulator = await startSimulator({ apps: { [APP]: APP_SECRET } })
  place = { DATABASE_URL: db.webUrl, JWT_SECRET: PRODUCTION.JWT_SECRET, WECHAT_API_URL: simulator.url }
})
afterAll(async () => {
  await simulator.close()
  await db.drop()
})

/** `before`: JavaScript that runs first in the same process. */
async function run(args: string[], env: Record<string, string>, before = '') {
  const first = before ? ['--import', `data:text/javascript,${encodeURIComponent(before)}`] : []
  const child = spawn(process.execPath, [...first, 'src/main.ts', 'doctor', ...args], {
    env: { PATH: process.env.PATH!, ...env },
  })
  recordOutput(child)
  const [out, err]: [string[], string[]] = [[], []]
  child.stdout.setEncoding('utf8').on('data', chunk => out.push(chunk))
  child.stderr.setEncoding('utf8').on('data', chunk => err.push(chunk))
  const [code] = await once(child, 'close')
  return { code: code as number, out: out.join(''), err: err.join('') }
}

test('nothing wrong: 0, and plain text', async () => {
  const { code, out, err } = await run([], { ...place, WECHAT_APP_ID: APP, WECHAT_APP_SECRET: APP_SECRET })
  expect(out).toBe(stripVTControlCharacters(out))
  expect(out).toMatch(/^postgraphile-wechat \d+\.\d+\.\d+, development, Node v/)
  expect(out).toMatch(/^Configuration\n {2}ok {6}environment {4}complete, for the web service$/m)
  expect(out).toMatch(/^0 faults, \d warnings; exit code 0\n$/m)
  expect([code, err]).toEqual([0, ''])
})

test('a fault: 1', async () => {
  const { code, out } = await run([], { ...place, WECHAT_APP_ID: APP, WECHAT_APP_SECRET: 'another' })
  expect(out).toMatch(
    /^ {2}fault {3}access token {3}wx\w+: WeChat refuses it \(errcode 40125, rid [0-9a-f-]+\)$/m,
  )
  expect(out).toMatch(/^ {25}→ The app's secret/m)
  expect(out).toMatch(/^1 fault, \d warnings; exit code 1\n$/m)
  expect(code).toBe(1)
})

test('an environment that does not parse: 78, and one JSON document with everything', async () => {
  const { code, out, err } = await run(['--json'], {
    ...place,
    JWT_EXPIRY: 'an hour',
    NODE_ENV: 'production',
  })
  const report = JSON.parse(out)
  expect([code, err]).toEqual([78, ''])
  expect(report).toMatchObject({
    version: expect.stringMatching(/^\d/),
    node: process.version,
    mode: 'production',
    exit_code: 78,
  })
  expect([...new Set(report.checks.map(({ check }: { check: string }) => check))]).toEqual(ids)
  expect(report.checks[0]).toEqual({
    check: 'environment',
    group: 'configuration',
    verdict: 'fault',
    text: 'JWT_EXPIRY is not a number of seconds',
    help: 'The service does not start until this is mended; the README has a table of all variables.',
  })
  for (const one of report.checks)
    expect(Object.keys(one)).toEqual(
      ['warning', 'fault'].includes(one.verdict)
        ? ['check', 'group', 'verdict', 'text', 'help']
        : ['check', 'group', 'verdict', 'text'],
    )
})

describe('on a terminal', () => {
  const TERMINAL = 'Object.assign(process.stdout, { isTTY: true, columns: 80 })'

  test('there is colour, and no line is longer than the terminal', async () => {
    const { out } = await run([], { ...place, NODE_ENV: 'production', TERM: 'xterm' }, TERMINAL)
    expect(out).toContain('\x1b[31mfault')
    const lines = stripVTControlCharacters(out).split('\n')
    expect(lines.filter(line => line.length > 80)).toEqual([])
    expect(lines.filter(line => /^ {25}\S/.test(line)).length).toBeGreaterThan(5)
  })

  test('NO_COLOR', async () => {
    const { out } = await run([], { ...place, NO_COLOR: '1' }, TERMINAL)
    expect(out).toBe(stripVTControlCharacters(out))
  })
})

test("this machine's clock is a minute fast", async () => {
  const fast = 'const { now } = Date; Date.now = () => now() + 60_000'
  const { out, code } = await run([], place, fast)
  for (const whose of [
    'database clock this machine is 60 s ahead of PostgreSQL',
    'wechat clock   this machine is (60|61) s ahead of the simulator',
  ])
    expect(out).toMatch(new RegExp(`^ {2}fault {3}${whose}`, 'm'))
  expect(out).toContain('Let both follow NTP')
  expect(code).toBe(1)
})

test('a Node that is too old is told so', async () => {
  const old = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.20.2' } })`
  const { out, code } = await run([], place, old)
  expect(out).toMatch(/^ {2}fault {3}node .* is too old\n +→ Install Node 22\.18 or later\.$/m)
  expect(code).toBe(1)
})

describe('the embedded database', () => {
  let dataDir: string
  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'postgraphile-wechat-doctor-'))
  })
  afterAll(() => rm(dataDir, { recursive: true, force: true }))

  test('before, beside, and after npm start', async () => {
    const before = await run([], { DATA_DIR: dataDir })
    expect(before.out).toMatch(
      /^ {2}fault {3}connection {5}there is no embedded database in .* yet\n +→ npm start makes it/m,
    )
    expect(before.code).toBe(1)

    const { child, output } = launch('start', { DATA_DIR: dataDir, PORT: '0' })
    await until(() => output().includes('Health') || child.exitCode !== null)
    // It takes a worker a moment to show that it lives.
    let beside = await run([], { DATA_DIR: dataDir })
    await until(async () => {
      beside = await run([], { DATA_DIR: dataDir })
      return beside.out.includes('1 worker at work')
    })
    expect(beside.out).toMatch(/^0 faults, 0 warnings; exit code 0$/m)
    expect(beside.out).toMatch(/^ {2}ok {6}durability {5}an answer means that it is on the disk$/m)
    expect(beside.out).toMatch(/^ {2}ok {6}reach {10}a simulator answers at 127\.0\.0\.1:\d+$/m)
    expect(beside.code).toBe(0)
    expect(await end(child)).toBe(0)

    const after = await run([], { DATA_DIR: dataDir })
    expect(after.out).toMatch(
      /^ {2}fault {3}connection {5}the embedded database is not running .*\n +→ Start it with npm start/m,
    )
    expect(after.out).toMatch(/^1 fault, 0 warnings; exit code 1$/m)
  }, 120_000)

  test('whose file cannot be read', async () => {
    const other = await mkdtemp(join(tmpdir(), 'postgraphile-wechat-doctor-'))
    await mkdir(join(other, 'env'))
    const { out, code } = await run([], { DATA_DIR: other })
    expect(out).toContain('/env cannot be read (EISDIR): run as the user who runs npm start')
    expect(code).toBe(78)
    await rm(other, { recursive: true })
  })
})

test('--help says with what, and what the exit codes mean', async () => {
  const { out } = await run(['--help'], {})
  for (const text of ['--json', 'docs/doctor.md', 'Exit code 0', '78']) expect(out).toContain(text)
})
