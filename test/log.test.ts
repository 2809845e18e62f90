import { Writable } from 'node:stream'
import { createLog, maskPhones, serializeError } from '../src/log.ts'
import {
  bindEntrances,
  freshOpenid,
  freshPhone,
  graphql,
  loginCode,
  phoneCode,
  post,
  send,
  signInEntrances,
} from './support/client.ts'
import { createDatabase, type TestDatabase } from './support/database.ts'
import { JWT_SECRET, type Node, startNode, startSimulator, type TestSimulator } from './support/service.ts'

let db: TestDatabase
let simulator: TestSimulator
let node: Node
const lines: string[] = []

beforeAll(async () => {
  db = await createDatabase()
  simulator = await startSimulator()
  const stream = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk))
      done()
    },
  })
  node = await startNode({ db, wechatUrl: simulator.url, log: createLog('trace', stream) })
})
afterAll(async () => {
  await node.close()
  await simulator.close()
  await db.drop()
})

test('no code, token, secret, openid-bound key or phone reaches the log, whatever happens', async () => {
  const secrets: string[] = [
    JWT_SECRET,
    ...Object.values(node.services.config.wechat.apps),
    ...Object.values(node.services.apiKeys),
  ]
  const keep = <T extends string>(secret: T): T => {
    secrets.push(secret)
    return secret
  }
  for (const [entrance, signIn] of Object.entries(signInEntrances)) {
    await signIn(node, keep(await loginCode(simulator, freshOpenid())))
    await signIn(node, keep(`refused-code-of-${entrance.replace(/\W/g, '')}`))
  }
  const { body } = await post(`${node.url}/auth/v1/wechat_mini/login`, {
    code: keep(await loginCode(simulator, freshOpenid())),
  })
  const token = keep(body.access_token)
  keep(body.refresh_token)
  for (const bind of Object.values(bindEntrances)) {
    const phone = keep(freshPhone())
    await bind(node, keep(await phoneCode(simulator, phone)), token)
    for (const fault of [
      { errcode: 40029 },
      { errcode: 40013 },
      { reset: true as const },
      { status: 200, body: '<html>' },
    ]) {
      simulator.failNext('getuserphonenumber', fault)
      await bind(node, keep(await phoneCode(simulator, phone)), token)
    }
    await bind(node, keep(await phoneCode(simulator, phone)), keep('not.a.token-of-ours'))
  }
  await post(`${node.url}/auth/v1/token?grant_type=refresh_token`, { refresh_token: body.refresh_token })
  await post(`${node.url}/auth/v1/token?grant_type=refresh_token`, {
    refresh_token: keep('a-refresh-token-that-is-none'),
  })
  await send(`${node.url}/auth/v1/user`, { token })
  await graphql(node, 'query ($id: ID!) { node(id: $id) { id } }', { id: 7 }, token)
  const row = await db.row<{ access_token: string }>(
    'select access_token from auth_private.wechat_access_tokens',
  )
  keep(row.access_token)

  const log = lines.join('')
  expect(lines.length).toBeGreaterThan(30)
  expect(secrets.filter(secret => log.includes(secret))).toEqual([])
  for (const line of lines) expect(() => JSON.parse(line)).not.toThrow()
  const request = lines
    .map(line => JSON.parse(line))
    .find(({ path }) => path === '/auth/v1/wechat_mini/bind_phone')
  expect(request).toMatchObject({
    req_id: expect.stringMatching(/^[\w-]{36}$/),
    method: 'POST',
    status: 200,
    ms: expect.any(Number),
  })
})

test('what is logged while a request is served carries its id', async () => {
  lines.length = 0
  const { headers } = await post(`${node.url}/auth/v1/wechat_mini/login`, {
    code: 'a-code-that-wechat-refuses',
  })
  const said = lines.map(line => JSON.parse(line)).find(({ msg }) => msg === 'WeChat answered with an error')
  expect(said).toMatchObject({ req_id: headers.get('x-request-id'), errcode: 40029 })
})

test('the request id comes back, and one that is given is kept where it is harmless', async () => {
  const ids = async (given: string) =>
    (await send(`${node.url}/health/live`, { headers: { 'x-request-id': given } })).headers.get(
      'x-request-id',
    )
  expect(await ids('abc-123')).toBe('abc-123')
  expect(await ids('<script>')).toMatch(/^[0-9a-f-]{36}$/)
})

test.each([
  ['+8613800138000', '+86138****8000'],
  ['duplicate key (phone)=(+8613800138000)', 'duplicate key (phone)=(+86138****8000)'],
  ['13800138000', '138****8000'],
  ['port 5432 of 127.0.0.1', 'port 5432 of 127.0.0.1'],
])('%s is masked as %s', (text, masked) => {
  expect(maskPhones(text)).toBe(masked)
})

test("PostgreSQL's detail, which quotes values, stays out of the log", async () => {
  const phone = `+86${freshPhone()}`
  const insert = `insert into auth.users (phone, phone_confirmed_at) values ($1, now())`
  await db.owner.query(insert, [phone])
  const error = await db.owner.query(insert, [phone]).catch((e: Error) => e)
  expect(JSON.stringify(error)).toContain(phone)
  expect(JSON.stringify(serializeError(error))).not.toContain(phone)
  expect(serializeError(error)).toMatchObject({ code: '23505', constraint: 'users_phone_key' })
})
