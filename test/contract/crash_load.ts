import { setTimeout as sleep } from 'node:timers/promises'
import {
  type Bind,
  bindEntrances,
  freshOpenid,
  freshPhone,
  loginCode,
  type Outcome,
  phoneCode,
  post,
} from '../support/client.ts'
import type { Node, TestSimulator } from '../support/service.ts'
import type { Random } from './crash_random.ts'

export interface Tap {
  code: string
  /** E.164. */
  phone: string
  person: Person
  /** Some request was not answered, or with "try again". */
  wasDisturbed: boolean
  /** Answers that settle it. */
  answers: Outcome[]
}

export interface Person {
  openid: string
  userId: string
  accessToken: string
  refreshToken: string
  sessionId: string
  taps: Tap[]
}

export interface World {
  random: Random
  simulator: TestSimulator
  /** Where the service answers at the moment. */
  urls(): string[]
  /** Everything is up and nobody is killed any more: from now on every request must be answered for good. */
  isCalm(): boolean
  isOver(): boolean
}

const SETTLED = new Set([undefined, 'phone_exists', 'wechat_code_invalid', 'wechat_code_used'])
/** By the time limits of crash_site.ts: WeChat's, ten seconds for the write, two statements, and two more. */
const LEASE_MS = 17_000
const TRY_AGAIN = new Set(['database_unavailable', 'wechat_unavailable'])

/** Asks one node after another until one answers for good, as a client does whose answers are lost. */
async function persist<T>(
  world: World,
  what: string,
  ask: (node: Node) => Promise<T>,
  errorOf: (answer: T) => string | undefined,
): Promise<{ answer: T; wasDisturbed: boolean }> {
  for (let disturbances = 0, inCalm = 0; ; disturbances++) {
    while (world.urls().length === 0) await sleep(20)
    const isCalm = world.isCalm()
    const began = performance.now()
    const { answer, lost } = await ask({ url: world.random.pick(world.urls()) } as Node).then(
      answer => ({ answer, lost: undefined }),
      (lost: Error) => ({ answer: undefined, lost }),
    )
    const error = answer && errorOf(answer)
    if (answer && !TRY_AGAIN.has(error!)) return { answer, wasDisturbed: disturbances > 0 }
    // Whoever waits for a code in vain hears so when its lease must be over, which WeChat's time-out is long before. For the rest a
    // slow machine is excused.
    const isInVain = error === 'wechat_unavailable' && performance.now() - began > LEASE_MS
    if (isCalm && (isInVain || ++inCalm > 20))
      throw new Error(`${what}, though everything was up: ${error ?? lost}`, { cause: lost })
    await sleep(world.random.between(10, 60))
  }
}

/** Sends the code of a tap until it is settled. */
export async function settle(world: World, tap: Tap): Promise<Outcome> {
  const bind: Bind = world.random.pick(Object.values(bindEntrances))
  const { answer, wasDisturbed } = await persist(
    world,
    'a code was not settled',
    node => bind(node, tap.code, tap.person.accessToken),
    outcome => outcome.code,
  )
  tap.wasDisturbed ||= wasDisturbed
  tap.answers.push(answer)
  if (!SETTLED.has(answer.code)) throw new Error(`a bind was answered with ${answer.code}: ${answer.message}`)
  return answer
}

async function enter(world: World): Promise<Person> {
  const openid = freshOpenid()
  const { answer } = await persist(
    world,
    'a sign-in failed',
    async node =>
      post(`${node.url}/auth/v1/wechat_mini/login`, { code: await loginCode(world.simulator, openid) }),
    ({ body }) => body.error_code,
  )
  const { access_token: accessToken, refresh_token: refreshToken, user } = answer.body
  if (answer.status !== 200) throw new Error(`a sign-in was answered with ${answer.body.error_code}`)
  return { openid, userId: user.id, accessToken, refreshToken, sessionId: sessionOf(accessToken), taps: [] }
}

async function refresh(world: World, person: Person): Promise<void> {
  const { answer } = await persist(
    world,
    'a refresh failed',
    node =>
      post(`${node.url}/auth/v1/token?grant_type=refresh_token`, { refresh_token: person.refreshToken }),
    ({ body }) => body.error_code,
  )
  if (answer.status !== 200) throw new Error(`a refresh was answered with ${answer.body.error_code}`)
  person.accessToken = answer.body.access_token
  person.refreshToken = answer.body.refresh_token
}

/** One person after another: signs in, binds some phones, now and then one that is somebody else's, and refreshes. */
export async function live(world: World, people: Person[]): Promise<void> {
  const { random } = world
  while (!world.isOver()) {
    const person = await enter(world)
    people.push(person)
    for (let left = random.between(1, 6); left > 0 && !world.isOver(); left--) {
      const taken = random.chance(15) ? random.pick(people).taps[0]?.phone : undefined
      const isNew = taken !== undefined && person.taps.every(tap => tap.phone !== taken)
      const phone = isNew ? taken : `+86${freshPhone()}`
      const code = await phoneCode(world.simulator, phone.slice(3))
      const tap: Tap = { code, phone, person, wasDisturbed: false, answers: [] }
      person.taps.push(tap)
      // Two at once, on two nodes perhaps; or one after the other.
      await Promise.all(random.chance(25) ? [settle(world, tap), settle(world, tap)] : [settle(world, tap)])
      if (random.chance(25)) await settle(world, tap)
      if (random.chance(25)) await refresh(world, person)
      await sleep(random.between(0, 40))
    }
  }
}

const sessionOf = (accessToken: string): string =>
  JSON.parse(Buffer.from(accessToken.split('.')[1]!, 'base64url').toString()).session_id
