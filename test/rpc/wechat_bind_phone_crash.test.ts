import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { codeHashes } from '../../src/tokens/code_hash.ts'
import { createFetch, type Fetch } from '../../src/wechat/http.ts'
import { bindEntrances, freshPhone, phoneCode, signIn } from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { startProxy, type Wire } from '../support/proxy.ts'
import { type Node, startNode, startSimulator, type TestSimulator } from '../support/service.ts'

const bind = bindEntrances['REST POST']!

let db: TestDatabase
let simulator: TestSimulator
let node: Node
let proxy: Wire
/** A node whose network to PostgreSQL can fail, at the moment WeChat has answered. */
let shaky: Node
let onPhoneAnswer = () => {}

beforeAll(async () => {
  db = await createDatabase()
  simulator = await startSimulator()
  node = await startNode({ db, wechatUrl: simulator.url })
  proxy = await startProxy(db.webUrl)
  const real = createFetch(2_000)
  const fetch: Fetch = async (url, init) => {
    const response = await real(url, init)
    if (url.includes('getuserphonenumber')) onPhoneAnswer()
    return response
  }
  shaky = await startNode({ db: { ...db, webUrl: proxy.url }, wechatUrl: simulator.url, fetch })
})
afterEach(() => {
  onPhoneAnswer = () => {}
  proxy.mend()
})
afterAll(async () => {
  await shaky.close()
  await proxy.close()
  await node.close()
  await simulator.close()
  await db.drop()
})

const hashOf = (code: string) =>
  codeHashes(node.services.config.dataKeys, node.services.config.wechat.defaultAppid, code)[0]

test('the database goes away when WeChat has answered: the write is repeated until it comes back', async () => {
  const user = await signIn(shaky, simulator)
  const phone = freshPhone()
  onPhoneAnswer = () => {
    proxy.cut()
    setTimeout(() => proxy.mend(), 700)
  }
  const before = simulator.callCounts.getuserphonenumber
  expect(await bind(shaky, await phoneCode(simulator, phone), user.accessToken)).toMatchObject({
    code: undefined,
    phone: `+86${phone}`,
  })
  expect(simulator.callCounts.getuserphonenumber - before).toBe(1)
})

test('a database that is away before WeChat is asked costs no code', async () => {
  const user = await signIn(shaky, simulator)
  const code = await phoneCode(simulator, freshPhone())
  proxy.cut()
  const refused = await bind(shaky, code, user.accessToken)
  expect(refused).toMatchObject({ code: 'database_unavailable', status: 503 })
  expect(Number(refused.retryAfter)).toBeGreaterThan(0)
  proxy.mend()
  expect(await bind(shaky, code, user.accessToken)).toMatchObject({ code: undefined })
})

/** What a node leaves behind that died while it asked WeChat. */
const leaveClaim = (code: string, userId: string, seconds: number) =>
  db.owner.query(
    `insert into auth_private.wechat_codes (code_hash, appid, user_id, claim_id, claimed_until)
     values ($1, $2, $3, $4, clock_timestamp() + make_interval(secs => $5))`,
    [hashOf(code), node.services.config.wechat.defaultAppid, userId, randomUUID(), seconds],
  )

test('a node died before WeChat redeemed the code: after the lease the next sender gets the phone', async () => {
  const user = await signIn(node, simulator)
  const code = await phoneCode(simulator, freshPhone())
  await leaveClaim(code, user.userId, 0.8)
  expect(await bind(node, code, user.accessToken)).toMatchObject({ code: undefined })
})

test('a node died after WeChat redeemed the code: after the lease the next sender is told to tap again', async () => {
  const user = await signIn(node, simulator)
  const code = await phoneCode(simulator, freshPhone())
  await node.services.wechat.phoneNumber(node.services.config.wechat.defaultAppid, code)
  await leaveClaim(code, user.userId, 0.8)
  expect(await bind(node, code, user.accessToken)).toMatchObject({ code: 'wechat_code_invalid', status: 400 })
})

test('a late claimant that holds the phone writes, whatever others were told meanwhile', async () => {
  const user = await signIn(node, simulator)
  const phone = freshPhone()
  const code = await phoneCode(simulator, phone)
  // The first claimant holds the phone, and its network fails for longer than its lease, which another shortens here.
  onPhoneAnswer = () => proxy.cut()
  const late = bind(shaky, code, user.accessToken)
  const before = simulator.callCounts.getuserphonenumber
  while (simulator.callCounts.getuserphonenumber === before) await sleep(10)
  await sleep(50)
  await db.owner.query('update auth_private.wechat_codes set claimed_until = now() where code_hash = $1', [
    hashOf(code),
  ])
  expect(await bind(node, code, user.accessToken)).toMatchObject({ code: 'wechat_code_invalid' })
  onPhoneAnswer = () => {}
  proxy.mend()
  expect(await late).toMatchObject({ code: undefined, phone: `+86${phone}` })
  expect(await bind(node, code, user.accessToken)).toMatchObject({ code: undefined, phone: `+86${phone}` })
})

test.each<[string, string, string, number]>([
  ['banned', `update auth.users set banned_until = 'infinity' where id = $1`, 'user_banned', 403],
  ['signed out everywhere', 'delete from auth.sessions where user_id = $1', 'session_not_found', 403],
])('a user who is %s while WeChat is asked gets no phone', async (_case, change, expected, status) => {
  const user = await signIn(node, simulator)
  const code = await phoneCode(simulator, freshPhone())
  const before = simulator.callCounts.getuserphonenumber
  simulator.failNext('getuserphonenumber', { hang: 300 })
  const binding = bind(node, code, user.accessToken)
  while (simulator.callCounts.getuserphonenumber === before) await sleep(10)
  await db.owner.query(change, [user.userId])
  expect(await binding).toMatchObject({ code: expected, status })
  expect(await db.row('select phone from auth.users where id = $1', [user.userId])).toEqual({ phone: null })

  // The code is spent: from a new session he is told so at once, and WeChat is not asked again.
  await db.owner.query('update auth.users set banned_until = null where id = $1', [user.userId])
  const again = await signIn(node, simulator, user.openid)
  expect(await bind(node, code, again.accessToken)).toMatchObject({
    code: 'wechat_code_invalid',
    status: 400,
  })
  expect(simulator.callCounts.getuserphonenumber - before).toBe(1)
})

test('a code that was claimed under the old DATA_KEY is recognised under the new one', async () => {
  const [before, after] = await Promise.all(
    ['first key', 'second key,first key'].map(DATA_KEY =>
      startNode({ db, wechatUrl: simulator.url, env: { DATA_KEY } }),
    ),
  )
  try {
    const user = await signIn(before!, simulator)
    const code = await phoneCode(simulator, freshPhone())
    const first = await bind(before!, code, user.accessToken)
    const calls = simulator.callCounts.getuserphonenumber
    expect(await bind(after!, code, user.accessToken)).toEqual(first)
    expect(simulator.callCounts.getuserphonenumber).toBe(calls)
  } finally {
    await before!.close()
    await after!.close()
  }
})
