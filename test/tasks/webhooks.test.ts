import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { isDeepStrictEqual } from 'node:util'
import type { Pace } from '../../src/tasks/subscriber.ts'
import { startWorker, type Worker, type WorkerOptions } from '../../src/tasks/worker.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { recordedLog } from '../support/leaks.ts'
import { everyRound } from '../support/rounds.ts'
import { deliveries, hurry, isDelivered, jobs, PHONE, until, writeEvents } from './harness.ts'
import { type Behaviour, eventIdOf, type Receiver, startReceiver, subscribe, writeAbout } from './receiver.ts'
import { RHYTHM } from './rhythm.ts'

const WORKER = fileURLToPath(new URL('./worker_process.ts', import.meta.url))

let db: TestDatabase
const workers: Worker[] = []
const receivers: Receiver[] = []
const children: ChildProcess[] = []

beforeAll(async () => {
  db = await createDatabase()
})
beforeEach(() =>
  db.rows('truncate auth_private.events, auth_private.webhooks, graphile_worker._private_jobs cascade'),
)
afterEach(async () => {
  // First, so that nobody who waits for an answer keeps the worker.
  await Promise.all(receivers.splice(0).map(receiver => receiver.close()))
  await Promise.all(workers.splice(0).map(worker => worker.stop()))
  await Promise.all(children.splice(0).map(kill))
})
afterAll(() => db.drop())

async function work(pace: Partial<Pace> = {}, options: Partial<WorkerOptions> = {}) {
  const { ownerUrl } = db
  const base = { ownerUrl, log: recordedLog(), rhythm: RHYTHM, webhookAllowPrivate: true }
  const worker = await startWorker({ ...base, pace, ...options })
  workers.push(worker)
  return worker
}
async function receive(behave?: Behaviour) {
  const receiver = await startReceiver(behave)
  receivers.push(receiver)
  return receiver
}
async function kill(child: ChildProcess) {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}
const everythingIsDelivered = () => until(() => isDelivered(db))

/** Retries at once: what is tested is the order, not the time. */
const EAGER: Partial<Pace> = { schedule: Array(20).fill(0) }
const TYPES = ['user.created', 'user.signed_in', 'phone.bound', 'phone.unbound', 'user.deleted']

