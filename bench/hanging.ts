import { setTimeout as sleep } from 'node:timers/promises'
import autocannon from 'autocannon'
import { SIMULATOR_APP_ID, SIMULATOR_APP_SECRET } from '../src/simulator/app_id.ts'
import { post, startSite } from './site.ts'

// WeChat hangs: 200 binds wait for it all the time. Does whoever needs no WeChat notice? The floor is the same load on the
// same service without them, measured in turns, because these machines are shared.

const HANGING = 200
const ROUNDS = 3
const SECONDS = 5
const CONNECTIONS = 4
/** A bind hangs so long, and the next one begins. */
const WECHAT_TIMEOUT_MS = 4_000

const requests = {
  'GET /auth/v1/user': { method: 'GET', path: '/auth/v1/user' },
  'GraphQL currentUser': {
    method: 'POST',
    path: '/graphql',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: '{ currentUser { id phone } }' }),
  },
} as const
type Name = keyof typeof requests

/** The URLs of the two that speak with each other. */
interface Site {
  service: string
  simulator: string
}

interface SignedIn {
  accessToken: string
  openid: string
}

interface Measured {
  /** Milliseconds. */
  p50: number
  p99: number
  perSecond: number
}

/** Prints, for each kind of request, latency and throughput with and without the hanging binds, and their ratio. */
export async function benchHanging(): Promise<void> {
  const { launch, serve, close } = await startSite()
  try {
    const simulator = (await launch(['src/main.ts', 'simulator'], { PORT: '0' })).url
    const env = { WECHAT_APP_ID: SIMULATOR_APP_ID, WECHAT_APP_SECRET: SIMULATOR_APP_SECRET }
    const { url } = await serve(simulator, { ...env, WECHAT_TIMEOUT_MS: String(WECHAT_TIMEOUT_MS) })
    const site = { service: url, simulator }
    const users = await signInAll(site)
    const names = Object.keys(requests) as Name[]
    for (const name of names) await measure(site, name, users[0]!)
    const rows: Record<string, unknown>[] = []
    for (const name of names) {
      const without: Measured[] = []
      const withThem: Measured[] = []
      let waiting = HANGING
      for (let round = 0; round < ROUNDS; round++) {
        without.push(await measure(site, name, users[0]!))
        const hanging = await hang(site, users)
        withThem.push(await measure(site, name, users[0]!))
        waiting = Math.min(waiting, hanging.waiting())
        await hanging.end()
      }
      const [floor, busy] = [middle(without), middle(withThem)]
      rows.push({
        request: name,
        'hanging binds': waiting,
        'p50 ms, floor': floor.p50,
        'p50 ms': busy.p50,
        'p50 ratio': ratio(busy.p50, floor.p50),
        'p99 ms, floor': floor.p99,
        'p99 ms': busy.p99,
        'p99 ratio': ratio(busy.p99, floor.p99),
        'requests/s ratio': ratio(busy.perSecond, floor.perSecond),
      })
    }
    console.log(
      `\n${HANGING} binds hang at WeChat (floor: none; ${ROUNDS} rounds in turns, the median of each)`,
    )
    console.table(rows)
  } finally {
    await close()
  }
}

async function signInAll(site: Site): Promise<SignedIn[]> {
  const users: SignedIn[] = []
  for (let n = 0; n < HANGING; n += 20)
    users.push(...(await Promise.all(Array.from({ length: 20 }, (_, i) => signIn(site, `o-bench-${n + i}`)))))
  return users
}

/** Keeps a bind of every user at a WeChat that says nothing. */
async function hang(site: Site, users: SignedIn[]) {
  await post(`${site.simulator}/faults`, {
    endpoint: 'getuserphonenumber',
    fault: { hang: true },
    times: 'always',
  })
  let isOver = false
  let waiting = 0
  const one = async (user: SignedIn, index: number) => {
    // Spread over the time limit: otherwise all would end, and begin anew, at one moment.
    await sleep((index / users.length) * WECHAT_TIMEOUT_MS)
    while (!isOver) {
      const code = await phoneCode(site, String(13_000_000_000 + index))
      waiting += 1
      const answer = await post<{ error_code?: string }>(
        `${site.service}/auth/v1/wechat_mini/bind_phone`,
        { code },
        user.accessToken,
      )
      waiting -= 1
      if (!isOver && answer.error_code !== 'wechat_unavailable') throw new Error(JSON.stringify(answer))
    }
  }
  const all = users.map(one)
  while (waiting < 0.95 * users.length) await sleep(50)
  return {
    /** How many wait at this moment; some are between two. */
    waiting: () => waiting,
    async end() {
      isOver = true
      await fetch(`${site.simulator}/faults`, { method: 'DELETE' })
      await Promise.all(all)
    },
  }
}

async function measure(site: Site, name: Name, { accessToken }: SignedIn): Promise<Measured> {
  const { path, ...request } = requests[name]
  const result = await autocannon({
    url: site.service + path,
    ...request,
    headers: { ...('headers' in request && request.headers), authorization: `Bearer ${accessToken}` },
    connections: CONNECTIONS,
    duration: SECONDS,
  })
  if (result.non2xx > 0 || result.errors > 0)
    throw new Error(`${name}: ${result.non2xx} refused, ${result.errors} lost`)
  return { p50: result.latency.p50, p99: result.latency.p99, perSecond: result.requests.average }
}

/** The round of the median p50. */
const middle = (all: Measured[]) => all.toSorted((a, b) => a.p50 - b.p50)[Math.floor(all.length / 2)]!
const ratio = (value: number, floor: number) => Number((value / Math.max(floor, 0.01)).toFixed(2))

async function signIn({ service, simulator }: Site, openid: string): Promise<SignedIn> {
  const { code } = await post<{ code: string }>(`${simulator}/login-codes`, { openid })
  const session = await post<{ access_token?: string }>(`${service}/auth/v1/wechat_mini/login`, { code })
  if (session.access_token === undefined) throw new Error(JSON.stringify(session))
  return { accessToken: session.access_token, openid }
}

const phoneCode = async ({ simulator }: Site, phone: string) =>
  (await post<{ code: string }>(`${simulator}/phone-codes`, { phone })).code
