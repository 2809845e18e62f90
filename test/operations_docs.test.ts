import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import pg from 'pg'
import { SIMULATOR_APP_ID, SIMULATOR_APP_SECRET } from '../src/simulator/index.ts'
import { type OwnCluster, startOwnCluster, withLogin } from './db/own_cluster.ts'
import { bindEntrances, freshPhone, phoneCode, send, signIn } from './support/client.ts'
import { withDatabase } from './support/database.ts'
import { recordOutput, secret } from './support/leaks.ts'
import { end } from './support/serve.ts'
import { type Node, startSimulator, type TestSimulator } from './support/service.ts'
import { openTerminal, type Terminal } from './support/terminal.ts'
import { startWay } from './support/way.ts'
import { until } from './tasks/harness.ts'
import { startReceiver } from './tasks/receiver.ts'

// docs/operations.md, "Install": its blocks in their order, as they are written, from an empty cluster whose administrator is no
// superuser to a phone and the event that tells of it. Other than on the page are the names of places, and WeChat.

const page = readFileSync(new URL('../docs/operations.md', import.meta.url), 'utf8')
const chapter = (name: string) => page.slice(page.indexOf(`\n## ${name}\n`)).split(/\n## /)[1]!
const blocks = (text: string, language: string) =>
  [...text.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'gms'))].map(([, block]) => block!)

const [makeDatabase, migrate, makeFiles, examine, ready, anonymous, lookAtEvents, ...others] = blocks(
  chapter('Install'),
  'sh',
)
const units = blocks(chapter('Install'), 'ini')
const [newLogin, endOldLogin] = blocks(chapter('Keys and secrets'), 'sql')

let cluster: OwnCluster
let simulator: TestSimulator
let terminal: Terminal
let adminUrl: string
const children: ChildProcess[] = []

beforeAll(async () => {
  cluster = await startOwnCluster()
  simulator = await startSimulator()
  terminal = await openTerminal()
  // As before anybody has heard of the service.
  await cluster.superuser.query(
    `drop role authenticator; create role admin login createrole createdb password 'x'`,
  )
  adminUrl = withDatabase(withLogin(cluster.webUrl, 'admin', 'x'), 'postgres')
}, 120_000)
afterAll(async () => {
  for (const child of children) if (child.exitCode === null) child.kill('SIGKILL')
  await terminal.close()
  await simulator.close()
  await cluster.stop()
})

/** The block with this machine's places in it; the cluster has a database `app` already. */
function here(block: string, siteUrl = 'https://auth.example.com'): string {
  const { host } = new URL(cluster.webUrl)
  return block
    .replaceAll('db.example.com:5432/app', `${host}/shop`)
    .replace('create database app', 'create database shop')
    .replaceAll('/etc/postgraphile-wechat', terminal.directory)
    .replaceAll('https://auth.example.com', siteUrl)
}

const variables = async (file: string) =>
  parseEnv(await readFile(join(terminal.directory, file), 'utf8')) as Record<string, string>

/** What a unit says, as systemd starts it. */
async function start(unit: string, more: Record<string, string>) {
  const [, program, words] = /^ExecStart=(\S+\/postgraphile-wechat) (.*)$/m.exec(unit)!
  expect(program).toMatch(/^\/opt\/postgraphile-wechat\/node_modules\/\.bin\//)
  const file = /^EnvironmentFile=\/etc\/postgraphile-wechat\/(\S+)$/m.exec(unit)![1]!
  const child = spawn(process.execPath, ['src/main.ts', ...words!.split(' ')], {
    env: { ...(await variables(file)), ...more },
  })
  children.push(child)
  recordOutput(child)
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (output += chunk))
  const says = (text: string) =>
    until(() => {
      if (child.exitCode !== null) throw new Error(output)
      return output.includes(text)
    })
  return { child, says, output: () => output }
}

async function startWeb(more: Record<string, string> = {}) {
  const { child, says, output } = await start(units[0]!, {
    PORT: '0',
    WECHAT_API_URL: simulator.url,
    ...more,
  })
  await says('the service answers')
  return { child, node: { url: /"url":"([^"]+)"/.exec(output())![1]! } as Node }
}