describe('a delivery', () => {
  test('is what Standard Webhooks say, and verified by their library', async () => {
    const receiver = await receive()
    const { id, verify } = await subscribe(db, receiver.url)
    await work()
    const [userId] = await writeEvents(db, 1)
    await everythingIsDelivered()
    const event = await db.row<{ id: string; created_at: Date }>(
      'select id, created_at from auth_private.events',
    )
    expect(receiver.received).toHaveLength(1)
    const one = receiver.received[0]!
    expect(one.event).toEqual({
      type: 'phone.bound',
      timestamp: event.created_at.toISOString(),
      data: { user_id: userId, phone: PHONE },
    })
    expect(verify(one)).toEqual(one.event)
    expect(one.headers).toMatchObject({
      'content-type': 'application/json',
      'webhook-id': `msg_${id}_${event.id}`,
      'user-agent': expect.stringMatching(/^postgraphile-wechat\//),
    })
    expect(() => verify({ ...one, body: one.body.replace(userId!, randomUUID()) })).toThrow('signature')
    expect(await deliveries(db)).toEqual([])
  })

  test('is for those who want its type, each signed with the own secret', async () => {
    const [all, some] = [await receive(), await receive()]
    const forAll = await subscribe(db, all.url)
    const forSome = await subscribe(db, some.url, ['phone.unbound', 'user.deleted'])
    await work()
    await writeAbout(db, randomUUID(), TYPES)
    await everythingIsDelivered()
    expect(all.received.map(forAll.verify).map(({ type }) => type)).toEqual(TYPES)
    expect(some.received.map(forSome.verify).map(({ type }) => type)).toEqual([
      'phone.unbound',
      'user.deleted',
    ])
    expect(() => forSome.verify(all.received[0]!)).toThrow('signature')
  })

  test('is not made of an event that is gone, nor sent to a subscriber that is', async () => {
    const receiver = await receive()
    const { id } = await subscribe(db, receiver.url)
    const [gone] = await writeEvents(db, 1)
    const [kept] = await writeEvents(db, 1)
    await db.rows('select auth_private.relay_events(10)')
    await db.rows('delete from auth_private.events where user_id = $1', [gone])
    await work()
    await everythingIsDelivered()
    expect(receiver.received.map(({ event }) => event.data.user_id)).toEqual([kept])
    await db.rows('select auth.admin_remove_webhook($1)', [id])
    await writeEvents(db, 1)
    await everythingIsDelivered()
    expect(receiver.received).toHaveLength(1)
  })
})

describe('one that fails', () => {
  test.each<[string, Behaviour, number | null, string]>([
    ['an error', () => 500, 500, 'HTTP 500'],
    ['a refusal', () => 404, 404, 'HTTP 404'],
    [
      'a redirect, which is not followed',
      ({ headers }) => ({ status: 307, headers: { location: `http://${headers.host}/elsewhere` } }),
      307,
      'HTTP 307',
    ],
    ['no answer', () => null, null, 'no answer in time'],
  ])(
    'by %s is tried again, with the same id and body and a fresh signature',
    async (_what, first, status, reason) => {
      const receiver = await receive((received, times) => (times === 1 ? first(received, times) : 200))
      const { verify } = await subscribe(db, receiver.url)
      await work({ requestMs: reason === 'no answer in time' ? 1_000 : 60_000 })
      await writeEvents(db, 1)
      await until(async () => (await deliveries(db))[0]?.attempts === 1)
      expect(await deliveries(db)).toMatchObject([
        { state: 'waiting', last_status: status, last_error: reason },
      ])
      // A slow machine may need another one.
      await until(async () => {
        await hurry(db)
        return isDelivered(db)
      })
      const sent = receiver.received.map(({ messageId, body }) => ({ messageId, body }))
      expect(sent.length).toBeGreaterThan(1)
      expect(sent).toEqual(sent.map(() => sent[0]))
      for (const received of receiver.received) verify(received)
    },
  )

  test('because nobody is there is recorded by the code of the error, without the URL', async () => {
    const receiver = await startReceiver()
    await receiver.close()
    await subscribe(db, `${receiver.url}?token=s3cr3t-of-somebody`)
    await work()
    await writeEvents(db, 1)
    await until(async () => (await deliveries(db))[0]?.attempts === 1)
    expect(await deliveries(db)).toMatchObject([{ last_status: null, last_error: 'ECONNREFUSED' }])
  })

  test('keeps later ones of its user back, and nobody else; and is due by the schedule or later', async () => {
    const [bad, good] = [randomUUID(), randomUUID()]
    const receiver = await receive(({ event }) =>
      event.data.user_id === bad ? { status: 503, headers: { 'retry-after': '7200' } } : 204,
    )
    await subscribe(db, receiver.url)
    await writeAbout(db, bad, TYPES)
    await work({ schedule: [600] })
    await until(() => receiver.about(bad).length === 1)
    await writeAbout(db, bad, ['authorization.revoked'])
    await writeAbout(db, good, TYPES)
    await until(() => receiver.about(good).length === TYPES.length)
    await until(async () => {
      const held = await db.row(
        `select count(*)::int as n, count(distinct due_at)::int as times, min(due_at) > now() + interval '7000 seconds' as is_late
         from auth_private.deliveries`,
      )
      return isDeepStrictEqual(held, { n: TYPES.length + 1, times: 1, is_late: true })
    })
    expect(receiver.about(bad)).toHaveLength(1)
  })

  test('while it held nothing back yet: what was relayed meanwhile does not make job after job', async () => {
    const receiver = await receive(() => 500)
    await subscribe(db, receiver.url)
    const userId = randomUUID()
    await writeAbout(db, userId, TYPES)
    await db.rows('select auth_private.relay_events(10)')
    // As two transactions leave it that did not see one another.
    await db.rows(`update auth_private.deliveries set due_at = now() + interval '1 hour'
                   where id = (select min(id) from auth_private.deliveries)`)
    await work()
    await until(async () =>
      (await deliveries(db)).every(({ due_at }) => due_at.getTime() > Date.now() + 1_000_000),
    )
    expect(receiver.received).toEqual([])
  })
})

describe.each(everyRound)('round %i', () => {
  test('two workers, and a subscriber that fails now and then: all arrives, of each user in order', async () => {
    const receiver = await receive(async (_received, times) => {
      await sleep(Math.random() * 10)
      return times < 4 && Math.random() < 0.3 ? 500 : 204
    })
    await subscribe(db, receiver.url)
    await Promise.all([work(EAGER), work(EAGER)])
    const users = Array.from({ length: 8 }, () => randomUUID())
    const written = new Map<string, string[]>()
    for (let n = 0; n < 3; n++)
      await Promise.all(
        users.map(async user =>
          written.set(user, [...(written.get(user) ?? []), ...(await writeAbout(db, user, TYPES))]),
        ),
      )
    await everythingIsDelivered()
    for (const user of users) {
      const ids = receiver.about(user).map(eventIdOf)
      // Repeated until it succeeded, and then the next.
      expect(ids.filter((id, at) => id !== ids[at - 1])).toEqual(written.get(user))
    }
    expect(receiver.received.length).toBeGreaterThan(8 * 15)
  })

  test('a worker is killed with -9 while it delivers: everything arrives, in order', async () => {
    let isHeld = true
    const receiver = await receive(async () => {
      await sleep(Math.random() * 20)
      return isHeld && Math.random() < 0.5 ? null : 204
    })
    await subscribe(db, receiver.url)
    const child = spawn(process.execPath, [WORKER, db.ownerUrl, 'chore'], {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    children.push(child)
    const users = Array.from({ length: 6 }, () => randomUUID())
    const written = new Map<string, string[]>()
    for (const user of users) written.set(user, await writeAbout(db, user, TYPES))
    await until(() => receiver.received.length >= 6)
    await sleep(Math.random() * 100)
    await kill(child)
    isHeld = false
    await work()
    await everythingIsDelivered()
    for (const user of users) {
      const ids = receiver.about(user).map(eventIdOf)
      expect([...new Set(ids)]).toEqual(written.get(user))
    }
  })
})

describe('slow and dead subscribers', () => {
  test('delay nobody else', async () => {
    const slow = await Promise.all(Array.from({ length: 6 }, () => receive(() => null)))
    const dead = await startReceiver()
    await dead.close()
    for (const { url } of [...slow, dead]) await subscribe(db, url)
    const good = await receive()
    await subscribe(db, good.url)
    // Nobody who is slow is given up while this test runs.
    await work({ requestMs: 60_000, jobMs: 60_000 })
    const users = await writeEvents(db, 30)
    await until(() => good.received.length === users.length)
    await until(() => slow.every(({ received }) => received.length > 0))
    const later = await writeEvents(db, 5)
    await until(() => good.received.length === users.length + later.length)
    // So many users at once, and no more, hang at each of the slow ones.
    expect(slow.map(({ received }) => received.length)).toEqual(Array(6).fill(10))
  })

  test("more of them than jobs at once: each has its turn, and then it is somebody else's", async () => {
    const slow = await Promise.all(Array.from({ length: 18 }, () => receive(() => null)))
    for (const { url } of slow) await subscribe(db, url)
    const good = await receive()
    await subscribe(db, good.url)
    await work({ requestMs: 100, jobMs: 50, atOnce: 1, schedule: Array(99).fill(0) })
    const users = await writeEvents(db, 10)
    await until(() => users.every(user => good.about(user).length === 1))
    await until(() => slow.every(({ received }) => received.length > 1))
  })

  test('one user who waits does not keep the subscriber from hearing of the others', async () => {
    const [held, free] = [randomUUID(), randomUUID()]
    const receiver = await receive(({ event }) => (event.data.user_id === held ? null : 204))
    await subscribe(db, receiver.url)
    await work({ requestMs: 60_000, jobMs: 60_000 })
    await writeAbout(db, held, TYPES)
    await until(() => receiver.about(held).length === 1)
    await writeAbout(db, free, TYPES)
    await until(() => receiver.about(free).length === TYPES.length)
    expect(receiver.about(held)).toHaveLength(1)
  })

  test('a worker that stops waits for no answer longer than five seconds, and the delivery still waits', async () => {
    const receiver = await receive(() => null)
    await subscribe(db, receiver.url)
    const worker = await work({ requestMs: 60_000 })
    await writeEvents(db, 1)
    await until(() => receiver.received.length === 1)
    workers.pop()
    await worker.stop()
    expect(await deliveries(db)).toMatchObject([{ state: 'waiting', attempts: 0 }])
    expect((await jobs(db)).filter(({ locked_by }) => locked_by !== null)).toEqual([])
  })
})

describe('giving up', () => {
  const replay = (id: string, ids: string[] | null = null) =>
    db.row<{ n: number }>('select auth.admin_replay_deliveries($1, $2) as n', [id, ids])
  const failed = (id: string) =>
    db.rows<{ id: string; type: string }>('select * from auth.admin_list_failed_deliveries($1)', [id])

  test('after the last attempt: a list, from which it is replayed, in order; those after it go on', async () => {
    let isDead = true
    const userId = randomUUID()
    const receiver = await receive(({ event }) => (isDead && event.type !== 'user.deleted' ? 500 : 204))
    const { id } = await subscribe(db, receiver.url)
    await work({ schedule: [0, 0] })
    await writeAbout(db, userId, TYPES)
    await everythingIsDelivered()
    expect(receiver.received.map(({ event }) => event.type)).toEqual([
      ...TYPES.slice(0, 4).flatMap(type => [type, type, type]),
      'user.deleted',
    ])
    const list = await failed(id)
    const common = { user_id: userId, attempts: 3, last_status: 500, last_error: 'HTTP 500' }
    expect(list).toMatchObject(TYPES.slice(0, 4).map(type => ({ ...common, type })))

    isDead = false
    receiver.received.splice(0)
    expect(await replay(id, [list[1]!.id])).toEqual({ n: 1 })
    await everythingIsDelivered()
    expect(await replay(id)).toEqual({ n: 3 })
    await everythingIsDelivered()
    expect(receiver.received.map(({ event }) => event.type)).toEqual([1, 0, 2, 3].map(at => TYPES[at]))
    expect(await failed(id)).toEqual([])
    expect(await replay(id)).toEqual({ n: 0 })
  })

  test('at once, where the answer is 410', async () => {
    const receiver = await receive(() => 410)
    const { id } = await subscribe(db, receiver.url)
    await work()
    await writeEvents(db, 1)
    await everythingIsDelivered()
    expect(await failed(id)).toMatchObject([{ attempts: 1, last_status: 410 }])
    expect(receiver.received).toHaveLength(1)
  })

  test("holds for the application's own task as well", async () => {
    let isDead = true
    const told: string[] = []
    const auth_event = ({ type }: { type: string }) => {
      told.push(type)
      if (isDead) throw new Error(`no, ${PHONE}`)
    }
    await work({ schedule: [] }, { tasks: { auth_event } })
    await writeAbout(db, randomUUID(), TYPES)
    await everythingIsDelivered()
    const { id } = await db.row<{ id: string }>('select id from auth.admin_list_webhooks()')
    expect(await failed(id)).toMatchObject(TYPES.map(type => ({ type, last_error: 'no, +86138****5678' })))
    isDead = false
    await replay(id)
    await everythingIsDelivered()
    expect(told).toEqual([...TYPES, ...TYPES])
  })
})

test.each([
  ['a long one', { status: 200, body: 'x'.repeat(5_000_000) }],
  ['one that is no gzip', { status: 200, headers: { 'content-encoding': 'gzip' }, body: 'no gzip' }],
])('an answer is read no further than it matters: %s', async (_what, answer) => {
  const receiver = await receive(() => answer)
  await subscribe(db, receiver.url)
  await work()
  await writeEvents(db, 3)
  await everythingIsDelivered()
  expect(receiver.received).toHaveLength(3)
})
