import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { record } from '../support/leaks.ts'
import { ROUNDS } from '../support/rounds.ts'
import { halves, phoneOf, readLedger } from './crash_checks.ts'
import { live, type Person, settle, type World } from './crash_load.ts'
import { type Random, randomOf } from './crash_random.ts'
import { overtaken, type Receiver, startReceiver } from './crash_receiver.ts'
import type { Site, SiteOptions } from './crash_site.ts'
import { type RecordedWechat, startRecordedWechat } from './crash_wechat.ts'

// kill -9 of whatever runs, at random, while people sign in and bind phones. A failure names its seed, which repeats the
// plan of crashes: CRASH_SEED=… npm test -- test/contract/crash.test.ts

const AT_ONCE = 10

/** The test of one way of running it all; `kinds`: what is killed. */
export function testCrashes(start: (options: SiteOptions) => Promise<Site>, kinds: readonly string[]): void {
  const seed = Number(process.env.CRASH_SEED ?? Math.floor(Math.random() * 2 ** 31))
  const ends: (() => Promise<unknown>)[] = []
  afterEach(async () => {
    for (let end = ends.pop(); end; end = ends.pop()) await end()
  })

  const run = async () => {
    const random = randomOf(seed)
    const faults: string[] = []
    const dataDir = await mkdtemp(join(tmpdir(), 'crash-test-'))
    ends.push(() => rm(dataDir, { recursive: true, force: true, maxRetries: 5 }))
    const wechat = await startRecordedWechat(random)
    ends.push(wechat.close)
    const receiver = await startReceiver(random)
    ends.push(receiver.close)
    const site = await start({ dataDir, wechatUrl: wechat.url, onFault: what => faults.push(what) })
    ends.push(site.stop)

    const people = await liveThroughCrashes({ site, wechat, receiver, random, kinds })
    await everythingIsDelivered(site, receiver)
    expect([...faults, ...receiver.faults]).toEqual([])
    expect(overtaken(receiver)).toEqual([])
    for (const [what, query] of Object.entries(halves))
      expect({ [what]: await site.rows(query) }).toEqual({ [what]: [] })
    await everybodyHasWhatHeWasTold(site, people)
    redeemedOnce(wechat, people)
    expect(await livingWorkers(site)).toBe(site.workers.length)
    expect(new Set(await site.stop())).toEqual(new Set([0]))
    record('log', await readFile(join(dataDir, 'postgres.log'), 'utf8'))
  }
  test(`nothing is lost, half-written or stuck (seed ${seed})`, run, 120_000 + ROUNDS * 30_000)
}

interface Crashing {
  site: Site
  wechat: RecordedWechat
  receiver: Receiver
  random: Random
  kinds: readonly string[]
}

/** Load, crashes, calm; then every code once more. Answers who took part. */
async function liveThroughCrashes({ site, wechat, receiver, random, kinds }: Crashing): Promise<Person[]> {
  const people: Person[] = []
  let isCalm = false
  let isOver = false
  const world: World = {
    random,
    simulator: wechat.simulator,
    urls: () => site.services.flatMap(({ url }) => url() ?? []),
    isCalm: () => isCalm,
    isOver: () => isOver,
  }
  const all = [...site.services, ...site.workers]
  const everythingIsUp = async () => {
    await site.rows('select')
    for (const giveUpAt = Date.now() + 60_000; ; await sleep(20)) {
      const missing = all.filter(process => !process.isReady())
      if (missing.length === 0) return
      if (Date.now() > giveUpAt) throw new Error(`does not start: ${missing[0]!.said()}`)
    }
  }
  await everythingIsUp()
  await receiver.subscribe(site.rows)
  const lives = Promise.all(Array.from({ length: AT_ONCE }, () => live(world, people)))
  // Heard of at the next pause.
  lives.catch(() => {})
  for (let round = 0; round < ROUNDS; round++) {
    for (const kind of random.shuffle(kinds)) {
      await Promise.race([sleep(random.chance(25) ? 0 : random.between(300, 1_200)), lives])
      await site.crash(kind, random)
    }
  }
  await everythingIsUp()
  await Promise.race([sleep(500), lives])
  isCalm = true
  await Promise.race([sleep(1_000), lives])
  isOver = true
  await lives
  const taps = people.flatMap(person => person.taps)
  expect(taps.filter(({ answers }) => answers.length === 0)).toEqual([])
  for (const tap of taps) await settle(world, tap)
  return people
}

