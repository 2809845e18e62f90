import type { ChildProcess } from 'node:child_process'
import http from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { bindEntrances, freshOpenid, freshPhone, loginCode, phoneCode, post } from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { end, launch, production } from '../support/serve.ts'
import { type Node, startSimulator, type TestSimulator } from '../support/service.ts'
import { type Balancer, freePort, startBalancer } from './round_robin.ts'

// docs/operations.md, deploys: two nodes are restarted one after the other under load, as the page says. Every request is
// answered, and no client sends one twice.

let db: TestDatabase
let simulator: TestSimulator
let balancer: Balancer
const ports: number[] = []
const nodes: Awaited<ReturnType<typeof serve>>[] = []
const children: ChildProcess[] = []

beforeAll(async () => {
  db = await createDatabase()
  simulator = await startSimulator()
  ports.push(await freePort(), await freePort())
  nodes.push(...(await Promise.all(ports.map(serve))))
  balancer = await startBalancer(ports)
}, 120_000)
afterAll(async () => {
  await balancer?.close()
  for (const child of children) child.kill('SIGKILL')
  await simulator.close()
  await db.drop()
})

/** Patient, because it is the restart that is looked at: a slow machine must not be what a request fails by. */
async function serve(port: number) {
  const node = launch('serve', {
    ...production({ db, wechatUrl: simulator.url }),
    PORT: String(port),
    RATE_LIMITS: 'off',
    DATABASE_TIMEOUT_MS: '20000',
    WECHAT_TIMEOUT_MS: '20000',
  })
  children.push(node.child)
  while (!node.output().includes('the service answers')) {
    if (node.child.exitCode !== null) throw new Error(node.output())
    await sleep(20)
  }
  return node
}

/** Signs in, binds a phone and refreshes, over and over; what every request was answered. */
async function load(signal: AbortSignal) {
  const answers: Record<string, number> = {}
  /** Whoever reads of a failure wants to know what it said. */
  const count = (what: string, status: number, body: unknown) => {
    const key = `${what} ${status === 200 ? 200 : `${status} ${JSON.stringify(body)}`}`
    answers[key] = (answers[key] ?? 0) + 1
    return status === 200
  }
  const behind = { url: balancer.url } as Node
  const entrances = Object.values(bindEntrances)
  await Promise.all(
    Array.from({ length: 8 }, async (_, client) => {
      while (!signal.aborted) {
        const code = await loginCode(simulator, freshOpenid())
        const { status, body } = await post(`${balancer.url}/auth/v1/wechat_mini/login`, { code })
        if (!count('sign-in', status, body)) continue
        const tap = await phoneCode(simulator, freshPhone())
        const bound = await entrances[client % entrances.length]!(behind, tap, body.access_token)
        count('bind', bound.code === undefined ? bound.status : 0, bound)
        const refresh = `${balancer.url}/auth/v1/token?grant_type=refresh_token`
        const refreshed = await post(refresh, { refresh_token: body.refresh_token })
        count('refresh', refreshed.status, refreshed.body)
      }
    }),
  )
  return answers
}

test('two nodes, restarted one after the other under load: every request is answered', async () => {
  const stop = new AbortController()
  const answers = load(stop.signal)
  for (const index of [0, 1, 0, 1]) {
    await sleep(500)
    const port = ports[index]!
    await balancer.takeOut(port)
    expect(await end(nodes[index]!.child)).toBe(0)
    nodes[index] = await serve(port)
    balancer.putBack(port)
  }
  stop.abort()
  expect(Object.keys(await answers).sort()).toEqual(['bind 200', 'refresh 200', 'sign-in 200'])
  for (const port of ports) expect(balancer.asked(port)).toBeGreaterThan(10)
}, 120_000)

describe('a proxy that is not told', () => {
  /** What an attempt to connect comes to: the error's name, or a status and what is said of the connection. */
  const knock = (port: number, agent: http.Agent | false = false) =>
    new Promise<unknown[]>(resolve => {
      const request = http.get({ host: '127.0.0.1', port, path: '/health/live', agent })
      request.once('error', ({ code }: NodeJS.ErrnoException) => resolve([code]))
      request.once('response', response => {
        const { statusCode, headers } = response
        response.once('end', () => resolve([statusCode, headers.connection, headers['keep-alive']]))
        response.resume()
      })
    })

  test('meets a closed port until the node works, and never an answer that it would pass on', async () => {
    const port = await freePort()
    const starting = serve(port)
    const met = new Set<unknown>()
    let isUp = false
    void starting.then(() => (isUp = true))
    while (!isUp) {
      met.add((await knock(port))[0])
      await sleep(5)
    }
    expect(met).toContain('ECONNREFUSED')
    met.delete(200)
    expect([...met]).toEqual(['ECONNREFUSED'])
    expect(await end((await starting).child)).toBe(0)
  }, 60_000)

  test('may keep its connections longer than it wants to; after SIGTERM each is served once more, and it is told', async () => {
    const port = await freePort()
    const { child } = await serve(port)
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
    expect(await knock(port, agent)).toEqual([200, 'keep-alive', 'timeout=130'])
    const exit = end(child)
    await sleep(300)
    expect(await knock(port, agent)).toEqual([200, 'close', undefined])
    expect(await exit).toBe(0)
    agent.destroy()
  }, 60_000)
})