test('installed as the page says: a phone is bound, and a subscriber hears of it', async () => {
  await terminal.run(here(makeDatabase!), { ADMIN_URL: adminUrl })
  await terminal.run(here(migrate!))
  await terminal.run(here(makeFiles!), { APP_ID: SIMULATOR_APP_ID, APP_SECRET: SIMULATOR_APP_SECRET })
  const [owner, web, worker] = await Promise.all(['owner.env', 'web.env', 'worker.env'].map(variables))
  for (const key of ['JWT_SECRET', 'DATA_KEY', 'ANON_KEY', 'SERVICE_ROLE_KEY']) secret(web![key]!)
  expect(Object.keys(web!)).not.toContain('DATABASE_OWNER_URL')
  expect(Object.keys(worker!).sort()).toEqual([
    'DATABASE_OWNER_URL',
    'NODE_ENV',
    'WECHAT_APP_ID',
    'WECHAT_APP_SECRET',
  ])
  for (const file of ['owner.env', 'web.env', 'worker.env'])
    expect((await stat(join(terminal.directory, file))).mode & 0o077).toBe(0)

  const { child: webProcess, node } = await startWeb()
  const workerProcess = await start(units[1]!, {
    WECHAT_API_URL: simulator.url,
    WEBHOOK_ALLOW_PRIVATE: 'true',
  })
  // Known for what it is, a simulator is a fault in production.
  const incognito = await startWay(simulator.url, chunk =>
    Buffer.from(chunk.toString('latin1').replace('"WeChat simulator of', '"Some other program '), 'latin1'),
  )
  const examined = await terminal.run(here(examine!), { WECHAT_API_URL: incognito.url })
  expect(examined.match(/^0 faults, \d warnings?; exit code 0$/gm)).toHaveLength(2)
  expect(
    examined.match(/^ {2}ok {6}access token {3}wx\w+: WeChat takes its secret and this address/gm),
  ).toHaveLength(2)
  await incognito.close()
  expect(JSON.parse(await terminal.run(here(ready!, node.url)))).toEqual({
    status: 'ok',
    database: 'ok',
    wechat: { [SIMULATOR_APP_ID]: 'ok' },
  })
  expect(JSON.parse(await terminal.run(here(anonymous!, node.url)))).toEqual({ data: { currentUser: null } })

  const db = new pg.Client({ connectionString: owner!.DATABASE_OWNER_URL })
  await db.connect()
  const receiver = await startReceiver()
  const webhook = await db.query<{ secret: string }>(
    `select secret from auth.admin_add_webhook($1, null, null)`,
    [receiver.url],
  )
  secret(webhook.rows[0]!.secret)
  const user = await signIn(node, simulator)
  const phone = freshPhone()
  expect(
    await bindEntrances['REST POST']!(node, await phoneCode(simulator, phone), user.accessToken),
  ).toMatchObject({
    code: undefined,
    phone: `+86${phone}`,
  })
  await until(() => receiver.about(user.userId).some(({ event }) => event.type === 'phone.bound'))
  expect(await terminal.run(here(lookAtEvents!))).toMatch(/^phone\.bound +\| .*\d +\| .*\d *$/m)
  expect(others).toEqual([])

  // "Keys and secrets", the web service's password: nobody notices.
  await db.query(newLogin!)
  const url = withLogin(web!.DATABASE_URL!, 'web_2', 'of letters and digits')
  const second = await startWeb({ DATABASE_URL: url })
  await db.query(endOldLogin!)
  expect((await send(`${second.node.url}/auth/v1/user`, { token: user.accessToken })).body.phone).toBe(phone)
  await expect(new pg.Client({ connectionString: web!.DATABASE_URL }).connect()).rejects.toThrow()
  await db.end()
  await receiver.close()
  for (const { child } of [{ child: webProcess }, second, workerProcess]) expect(await end(child)).toBe(0)
}, 180_000)