/** A worker's deliveries go on within a minute after it died. */
async function everythingIsDelivered({ rows, untold }: Site, { arrivals }: Receiver): Promise<void> {
  const unheard = async () => {
    const heard = new Set(arrivals.map(({ eventId }) => eventId))
    const events = await rows<{ id: string }>('select id from auth_private.events')
    return events.filter(({ id }) => !heard.has(id))
  }
  const left = async () => ({
    notRelayed: await rows('select id from auth_private.events where relayed_at is null'),
    // The clock's own jobs come and go.
    jobs: await rows(
      `select id, attempts, locked_by, last_error from graphile_worker.jobs
       where task_identifier <> 'clean_up' or locked_by is not null`,
    ),
    deliveries: await rows('select * from auth_private.deliveries'),
    unheard: await unheard(),
    untold: await untold(),
  })
  const nothing = { notRelayed: [], jobs: [], deliveries: [], unheard: [], untold: [] }
  for (const giveUpAt = Date.now() + 60_000; Date.now() < giveUpAt; await sleep(200))
    if (isDeepStrictEqual(await left(), nothing)) return
  expect(await left()).toEqual(nothing)
}

async function everybodyHasWhatHeWasTold({ rows, env }: Site, people: Person[]): Promise<void> {
  const users = new Map(
    (await rows<UserRow>('select id, phone, phone_revision, wechat_id from auth.users')).map(user => [
      user.id,
      user,
    ]),
  )
  const sessions = new Set((await rows<{ id: string }>('select id from auth.sessions')).map(({ id }) => id))
  const ledger = await readLedger(
    rows,
    env,
    people.flatMap(({ taps }) => taps),
  )
  expect(new Set([...users.values()].map(user => user.wechat_id)).size).toBe(users.size)
  for (const person of people) {
    const user = users.get(person.userId)
    expect(user).toMatchObject({ wechat_id: person.openid, phone: phoneOf(person) })
    expect(sessions).toContain(person.sessionId)
    for (const tap of person.taps) {
      const row = ledger.get(tap)
      const [last] = tap.answers.slice(-1)
      const isHere = row?.outcome === 'bound' && row.phone_revision === user!.phone_revision
      if (isHere) expect(tap.phone).toBe(user!.phone)
      // Of an earlier bind the phone has left.
      const expected = row?.outcome !== 'bound' ? row?.outcome : isHere ? undefined : 'wechat_code_used'
      expect({ row, told: last!.code }).toEqual({ row: expect.anything(), told: expected })
      for (const { code, phone, userId } of tap.answers) {
        if (code === undefined)
          expect([row!.outcome, phone, userId]).toEqual(['bound', tap.phone, person.userId])
        if (code === 'phone_exists') expect(row!.outcome).toBe('phone_exists')
      }
    }
  }
}

interface UserRow {
  id: string
  phone: string | null
  phone_revision: number
  wechat_id: string
}

/**
 * No code was redeemed twice, and WeChat was asked once for a code that nothing came between; but PostgreSQL may take a
 * claim with it that had not reached the disk, when two wait for the same code.
 */
function redeemedOnce({ answers }: RecordedWechat, people: Person[]): void {
  const taps = people.flatMap(person => person.taps)
  const timesRedeemed = taps.map(({ code }) => answers.get(code)?.filter(errcode => errcode === 0).length)
  expect(new Set(timesRedeemed)).toEqual(new Set([1]))
  const undisturbed = taps.filter(tap => !tap.wasDisturbed)
  const askedOnce = undisturbed.filter(({ code }) => answers.get(code)!.length === 1)
  expect(undisturbed.length - askedOnce.length).toBeLessThanOrEqual(2 * ROUNDS)
  const wasted = askedOnce.filter(tap => tap.answers.some(({ code }) => code === 'wechat_code_invalid'))
  expect(wasted).toEqual([])
}

const livingWorkers = async ({ rows }: Site) =>
  (await rows(`select from pg_locks where locktype = 'advisory' and classid = 913048 and granted`)).length
