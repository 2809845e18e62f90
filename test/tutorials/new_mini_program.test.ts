import { readFile, stat } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { jwtVerify } from 'jose'
import { post } from '../support/client.ts'
import { secret } from '../support/leaks.ts'
import { blocksIn, read } from '../support/markdown.ts'
import { createPlace, type Place } from '../support/place.ts'
import { ended } from '../support/start.ts'
import { openTerminal } from '../support/terminal.ts'
import { createWx } from '../support/wx.ts'

// docs/tutorials/new_mini_program.md in its order, with the SDK in the place of the developer tools.

const wx = createWx()
Object.assign(globalThis, { wx })
const { createClient } = createRequire(import.meta.url)('supabase-wechat-stable-v2')

const page = read('docs/tutorials/new_mini_program.md')
const [clone, anonKey, look, createTable, order, ownApp, dotEnv, ready, ...others] = blocksIn(page, 'sh')
const [signInAndBind, orderByWx] = blocksIn(page, 'js')
const [ordered, isReady] = blocksIn(page, 'json')

let place: Place
beforeEach(async () => {
  place = await createPlace()
})
afterEach(() => place.close())

const json = (text: string) =>
  JSON.parse(text, (_key, value) => (value === '…' ? expect.anything() : value)) as unknown

/** Runs a block of JavaScript as the body of a function that may wait; what it defines goes on to the next. */
async function run(source: string, given: Record<string, unknown>, url: string): Promise<unknown> {
  const AsyncFunction = (async () => {}).constructor as typeof Function
  const text = source.replaceAll('http://127.0.0.1:5678', url)
  const names = [...text.matchAll(/^const (\w+) =/gm)].map(([, name]) => name)
  return new AsyncFunction(...Object.keys(given), `${text}\nreturn { ${names} }`)(...Object.values(given))
}

test('a user signs in, binds a phone, and has an order of his own', async () => {
  expect(clone).toMatch(/^git clone .* && cd postgraphile-wechat\nnpm start\n$/)
  const first = await place.launchUntilReady()
  const inShell = (block: string, url = first.url) =>
    place.inShell(
      block.replaceAll('http://127.0.0.1:5678', url).replaceAll('.data/env', join(place.dataDir, 'env')),
    )
  const [, ANON_KEY] = /^ANON_KEY=(.*)$/m.exec(inShell(anonKey!).output)!
  const given = { createClient, wx, ANON_KEY }
  const made = (await run(signInAndBind!, given, first.url)) as { supabase: unknown }
  expect(inShell(look!).output).toMatch(/^[0-9a-f-]{36} \| \+8613800138000 \|/m)

  expect(inShell(createTable!)).toMatchObject({ status: 0 })
  first.child.kill('SIGINT')
  await ended(first.child)
  const second = await place.launchUntilReady({ PORT: new URL(first.url).port })
  const logged = new Promise<unknown>(resolve => {
    const console = { log: resolve }
    void run(orderByWx!, { ...given, ...made, console, SERVICE: second.url }, second.url)
  })
  expect(await logged).toMatchObject({ data: { createOrder: { order: { item: 'tea' } } } })
  expect(JSON.parse(inShell(order!, second.url).output)).toEqual(json(ordered!))
  const anonymous = await post(`${second.url}/graphql`, { query: '{ allOrders { totalCount } }' })
  expect(anonymous.body.errors[0].extensions.code).toBe('no_authorization')

  expect(others).toEqual([])
  const answer = inShell(ready!.replaceAll('https://auth.example.com', second.url))
  expect(JSON.parse(answer.output)).toEqual(json(isReady!))
}, 120_000)

test('with an appid of its own WeChat is asked, not the simulator', async () => {
  const { WECHAT_APP_ID, WECHAT_APP_SECRET } = parseEnv(ownApp!.replaceAll(' ', '\n')) as Record<
    string,
    string
  >
  expect(ownApp).toMatch(/ npm start\n$/)
  const app = { WECHAT_APP_ID: WECHAT_APP_ID!, WECHAT_APP_SECRET: WECHAT_APP_SECRET! }
  const { url, output } = await place.launchUntilReady({ ...app, WECHAT_API_URL: 'http://127.0.0.1:1' })
  expect(output()).not.toContain('/simulator')
  const { body: code } = await post(`${url}/simulator/login-codes`, { openid: 'o-alice' })
  // WeChat does not answer at this address.
  expect((await post(`${url}/auth/v1/wechat_mini/login`, code)).status).toBe(503)
}, 60_000)

test('the file of secrets has what docker-compose.yml asks for', async () => {
  const terminal = await openTerminal()
  try {
    const block = dotEnv!.replaceAll('npx postgraphile-wechat', 'postgraphile-wechat')
    await terminal.run(block, { APP_ID: 'wx0123456789abcdef', APP_SECRET: 'the-secret-of-the-app' })
    const file = join(terminal.directory, '.env')
    expect((await stat(file)).mode & 0o077).toBe(0)
    const made = parseEnv(await readFile(file, 'utf8')) as Record<string, string>
    for (const name of ['JWT_SECRET', 'DATA_KEY', 'ANON_KEY', 'SERVICE_ROLE_KEY']) secret(made[name]!)
    const asked = [...read('docker-compose.yml').matchAll(/\$\{(\w+):\?/g)].map(([, name]) => name!)
    expect(asked.length).toBeGreaterThan(5)
    expect(asked.filter(name => !made[name])).toEqual([])
    const { payload } = await jwtVerify(made.ANON_KEY!, Buffer.from(made.JWT_SECRET!))
    expect(payload.role).toBe('anon')
  } finally {
    await terminal.close()
  }
})
