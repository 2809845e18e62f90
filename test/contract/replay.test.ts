import { setTimeout as sleep } from 'node:timers/promises'
import { bindEntrances, freshPhone, phoneCode, type SignedIn, signIn } from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { everyRound } from '../support/rounds.ts'
import { end, launchServe, type ServeProcess } from '../support/serve.ts'
import { startSimulator, type TestSimulator } from '../support/service.ts'

// A fleet: three processes of the service, one database. A code is redeemed once, whoever is asked, and whoever dies.

let db: TestDatabase
let simulator: TestSimulator
let fleet: ServeProcess[]

beforeAll(async () => {
  db = await createDatabase()
  simulator = await startSimulator()
  fleet = await Promise.all([1, 2, 3].map(() => launchServe({ db, wechatUrl: simulator.url })))
})
afterAll(async () => {
  await Promise.all(fleet.map(({ child }) => end(child)))
  await simulator.close()
  await db.drop()
})

const entrances = Object.values(bindEntrances)
const node = (index: number) => fleet[index % fleet.length]!.node
const bind = (index: number, code: string, { accessToken }: SignedIn) =>
  entrances[index % entrances.length]!(node(index), code, accessToken)
const callsToWechat = () => simulator.callCounts.getuserphonenumber

/** A user, his code, and what everybody who sends it should hear. */
async function tap() {
  const phone = freshPhone()
  const user = await signIn(node(0), simulator)
  const code = await phoneCode(simulator, phone)
  const bound = { code: undefined, status: 200, phone: `+86${phone}`, userId: user.userId }
  const hasOutcome = async () =>
    (
      await db.rows('select from auth_private.wechat_codes where user_id = $1 and outcome is not null', [
        user.userId,
      ])
    ).length > 0
  return { user, code, bound, hasOutcome }
}

/** Kills a node without a word, and puts another in its place. */
async function kill(index: number) {
  await end(fleet[index]!.child, 'SIGKILL')
  fleet[index] = await launchServe({ db, wechatUrl: simulator.url })
}

describe.each(everyRound)('round %i', round => {
  test('20 submissions at once over three processes: one call to WeChat, 20 equal answers', async () => {
    const { user, code, bound } = await tap()
    const before = callsToWechat()
    const outcomes = await Promise.all(Array.from({ length: 20 }, (_, i) => bind(i, code, user)))
    expect(outcomes).toEqual(Array(20).fill(bound))
    expect(callsToWechat() - before).toBe(1)
    const told = await db.rows(
      `select from auth_private.events where user_id = $1 and type = 'phone.bound'`,
      [user.userId],
    )
    expect(told).toHaveLength(1)
  })

  test('the answer is lost on its way: the other nodes have it', async () => {
    const { user, code, bound, hasOutcome } = await tap()
    const before = callsToWechat()
    const hangUp = new AbortController()
    const lost = fetch(`${node(0).url}/auth/v1/wechat_mini/bind_phone?code=${code}`, {
      headers: { authorization: `Bearer ${user.accessToken}` },
      signal: hangUp.signal,
    }).catch(() => {})
    while (callsToWechat() === before) await sleep(1)
    hangUp.abort()
    await lost
    expect(await bind(1, code, user)).toEqual(bound)
    expect(await bind(2, code, user)).toEqual(bound)
    expect(await hasOutcome()).toBe(true)
    expect(callsToWechat() - before).toBe(1)
  })

  test('the node that committed is killed: the others have the answer', async () => {
    const { user, code, bound, hasOutcome } = await tap()
    const before = callsToWechat()
    const answer = bind(round, code, user).catch(() => 'lost')
    while (!(await hasOutcome()));
    await kill(round % 3)
    await answer
    for (const other of [1, 2]) expect(await bind(round + other, code, user)).toEqual(bound)
    expect(callsToWechat() - before).toBe(1)
  })

  test('killed when WeChat has redeemed the code and nothing is written: when the lease is over, tap again', async () => {
    const { user, code, hasOutcome } = await tap()
    const before = callsToWechat()
    simulator.failNext('getuserphonenumber', { hang: 60_000 }, { after: true })
    const answer = bind(round, code, user).catch(() => 'lost')
    while (callsToWechat() === before) await sleep(1)
    await kill(round % 3)
    expect(await answer).toBe('lost')
    expect(await hasOutcome()).toBe(false)
    // Whoever comes before the lease is over waits for it.
    await db.rows(
      `update auth_private.wechat_codes set claimed_until = now() - interval '1 s' where user_id = $1`,
      [user.userId],
    )
    const outcomes = await Promise.all([1, 2, 3, 4].map(i => bind(round + i, code, user)))
    for (const outcome of outcomes) expect(outcome).toMatchObject({ code: 'wechat_code_invalid' })
    expect(callsToWechat() - before).toBe(2)
  })
})
