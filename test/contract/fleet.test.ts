import { setTimeout as sleep } from 'node:timers/promises'
import { bindEntrances, freshPhone, phoneCode, type SignedIn, signIn } from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { everyRound } from '../support/rounds.ts'
import { end, launchServe, type ServeProcess } from '../support/serve.ts'
import { startSimulator, type TestSimulator } from '../support/service.ts'

// Three processes, one database, one app at WeChat: one access token for all of them, whatever happens to it.

/** On a busy machine nobody shall be told to come again. */
const PATIENT = { WECHAT_TIMEOUT_MS: '30000', DATABASE_TIMEOUT_MS: '30000', RATE_LIMITS: 'off' }
const USERS = 500

let db: TestDatabase
let simulator: TestSimulator
let fleet: ServeProcess[]
const users: SignedIn[] = []

beforeAll(async () => {
  db = await createDatabase()
  simulator = await startSimulator()
  fleet = await Promise.all([1, 2, 3].map(() => launchServe({ db, wechatUrl: simulator.url }, PATIENT)))
  while (users.length < USERS) {
    const some = Array.from({ length: 50 }, (_, i) => signIn(node(i), simulator))
    users.push(...(await Promise.all(some)))
  }
}, 120_000)
afterAll(async () => {
  await Promise.all(fleet.map(({ child }) => end(child)))
  await simulator.close()
  await db.drop()
})

const entrances = Object.values(bindEntrances)
const node = (index: number) => fleet[index % fleet.length]!.node
const fetches = () => simulator.callCounts.stable_token

/** Binds a phone of its own to a user; what the user should hear. */
async function bind(index: number) {
  const phone = freshPhone()
  const code = await phoneCode(simulator, phone)
  const user = users[index % users.length]!
  const outcome = await entrances[index % entrances.length]!(node(index), code, user.accessToken)
  return { outcome, bound: { code: undefined, status: 200, phone: `+86${phone}`, userId: user.userId } }
}

test('500 first binds at once fetch one token', async () => {
  const answers = await Promise.all(users.map((_, index) => bind(index)))
  expect(answers.map(({ outcome }) => outcome)).toEqual(answers.map(({ bound }) => bound))
  expect(simulator.callCounts).toMatchObject({ stable_token: 1, token: 0, getuserphonenumber: USERS })
}, 120_000)

describe.each(everyRound)('round %i', round => {
  test('the token is killed again and again under load: one fetch each time, and no caller fails', async () => {
    let isOver = false
    const wrong: unknown[] = []
    const done = Array(20).fill(0)
    const caller = async (index: number) => {
      for (let n = index; !isOver; n += 20) {
        const { outcome, bound } = await bind(n + round)
        if (JSON.stringify(outcome) !== JSON.stringify(bound)) wrong.push(outcome)
        done[index] += 1
      }
    }
    const callers = done.map((_, index) => caller(index))
    /** A call is repeated once: none shall meet two deaths. */
    const everybodyBeganAnew = async () => {
      const before = [...done]
      while (!done.every((n, index) => n >= before[index] + 2)) await sleep(5)
    }
    await everybodyBeganAnew()
    for (let kill = 0; kill < 5; kill++) {
      const before = fetches()
      simulator.killTokens()
      await everybodyBeganAnew()
      expect(wrong).toEqual([])
      expect(fetches()).toBe(before + 1)
    }
    isOver = true
    await Promise.all(callers)
    expect(wrong).toEqual([])
  }, 120_000)

  test('the token is killed while nobody looks, and one process alone has replaced it: the others find out', async () => {
    for (const one of [0, 1, 2]) await bind(one)
    for (const one of [0, 1, 2]) {
      simulator.killTokens()
      const { outcome, bound } = await bind(one)
      expect(outcome).toEqual(bound)
    }
  })
})
