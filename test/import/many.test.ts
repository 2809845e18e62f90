import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { jest } from '@jest/globals'
import { SIMULATOR_APP_SECRET } from '../../src/simulator/index.ts'
import { loginCode, phoneCode, post, send } from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { recordOutput } from '../support/leaks.ts'
import { type Node, startNode, startSimulator, type TestSimulator } from '../support/service.ts'
import { APP, createSource, file, idOf, OTHER_APP, removeFiles } from './fixture.ts'
import { differences, expected, fillSource, halfImported, MANY } from './many.ts'

// The command, with a hundred thousand users: looked at, killed, finished, run again.

jest.setTimeout(180_000)

let db: TestDatabase
let made: TestDatabase
beforeAll(async () => {
  ;[db, made] = await Promise.all([createDatabase(), createSource('memfire')])
  await fillSource(made)
}, 120_000)
afterAll(() => Promise.all([db.drop(), made.drop(), removeFiles()]))

interface Started {
  child: ChildProcess
  ended: Promise<{ status: number | null; output: string }>
}

function launch(...options: string[]): Started {
  const child = spawn(process.execPath, ['src/main.ts', 'import', '--from', made.ownerUrl, ...options], {
    env: { PATH: process.env.PATH!, DATABASE_OWNER_URL: db.ownerUrl, WECHAT_APP_ID: 'wx5150000000000000' },
  })
  recordOutput(child)
  let output = ''
  for (const stream of [child.stdout!, child.stderr!]) stream.on('data', chunk => (output += chunk))
  return {
    child,
    ended: once(child, 'close').then(([status]) => ({ status: status as number | null, output })),
  }
}
const run = (...options: string[]) => launch(...options).ended
const OPTIONS = ['--bare-numbers', 'china', '--skip-conflicts']
const countOf = async (table: string) =>
  (await db.row<{ count: number }>(`select count(*)::integer from ${table}`)).count
const fingerprint = () =>
  db.row(
    `select (select md5(string_agg(u::text, '' order by id)) from auth.users u) as users,
       (select md5(string_agg(i::text, '' order by id)) from auth.identities i) as identities,
       (select md5(string_agg(a::text, '' order by id)) from auth.audit_log_entries a) as entries`,
  )

test('is looked at first, and nothing is written', async () => {
  const path = await file('')
  const { status, output } = await run('--bare-numbers', 'china', '--dry-run', '--conflicts', path)
  expect(output).toContain(`${MANY} users in the source:`)
  expect(output).toContain(
    `${expected.imported} could be imported (10000 of them with neither openid nor phone`,
  )
  expect(output).toContain('4000 left out (')
  for (const [reason, number] of Object.entries(expected.leftOut))
    expect(output).toContain(`${reason} ${number}`)
  expect(output).toContain(
    '6000 in conflict (ill_formed 1000, openid_twice 2000, phone_twice 2000, phone_unusable 1000;',
  )
  expect(output).toContain('Identities of other providers are left out: email 10000.')
  expect(status).toBe(1)
  expect((await readFile(path, 'utf8')).split('\n')).toHaveLength(expected.conflicts + 2)
  expect(await countOf('auth.users')).toBe(0)
})

test('is killed in the middle, and then finished', async () => {
  const { child, ended } = launch(...OPTIONS)
  while (child.exitCode === null && (await db.rows('select from auth.users limit 1')).length === 0)
    await sleep(20)
  child.kill('SIGKILL')
  expect((await ended).status).toBe(null)
  const killed = await halfImported(db)
  expect(killed.users).toBeGreaterThan(0)
  expect(killed.users).toBeLessThan(expected.imported)
  expect(killed.others).toBe(0)

  const { status, output } = await run(...OPTIONS)
  expect(status).toBe(1)
  expect(output).toContain('6000 in conflict (')
  expect(await countOf('auth.users')).toBe(expected.imported)
  expect(await countOf('auth_private.events')).toBe(0)
  expect(await halfImported(db)).toEqual({ users: expected.imported, others: 0 })
  expect(await differences(db)).toEqual([])
})

test('is run again: nothing changes; and is all in when the conflicts are gone', async () => {
  const before = await fingerprint()
  await made.rows('delete from auth.users where right(id::text, 2)::integer >= 94')
  const { status, output } = await run(...OPTIONS)
  expect(output).toContain(`${expected.imported} imported before`)
  expect(output).not.toContain('conflict')
  expect(status).toBe(0)
  expect(await fingerprint()).toEqual(before)
  expect(await db.rows('select from auth.users where id = $1', [idOf(90)])).toEqual([])
})

describe('afterwards, through the service,', () => {
  let simulator: TestSimulator
  let node: Node
  beforeAll(async () => {
    simulator = await startSimulator({
      apps: { [APP]: SIMULATOR_APP_SECRET, [OTHER_APP]: 'the other secret' },
    })
    node = await startNode({
      db,
      wechatUrl: simulator.url,
      env: {
        WECHAT_APP_ID: APP,
        WECHAT_APP_SECRET: SIMULATOR_APP_SECRET,
        WECHAT_APPS: `{"${OTHER_APP}":"the other secret"}`,
      },
    })
  })
  afterAll(async () => {
    await node.close()
    await simulator.close()
  })

  const signIn = async (appid: string, openid: string, unionid?: string) =>
    post(
      `${node.url}/auth/v1/wechat_mini/login`,
      { code: await loginCode(simulator, openid, { appid, ...(unionid && { unionid }) }) },
      undefined,
      { 'x-wechat-appid': appid },
    )

  test.each([
    ['by the openid of a column', APP, 'o-101', undefined, 101, '13800000101'],
    ['by the openid of an identity of another app', OTHER_APP, 'o-99960', undefined, 99_960, ''],
    ['with his unionid', APP, 'o-5001', 'u-5001', 5_001, '13800005001'],
    ['for the first time in an app, by his unionid', OTHER_APP, 'o-new', 'u-202', 202, '13800000202'],
    ['for the first time in an app, by the unionid of an identity', APP, 'o-new-too', 'u-260', 260, ''],
  ])('a user signs in %s', async (_, appid, openid, unionid, number, phone) => {
    const before = await countOf('auth.users')
    const { status, body } = await signIn(appid, openid, unionid)
    expect([status, body.user?.id, body.user?.phone]).toEqual([200, idOf(number), phone])
    const refreshed = await post(`${node.url}/auth/v1/token?grant_type=refresh_token`, {
      refresh_token: body.refresh_token,
    })
    expect([refreshed.status, refreshed.body.user?.id]).toEqual([200, idOf(number)])
    const user = await send(`${node.url}/auth/v1/user`, { token: refreshed.body.access_token })
    expect(user.body).toMatchObject({ id: idOf(number), user_metadata: { number } })
    expect(await countOf('auth.users')).toBe(before)
  })

  test('a phone that came along is its owner’s, and a new one may be bound', async () => {
    const bind = async (token: string, phone: string) =>
      post(`${node.url}/auth/v1/wechat_mini/bind_phone`, { code: await phoneCode(simulator, phone) }, token)
    const { body } = await signIn(APP, 'o-303')
    expect((await bind(body.access_token, '13800000304')).body.error_code).toBe('phone_exists')
    expect((await bind(body.access_token, '13812345678')).body.phone).toBe('13812345678')
  })

  test('who was banned is banned, and who was in conflict begins anew', async () => {
    expect((await signIn(APP, 'o-100')).body.error_code).toBe('user_banned')
    const { status, body } = await signIn(APP, 'o-twice-48')
    expect(status).toBe(200)
    expect(body.user.id).not.toContain('00000000-0000-4000-8000-')
  })
})
