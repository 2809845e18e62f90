import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { createLog } from '../../src/log.ts'
import { startWorker, type Worker } from '../../src/tasks/worker.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { startProxy } from '../support/proxy.ts'
import { everyRound } from '../support/rounds.ts'
import { servers } from '../support/servers.ts'
import { addChores, jobs, until } from './harness.ts'
import { RHYTHM } from './rhythm.ts'

const PROCESS = fileURLToPath(new URL('./worker_process.ts', import.meta.url))

let db: TestDatabase
const workers: Worker[] = []
const children: ChildProcess[] = []

beforeAll(async () => {
  db = await createDatabase()
})
beforeEach(() =>
  db.rows('truncate graphile_worker._private_jobs, graphile_worker._private_job_queues cascade'),
)
afterEach(async () => {
  await Promise.all(workers.splice(0).map(worker => worker.stop()))
  await Promise.all(children.splice(0).map(kill))
})
afterAll(() => db.drop())

async function kill(child: ChildProcess) {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}

/** A worker in a process of its own, which takes jobs and never ends one. `begun`: about whom. */
function launch({ ownerUrl } = db) {
  const child = spawn(process.execPath, [PROCESS, ownerUrl, 'chore'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.push(child)
  let output = ''
  child.stdout.on('data', chunk => (output += chunk))
  return { child, begun: () => output.split('\n').slice(0, -1) }
}

type Chore = (userId: string) => void | Promise<void>

async function work({ chore = (() => {}) as Chore, ownerUrl = db.ownerUrl, rhythm = RHYTHM } = {}) {
  const told: string[] = []
  const worker = await startWorker({
    ownerUrl,
    log: createLog('silent'),
    rhythm,
    tasks: {
      chore: async ({ user_id }: { user_id: string }) => {
        told.push(user_id)
        await chore(user_id)
      },
    },
  })
  workers.push(worker)
  return told
}

const jobsAreDone = () => until(async () => (await jobs(db)).length === 0)

describe('a worker is killed with -9 while it does jobs', () => {
  test.each(servers)('one that is started afterwards does them, on $name', async server => {
    const site = await createDatabase({ server })
    try {
      const killed = launch(site)
      const users = await addChores(site, 3)
      await until(() => killed.begun().length === 3)
      await kill(killed.child)
      const told = await work({ ownerUrl: site.ownerUrl })
      await until(async () => (await jobs(site)).length === 0)
      expect(told.sort()).toEqual(users.sort())
    } finally {
      await Promise.all(workers.splice(0).map(worker => worker.stop()))
      await site.drop()
    }
  })

  test.each(everyRound)('those that live do them, each once (round %i)', async () => {
    const killed = launch()
    const users = await addChores(db, 3)
    await until(() => killed.begun().length === 3)
    const all = await Promise.all([work(), work(), work()])
    await sleep(2 * RHYTHM.graceMs)
    expect(all.flat()).toEqual([])
    await kill(killed.child)
    await jobsAreDone()
    expect(all.flat().sort()).toEqual(users.sort())
  })

  test('its queue goes on, in order', async () => {
    const killed = launch()
    const users = await addChores(db, 3, 'one')
    await until(() => killed.begun().length === 1)
    await kill(killed.child)
    const told = await work()
    await jobsAreDone()
    expect(killed.begun()).toEqual(users.slice(0, 1))
    expect(told).toEqual(users)
  })
})

test('a worker whose machine falls silent counts as dead, though its connections are open', async () => {
  const frozen = launch()
  const users = await addChores(db, 1)
  await until(() => frozen.begun().length === 1)
  const told = await work()
  frozen.child.kill('SIGSTOP')
  await until(() => told.length > 0)
  expect(told).toEqual(users)
})

test('a job that lasts longer than the grace stays with its worker, though its connections break meanwhile', async () => {
  const patient = { everyMs: 200, graceMs: 3_000 }
  const wire = await startProxy(db.ownerUrl)
  let hasEnded = false
  const chore = async () => {
    await sleep(5_500)
    hasEnded = true
  }
  const told = await work({ chore, ownerUrl: wire.url, rhythm: patient })
  try {
    await addChores(db, 1)
    await until(() => told.length === 1)
    const others = await Promise.all([work({ rhythm: patient }), work({ rhythm: patient })])
    await sleep(500)
    wire.cut()
    wire.mend()
    await until(() => hasEnded)
    await jobsAreDone()
    expect([told.length, ...others.flat()]).toEqual([1])
  } finally {
    await Promise.all(workers.splice(0).map(worker => worker.stop()))
    await wire.close()
  }
})

test.each([
  ['a job', null],
  ['a job of a queue', 'one'],
])('%s that was given to a living worker, who never heard of it, is given anew', async (_what, queue) => {
  let finish = () => {}
  const finished = new Promise<void>(resolve => {
    finish = resolve
  })
  const [first] = await addChores(db, 1)
  const told = await work({ chore: userId => (userId === first ? finished : undefined) })
  await until(() => told.length === 1)
  const worker = (await jobs(db))[0]!.locked_by
  // As the statement that gives a job leaves it. Several statements in one query are one transaction.
  const lost = randomUUID()
  await db.owner.query(`
    select graphile_worker.add_job('chore', '{"user_id": "${lost}"}', queue_name => ${queue ? `'${queue}'` : null});
    update graphile_worker._private_job_queues set locked_by = '${worker}', locked_at = now();
    update graphile_worker._private_jobs set locked_by = '${worker}', locked_at = now(), attempts = 1
    where locked_by is null`)
  try {
    await until(() => told.length > 1)
    await sleep(2 * RHYTHM.graceMs)
    expect(told).toEqual([first, lost])
  } finally {
    finish()
  }
  await jobsAreDone()
})
