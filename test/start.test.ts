import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { SIMULATOR_APP_ID } from '../src/simulator/index.ts'
import { graphql, post, send } from './support/client.ts'
import { secret } from './support/leaks.ts'
import { blocksIn, read } from './support/markdown.ts'
import { createPlace, type Place } from './support/place.ts'
import type { Node } from './support/service.ts'
import { asOwnerOf, ended, readGenerated } from './support/start.ts'
import { until } from './tasks/harness.ts'
import { startReceiver } from './tasks/receiver.ts'

// `npm start` as a new user has it: everything embedded, nothing configured.

let place: Place
beforeAll(async () => {
  place = await createPlace()
})
afterAll(() => place.close())

/** The commands of the tour, but for `npm start` itself. */
const tourOf = (page: string) => {
  const blocks = blocksIn(read(page), 'sh')
  expect(blocks.length).toBeGreaterThan(6)
  return blocks.filter(block => block !== 'npm start\n').join('echo\n')
}

const readEnv = () => readGenerated(place.dataDir)

test('starts, does what its banner says, tells a second start, ends, and goes on where it was', async () => {
  const first = await place.launchUntilReady()

  // A start in which nothing is wrong warns of nothing.
  expect(first.output()).not.toContain('"level":40')

  // The tours of both languages, and the copy-paste lines of the banner, in a shell, as printed.
  for (const page of ['docs/tutorials/shell.md', 'docs/tutorials/shell.zh-CN.md']) {
    const { output: shown } = place.inShell(
      tourOf(page).replaceAll('127.0.0.1:5678', new URL(first.url).host),
    )
    expect(shown).toMatch(
      /^\{"data":\{"wechatBindPhone":\{"user":\{"id":"[0-9a-f-]{36}","phone":"\+8613800138000"\}\}\}\}/m,
    )
    expect(shown).toMatch(/^\{"id":"[0-9a-f-]{36}",.*"phone":"13800138000"/m)
    expect(shown).toMatch(/^[0-9a-f-]{36} \| \+8613800138000 \|/m)
    expect(shown).toContain('phone_bound    | user')
    expect(shown).toContain('(1 row)')
    expect(shown).toContain('{"code":409,"error_code":"wechat_code_used"')
  }
  const { output: shown } = place.inShell(
    first
      .output()
      .split('\n')
      .filter(line => line.startsWith('    '))
      .join('\n'),
  )
  expect(shown).toMatch(
    /^\{"data":\{"wechatBindPhone":\{"user":\{"id":"[0-9a-f-]{36}","phone":"\+8613800138000"\}\}\}\}/m,
  )
  expect(shown).toMatch(/^[0-9a-f-]{36} \| \+8613800138000 \|/m)

  // What was generated is in DATA_DIR/env, for its owner only, and works.
  expect((await stat(join(place.dataDir, 'env'))).mode & 0o777).toBe(0o600)
  const generated = await readEnv()
  expect(Object.keys(generated).sort()).toEqual(
    ['ANON_KEY', 'DATABASE_OWNER_URL', 'DATABASE_URL', 'JWT_SECRET', 'SERVICE_ROLE_KEY', 'SITE_URL'].sort(),
  )
  expect(generated.SITE_URL).toBe(first.url)
  const asOwner = <T extends object>(text: string) => asOwnerOf<T>(place.dataDir, text)
  const [user] = await asOwner<{ id: string }>(`select id from auth.admin_find_user('+8613800138000')`)
  expect(user!.id).toEqual(expect.any(String))
  expect((await asOwner<{ server_version: string }>('show server_version'))[0]!.server_version).toMatch(
    /^18\./,
  )

  // A subscriber on this machine hears of events, from this very process.
  const receiver = await startReceiver()
  const [webhook] = await asOwner<{ secret: string }>(
    `select secret from auth.admin_add_webhook('${receiver.url}', array['phone.bound'])`,
  )
  secret(webhook!.secret)
  await asOwner(`insert into auth_private.events (type, user_id) values ('phone.bound', '${user!.id}')`)
  await until(() => first.output().includes('an event was delivered'))
  await receiver.close()
  expect(receiver.about(user!.id)).toHaveLength(1)
  const logged = first
    .output()
    .split('\n')
    .filter(line => line.startsWith('{'))
  expect(logged.length).toBeGreaterThan(5)
  expect(logged.join('\n')).not.toContain('13800138000')

  // The web service answers in every way that the banner names.
  expect((await send(`${first.url}/health/ready`)).body).toEqual({
    status: 'ok',
    database: 'ok',
    wechat: { [SIMULATOR_APP_ID]: 'ok' },
  })
  expect((await send(`${first.url}/graphiql`)).body).toContain('<!DOCTYPE html>')
  expect((await send(`${first.url}/`)).body).toContain('/playground/main.js')
  expect(
    (await graphql({ url: first.url } as Node, '{ currentUser { id } }', {}, generated.ANON_KEY)).body,
  ).toEqual({
    data: { currentUser: null },
  })

  const second = place.launch()
  await ended(second.child)
  expect(second.child.exitCode).toBe(1)
  expect(second.output()).toMatch(/already runs on .*DATA_DIR/s)
  expect(second.output()).not.toMatch(/^\s+at /m)

  first.child.kill('SIGINT')
  await ended(first.child)
  expect(first.child.exitCode).toBe(0)
  await expect(asOwner('select 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' })

  // Again: the same keys, the same user, though the simulator has forgotten its tokens.
  const third = await place.launchUntilReady()
  expect(await readEnv()).toMatchObject({ JWT_SECRET: generated.JWT_SECRET, ANON_KEY: generated.ANON_KEY })
  const signIn = async () => {
    const code = await post(`${third.url}/simulator/login-codes`, { openid: 'o-alice' })
    return post(`${third.url}/auth/v1/wechat_mini/login`, code.body)
  }
  const session = await signIn()
  expect(session.body.user).toMatchObject({ id: user!.id, phone: '13800138000' })
  const phone = await post(`${third.url}/simulator/phone-codes`, { phone: '13900139000' })
  const bound = await post(
    `${third.url}/auth/v1/wechat_mini/bind_phone`,
    phone.body,
    session.body.access_token,
  )
  expect(bound.body).toMatchObject({ id: user!.id, phone: '13900139000' })

  // The launcher is killed with -9: the service ends by itself, and the next start is as good as any.
  third.child.kill('SIGKILL')
  await ended(third.child)
  const fourth = await place.launchUntilReady()
  expect(await asOwner(`select id from auth.admin_find_user('+8613900139000')`)).toEqual([{ id: user!.id }])
  fourth.child.kill('SIGTERM')
  await ended(fourth.child)
  expect(fourth.child.exitCode).toBe(0)
}, 120_000)

test('lists every fault of the configuration at once, and ends with 78', async () => {
  const faulty = place.launch({
    NODE_ENV: 'production',
    PORT: 'many',
    JWT_EXPIRY: '5',
    WECHAT_SEND_OPENID: 'perhaps',
  })
  await ended(faulty.child)
  expect(faulty.child.exitCode).toBe(78)
  for (const name of ['PORT', 'JWT_EXPIRY', 'WECHAT_SEND_OPENID'])
    expect(faulty.output()).toContain(`- ${name} `)
})

test('production starts nothing by itself', async () => {
  const bare = place.launch({ NODE_ENV: 'production' })
  await ended(bare.child)
  expect(bare.child.exitCode).toBe(78)
  for (const name of ['DATABASE_URL', 'JWT_SECRET', 'SITE_URL', 'WECHAT_APP_ID']) {
    expect(bare.output()).toContain(`- ${name} is not set`)
  }
})

test('a port that is taken is said so', async () => {
  const holder = await place.launchUntilReady()
  const { port } = new URL(holder.url)
  const other = await mkdtemp(join(tmpdir(), 'postgraphile-wechat-start-'))
  try {
    const refused = place.launch({ DATA_DIR: other, PORT: port })
    await ended(refused.child)
    expect(refused.child.exitCode).toBe(1)
    expect(refused.output()).toContain(`Port ${port} of 127.0.0.1 is taken`)
  } finally {
    holder.child.kill('SIGTERM')
    await ended(holder.child)
    await rm(other, { recursive: true, force: true })
  }
}, 60_000)

test('the simulator runs alone, for any backend', async () => {
  const { child, output } = place.launch({}, ['bin/postgraphile-wechat.js', 'simulator'])
  while (!output().includes('http://') && child.exitCode === null) await sleep(20)
  const url = /at (http:\S+)/.exec(output())![1]!
  const { body } = await post(`${url}/simulator/login-codes`, { openid: 'o-1' })
  const params = /app (wx\w+)/.exec(output())![1]!
  const answer = await send(
    `${url}/sns/jscode2session?appid=${params}&secret=wrong&js_code=${body.code}&grant_type=authorization_code`,
  )
  expect(answer.body).toMatchObject({ errcode: 40125 })
  child.kill('SIGTERM')
  await ended(child)
  expect(child.exitCode).toBe(0)
})
