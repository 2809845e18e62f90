import { bindEntrances, freshOpenid, freshPhone, phoneCode, signIn } from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { type Node, startNode, startSimulator, type TestSimulator } from '../support/service.ts'

// WECHAT_SEND_OPENID: WeChat compares whose code it is with who sends it, so that a stolen code is worth nothing.

const apps = { wx1111111111111111: 'first secret', wx2222222222222222: 'second secret' }
const secondApp = 'wx2222222222222222'
let db: TestDatabase
let simulator: TestSimulator
let node: Node

beforeAll(async () => {
  db = await createDatabase()
  simulator = await startSimulator({ apps })
  node = await startNode({
    db,
    wechatUrl: simulator.url,
    env: {
      WECHAT_APP_ID: 'wx1111111111111111',
      WECHAT_APP_SECRET: 'first secret',
      WECHAT_APPS: JSON.stringify({ [secondApp]: 'second secret' }),
      WECHAT_SEND_OPENID: 'true',
    },
  })
})
afterAll(async () => {
  await node.close()
  await simulator.close()
  await db.drop()
})

const phoneOf = (userId: string) => db.row('select phone from auth.users where id = $1', [userId])

describe.each(Object.entries(bindEntrances))('%s', (_entrance, bind) => {
  test('binds the phone of his own tap', async () => {
    const user = await signIn(node, simulator)
    const phone = freshPhone()
    const code = await phoneCode(simulator, phone, { openid: user.openid })
    expect(await bind(node, code, user.accessToken)).toMatchObject({ code: undefined, phone: `+86${phone}` })
  })

  test("refuses another one's tap, which stays good for its owner", async () => {
    const [owner, thief] = [await signIn(node, simulator), await signIn(node, simulator)]
    const phone = freshPhone()
    const code = await phoneCode(simulator, phone, { openid: owner.openid })
    expect(await bind(node, code, thief.accessToken)).toMatchObject({ code: 'wechat_code_invalid' })
    expect(await phoneOf(thief.userId)).toEqual({ phone: null })
    expect(await bind(node, code, owner.accessToken)).toMatchObject({ code: undefined, phone: `+86${phone}` })
    expect(await bind(node, code, thief.accessToken)).toMatchObject({ code: 'wechat_code_used' })
  })

  test('does not ask WeChat for somebody who has no openid in the app that he names', async () => {
    const thief = await signIn(node, simulator)
    const openid = freshOpenid()
    const code = await phoneCode(simulator, freshPhone(), { openid, appid: secondApp })
    const calls = simulator.callCounts.getuserphonenumber
    const headers = { 'x-wechat-appid': secondApp }
    expect(await bind(node, code, thief.accessToken, headers)).toMatchObject({
      code: 'validation_failed',
      message:
        'This user has never signed in to this app, so WeChat cannot say whose code it is. Sign in to it first.',
    })
    expect(simulator.callCounts.getuserphonenumber).toBe(calls)
    expect(await phoneOf(thief.userId)).toEqual({ phone: null })
  })
})
