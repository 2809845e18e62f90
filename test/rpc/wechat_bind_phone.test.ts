import { bindEntrances, freshPhone, phoneCode, signIn } from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { type Node, startNode, startSimulator, type TestSimulator } from '../support/service.ts'

let db: TestDatabase
let simulator: TestSimulator
let node: Node
let other: Node

beforeAll(async () => {
  db = await createDatabase()
  simulator = await startSimulator()
  node = await startNode({ db, wechatUrl: simulator.url })
  other = await startNode({ db, wechatUrl: simulator.url })
})
afterAll(async () => {
  await node.close()
  await other.close()
  await simulator.close()
  await db.drop()
})

describe.each(Object.entries(bindEntrances))('%s', (_name, bind) => {
  test('binds the phone of the tap', async () => {
    const user = await signIn(node, simulator)
    const phone = freshPhone()
    expect(await bind(node, await phoneCode(simulator, phone), user.accessToken)).toEqual({
      code: undefined,
      status: 200,
      phone: `+86${phone}`,
      userId: user.userId,
    })
    expect(await db.row('select phone, phone_raw from auth.users where id = $1', [user.userId])).toEqual({
      phone: `+86${phone}`,
      phone_raw: { phoneNumber: phone, purePhoneNumber: phone, countryCode: '86' },
    })
  })
})
