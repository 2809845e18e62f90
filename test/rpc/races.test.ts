import {
  bindEntrances,
  freshOpenid,
  freshPhone,
  loginCode,
  type Outcome,
  phoneCode,
  signIn,
  signInEntrances,
} from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { everyRound } from '../support/rounds.ts'
import { type Node, startNode, startSimulator, type TestSimulator } from '../support/service.ts'

let db: TestDatabase
let simulator: TestSimulator
let nodes: Node[]

beforeAll(async () => {
  db = await createDatabase()
  simulator = await startSimulator()
  nodes = await Promise.all([1, 2, 3].map(() => startNode({ db, wechatUrl: simulator.url })))
})
afterAll(async () => {
  await Promise.all(nodes.map(node => node.close()))
  await simulator.close()
  await db.drop()
})

const binds = Object.values(bindEntrances)
const signIns = Object.values(signInEntrances)
/** `n` calls at once, spread over nodes and entrances. */
const atOnce = <T>(n: number, call: (node: Node, index: number) => Promise<T>) =>
  Promise.all(Array.from({ length: n }, (_, index) => call(nodes[index % nodes.length]!, index)))
const answers = (outcomes: Outcome[]) =>
  new Set(outcomes.map(({ code, phone, userId }) => JSON.stringify([code, phone, userId])))

describe.each(everyRound)('round %i', () => {
  test('20 first sign-ins of one openid make one user', async () => {
    const openid = freshOpenid()
    const codes = await Promise.all(Array.from({ length: 20 }, () => loginCode(simulator, openid)))
    const outcomes = await atOnce(20, (node, index) => signIns[index % 3]!(node, codes[index]))
    expect(outcomes.map(({ code }) => code)).toEqual(Array(20).fill(undefined))
    expect(new Set(outcomes.map(({ userId }) => userId)).size).toBe(1)
    expect(await db.rows('select from auth.users where wechat_id = $1', [openid])).toHaveLength(1)
    expect(await db.rows('select from auth.sessions where user_id = $1', [outcomes[0]!.userId])).toHaveLength(
      20,
    )
    expect(
      await db.rows(`select from auth_private.events where user_id = $1 and type = 'user.created'`, [
        outcomes[0]!.userId,
      ]),
    ).toHaveLength(1)
  })

  test('20 first sign-ins of one openid, some with its unionid, make one user who has it', async () => {
    const openid = freshOpenid()
    const unionid = `u-${openid}`
    const codes = await Promise.all(
      Array.from({ length: 20 }, (_, index) => loginCode(simulator, openid, index % 2 ? { unionid } : {})),
    )
    const outcomes = await atOnce(20, (node, index) => signIns[index % 3]!(node, codes[index]))
    expect(outcomes.map(({ code }) => code)).toEqual(Array(20).fill(undefined))
    expect(await db.rows('select wechat_unionid from auth.users where wechat_id = $1', [openid])).toEqual([
      { wechat_unionid: unionid },
    ])
  })

  test('50 users for one phone: one owner, 49 times phone_exists', async () => {
    const phone = freshPhone()
    const users = await Promise.all(
      nodes.flatMap(node => Array.from({ length: 17 }, () => signIn(node, simulator))),
    )
    const fifty = users.slice(0, 50)
    const codes = await Promise.all(fifty.map(() => phoneCode(simulator, phone)))
    const outcomes = await atOnce(50, (node, index) =>
      binds[index % 3]!(node, codes[index], fifty[index]!.accessToken),
    )
    const codesSeen = outcomes.map(({ code }) => code ?? 'bound').sort()
    expect(codesSeen).toEqual(['bound', ...Array(49).fill('phone_exists')])
    expect(await db.rows('select from auth.users where phone = $1', [`+86${phone}`])).toHaveLength(1)
  })

  test('one code sent 20 times at once: one call to WeChat, 20 equal answers', async () => {
    const user = await signIn(nodes[0]!, simulator)
    const code = await phoneCode(simulator, freshPhone())
    const before = simulator.callCounts.getuserphonenumber
    // A slow WeChat, so that the others come while it is being asked.
    simulator.failNext('getuserphonenumber', { hang: 300 })
    const outcomes = await atOnce(20, (node, index) => binds[index % 3]!(node, code, user.accessToken))
    expect(simulator.callCounts.getuserphonenumber - before).toBe(1)
    expect(answers(outcomes)).toHaveProperty('size', 1)
    expect(outcomes[0]).toMatchObject({ code: undefined, userId: user.userId })
    expect(
      await db.rows(`select from auth.audit_log_entries where user_id = $1 and action = 'phone_bound'`, [
        user.userId,
      ]),
    ).toHaveLength(1)
  })

  test('one code sent by two users at once binds to one of them', async () => {
    const users = [await signIn(nodes[0]!, simulator), await signIn(nodes[1]!, simulator)]
    const phone = freshPhone()
    const code = await phoneCode(simulator, phone)
    simulator.failNext('getuserphonenumber', { hang: 100 })
    const outcomes = await atOnce(20, (node, index) =>
      binds[index % 3]!(node, code, users[index % 2]!.accessToken),
    )
    const owners = await db.rows<{ id: string }>('select id from auth.users where phone = $1', [
      `+86${phone}`,
    ])
    expect(owners).toHaveLength(1)
    outcomes.forEach((outcome, index) => {
      const isOwner = users[index % 2]!.userId === owners[0]!.id
      expect(outcome.code).toBe(isOwner ? undefined : 'wechat_code_used')
    })
  })

  test('two codes of one user at once: no deadlock, the phone is one of the two, both are in the audit log', async () => {
    const user = await signIn(nodes[0]!, simulator)
    const phones = Array.from({ length: 10 }, freshPhone)
    const codes = await Promise.all(phones.map(phone => phoneCode(simulator, phone)))
    const outcomes = await atOnce(10, (node, index) =>
      binds[index % 3]!(node, codes[index], user.accessToken),
    )
    expect(outcomes.map(({ code }) => code)).toEqual(Array(10).fill(undefined))
    const { phone } = await db.row<{ phone: string }>('select phone from auth.users where id = $1', [
      user.userId,
    ])
    expect(phones.map(national => `+86${national}`)).toContain(phone)
    expect(
      await db.rows(`select from auth.audit_log_entries where user_id = $1 and action = 'phone_bound'`, [
        user.userId,
      ]),
    ).toHaveLength(10)
    // Only the code whose phone stayed still says "bound".
    const replayed = await atOnce(10, (node, index) =>
      binds[index % 3]!(node, codes[index], user.accessToken),
    )
    expect(replayed.filter(({ code }) => code === undefined)).toHaveLength(1)
    expect(replayed.filter(({ code }) => code === 'wechat_code_used')).toHaveLength(9)
  })

  test('while WeChat is failing, 20 senders of one code get the failure or the phone, and the code is not lost', async () => {
    const user = await signIn(nodes[0]!, simulator)
    const phone = freshPhone()
    const code = await phoneCode(simulator, phone)
    for (let index = 0; index < 5; index++) simulator.failNext('getuserphonenumber', { errcode: -1 })
    const outcomes = await atOnce(20, (node, index) => binds[index % 3]!(node, code, user.accessToken))
    for (const { code: seen } of outcomes) expect([undefined, 'wechat_unavailable']).toContain(seen)
    expect(outcomes.filter(({ code: seen }) => seen === 'wechat_unavailable').length).toBeLessThanOrEqual(5)
    expect(await binds[0]!(nodes[0]!, code, user.accessToken)).toMatchObject({
      code: undefined,
      phone: `+86${phone}`,
    })
  })
})
