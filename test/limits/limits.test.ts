import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { rules } from '../../src/limits/rules.ts'
import {
  bindEntrances,
  freshOpenid,
  freshPhone,
  graphql,
  loginCode,
  phoneCode,
  post,
  send,
  signIn,
  signInEntrances,
} from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { startProxy } from '../support/proxy.ts'
import { everyRound } from '../support/rounds.ts'
import { type Node, startNode, startSimulator, type TestSimulator } from '../support/service.ts'

let db: TestDatabase
let simulator: TestSimulator
/** Nodes of the test at hand: a node remembers whom it has refused, so the next test has others. */
let nodes: Promise<Node>[] = []
const started: Node[] = []

const start = async (env: Record<string, string> = {}, webUrl = db.webUrl): Promise<Node> => {
  const node = await startNode({
    db: { ...db, webUrl },
    wechatUrl: simulator.url,
    env: { RATE_LIMITS: 'on', ...env },
  })
  started.push(node)
  return node
}

const node = (index: number): Promise<Node> => {
  nodes[index] ??= start()
  return nodes[index]
}

beforeAll(async () => {
  db = await createDatabase()
  simulator = await startSimulator()
})
beforeEach(async () => {
  await db.rows('truncate auth_private.rate_limits')
  nodes = []
})
afterEach(() => Promise.all(started.splice(0).map(node => node.close())))
afterAll(async () => {
  await simulator.close()
  await db.drop()
})

/** What the counters say, by limit. */
const counters = async () => {
  const rows = await db.rows<{ limit: string; points: number }>(
    `select split_part(key, ':', 1) as limit, points from auth_private.rate_limits order by 1, 2`,
  )
  return rows.map(({ limit, points }) => [limit, points])
}
/** Lets `left` more operations pass under one limit, for everybody who has begun a window. */
const leave = async (limit: string, points: number, left: number) =>
  expect(
    await db.rows(
      `update auth_private.rate_limits set points = $2 where split_part(key, ':', 1) = $1 returning key`,
      [limit, points - left],
    ),
  ).not.toEqual([])
const endWindows = () => db.rows(`update auth_private.rate_limits set ends_at = clock_timestamp()`)

const SIGN_INS = rules.wechatSignIn[0].points
const aliased = (count: number) =>
  `mutation { ${Array.from({ length: count }, (_, n) => `a${n}: wechatSignIn(input: {code: "none-${n}"}) { clientMutationId }`).join(' ')} }`

describe('counting', () => {
  test('50 aliased sign-ins count 50, in one request', async () => {
    const { body } = await graphql(await node(0), aliased(50))
    expect(body.errors).toHaveLength(50)
    expect(await counters()).toEqual([
      ['request by address in 60 s', 1],
      ['wechatSignIn by address in 60 s', 50],
    ])
  })

  test('an operation counts by all that is known of its caller', async () => {
    const user = await signIn(await node(0), simulator)
    await bindEntrances['REST GET']!(
      await node(0),
      await phoneCode(simulator, freshPhone()),
      user.accessToken,
    )
    await send(`${(await node(0)).url}/auth/v1/user`, { token: user.accessToken })
    expect(await counters()).toEqual([
      ['request by address in 60 s', 1],
      ['request by session in 60 s', 1],
      ['wechatBindPhone by address in 60 s', 1],
      ['wechatBindPhone by user in 60 s', 1],
      ['wechatBindPhone by user in 86400 s', 1],
      ['wechatSignIn by address in 60 s', 1],
    ])
  })

  test('the table tells neither users nor addresses', async () => {
    const user = await signIn(await node(0), simulator)
    await post(`${(await node(0)).url}/auth/v1/logout`, {}, user.accessToken)
    const table = JSON.stringify(await db.rows('select * from auth_private.rate_limits'))
    expect(table).not.toContain(user.userId)
    expect(table).not.toContain('127.0.0.1')
  })

  test('what is refused before it starts does not count, nor does the application itself', async () => {
    const url = (await node(0)).url
    await post(`${url}/auth/v1/wechat_mini/login`, { code: '' })
    await post(`${url}/auth/v1/wechat_mini/login`, { code: 'a' }, 'not-a-token')
    await graphql(await node(0), '{ __typename }', {}, 'not-a-token')
    await graphql(await node(0), '{ __typename }', {}, (await node(0)).services.apiKeys.serviceRole)
    expect(await counters()).toEqual([])
  })

  test('RATE_LIMITS=off counts nothing', async () => {
    await signIn(await start({ RATE_LIMITS: 'off' }), simulator)
    expect(await counters()).toEqual([])
  })
})

describe('refusing', () => {
  test('one limit for all nodes and both entrances, until the window ends', async () => {
    const [first, second, third] = [await node(0), await node(1), await node(2)]
    await signIn(first, simulator)
    await leave('wechatSignIn by address in 60 s', SIGN_INS, 1)
    await signIn(second, simulator)
    const calls = simulator.callCounts.jscode2session
    for (const node of [first, second]) {
      for (const [entrance, enter] of Object.entries(signInEntrances)) {
        const outcome = await enter(node, await loginCode(simulator, freshOpenid()))
        expect(outcome).toMatchObject({
          code: 'over_request_rate_limit',
          status: entrance === 'GraphQL' ? 200 : 429,
        })
        expect(Number(outcome.retryAfter)).toBeGreaterThan(50)
        expect(Number(outcome.retryAfter)).toBeLessThanOrEqual(60)
      }
    }
    expect(simulator.callCounts.jscode2session).toBe(calls)
    await endWindows()
    await signIn(third, simulator)
    expect(await counters()).toContainEqual(['wechatSignIn by address in 60 s', 1])
  })

  test('a node that has refused somebody does not ask the database again', async () => {
    await signIn(await node(0), simulator)
    await leave('wechatSignIn by address in 60 s', SIGN_INS, 0)
    const tryIt = async () =>
      (await post(`${(await node(0)).url}/auth/v1/wechat_mini/login`, { code: 'a-code' })).status
    expect(await tryIt()).toBe(429)
    const before = await counters()
    expect(await tryIt()).toBe(429)
    expect(await counters()).toEqual(before)
  })

  test('aliased operations pass one by one: those before the limit are done', async () => {
    await signIn(await node(0), simulator)
    await leave('wechatSignIn by address in 60 s', SIGN_INS, 30)
    const { body } = await graphql(await node(0), aliased(50))
    const codes = body.errors.map((error: { extensions: { code: string } }) => error.extensions.code)
    expect(codes.filter((code: string) => code === 'wechat_code_invalid')).toHaveLength(30)
    expect(codes.filter((code: string) => code === 'over_request_rate_limit')).toHaveLength(20)
  })

  test('a GraphQL request over its limit is not executed', async () => {
    await graphql(await node(0), '{ __typename }')
    await leave('request by address in 60 s', rules.request[1].points, 0)
    const answer = await graphql(await node(0), '{ __typename }')
    expect(answer).toMatchObject({
      status: 429,
      body: { errors: [{ extensions: { code: 'over_request_rate_limit' } }] },
    })
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(50)
  })

  test('a user is counted over all his sessions, and others are not', async () => {
    const [one, other] = [await signIn(await node(0), simulator), await signIn(await node(0), simulator)]
    const elsewhere = await signIn(await node(1), simulator, one.openid)
    const bind = bindEntrances['REST POST']!
    await bind(await node(0), await phoneCode(simulator, freshPhone()), one.accessToken)
    await leave('wechatBindPhone by user in 86400 s', rules.wechatBindPhone[1].points, 0)
    const code = await phoneCode(simulator, freshPhone())
    const refused = await bind(await node(1), code, elsewhere.accessToken)
    expect(refused).toMatchObject({ code: 'over_request_rate_limit', status: 429 })
    expect(Number(refused.retryAfter)).toBeGreaterThan(86_000)
    expect(await bind(await node(1), code, other.accessToken)).toMatchObject({ code: undefined })
  })

  test('a session is counted by its refresh token; on /token the answer keeps clients from giving it up', async () => {
    const [one, other] = [await signIn(await node(0), simulator), await signIn(await node(0), simulator)]
    const refresh = (node: Node, token: string) =>
      post(`${node.url}/auth/v1/token?grant_type=refresh_token`, { refresh_token: token })
    const { body } = await refresh(await node(0), one.refreshToken)
    await leave('refreshSession by session in 60 s', rules.refreshSession[0].points, 0)
    const answer = await refresh(await node(1), body.refresh_token)
    expect(answer).toMatchObject({ status: 503, body: { code: 503, error_code: 'over_request_rate_limit' } })
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(50)
    expect((await refresh(await node(1), other.refreshToken)).status).toBe(200)
    await endWindows()
    expect((await refresh(await node(2), body.refresh_token)).status).toBe(200)
  })

  test('a dead token uses up nothing of its owner', async () => {
    const user = await signIn(await node(0), simulator)
    const url = (await node(0)).url
    await post(`${url}/auth/v1/logout?scope=local`, {}, user.accessToken)
    const again = await signIn(await node(0), simulator, user.openid)
    const before = await counters()
    for (const [entrance, bind] of Object.entries(bindEntrances))
      expect([entrance, await bind(await node(0), 'a-code', user.accessToken)]).toMatchObject([
        entrance,
        { code: 'session_not_found' },
      ])
    const byUser = (rows: unknown[][]) => rows.filter(([limit]) => String(limit).includes('by user'))
    expect(byUser(await counters())).toEqual(byUser(before))
    expect((await send(`${url}/auth/v1/user`, { token: again.accessToken })).status).toBe(200)
  })

  test('who is over his own limit does not use up that of his address, nor does who may not bind at all', async () => {
    const user = await signIn(await node(0), simulator)
    const bind = bindEntrances['REST POST']!
    await bind(await node(0), 'a-code', user.accessToken)
    await leave('wechatBindPhone by user in 60 s', rules.wechatBindPhone[0].points, 1)
    for (let n = 0; n < 5; n++) await bind(await node(0), 'a-code', user.accessToken)
    await bind(await node(0), 'a-code')
    expect(await counters()).toContainEqual(['wechatBindPhone by address in 60 s', 2])
  })

  test('who hangs up before he is known is counted with all others who do', async () => {
    const { hostname, port } = new URL((await node(0)).url)
    for (let n = 0; n < 5; n++) {
      const socket = connect(Number(port), hostname)
      await once(socket, 'connect')
      socket.write('GET /auth/v1/wechat_mini/login?code=a-code HTTP/1.1\r\nhost: x\r\n\r\n', () =>
        socket.resetAndDestroy(),
      )
      await once(socket, 'close')
    }
    const counted = async () => (await counters()).reduce((sum, [, points]) => sum + Number(points), 0)
    while ((await counted()) < 5) await sleep(20)
  })

  test('a window that ends later than it can, because a clock was wrong, begins anew', async () => {
    await signIn(await node(0), simulator)
    await leave('wechatSignIn by address in 60 s', SIGN_INS, 0)
    await db.rows(`update auth_private.rate_limits set ends_at = now() + interval '40 days'`)
    await signIn(await node(0), simulator)
    expect(await counters()).toContainEqual(['wechatSignIn by address in 60 s', 1])
  })

  test('where nobody can count, nobody is let in and no code is spent', async () => {
    const wire = await startProxy(db.webUrl)
    const other = await start({}, wire.url)
    try {
      wire.cut()
      const code = await loginCode(simulator, freshOpenid())
      const calls = simulator.callCounts.jscode2session
      expect(await signInEntrances['REST POST']!(other, code)).toMatchObject({
        code: 'database_unavailable',
        status: 503,
      })
      expect(simulator.callCounts.jscode2session).toBe(calls)
      wire.mend()
      expect(await signInEntrances['REST POST']!(other, code)).toMatchObject({ code: undefined })
    } finally {
      await other.close()
      started.splice(started.indexOf(other), 1)
      await wire.close()
    }
  })
})

describe.each(everyRound)('round %i', () => {
  test('of 60 at once over three nodes just so many pass as the limit allows', async () => {
    await signIn(await node(0), simulator)
    await leave('wechatSignIn by address in 60 s', SIGN_INS, 20)
    const all = await Promise.all([node(0), node(1), node(2)])
    const outcomes = await Promise.all(
      Array.from({ length: 60 }, (_, n) =>
        signInEntrances[n % 2 ? 'REST POST' : 'GraphQL']!(all[n % 3]!, `no-code-${n}`),
      ),
    )
    const codes = outcomes.map(({ code }) => code)
    expect(codes.filter(code => code === 'wechat_code_invalid')).toHaveLength(20)
    expect(codes.filter(code => code === 'over_request_rate_limit')).toHaveLength(40)
  })
})

describe.each(everyRound)('round %i', () => {
  test('three nodes that count the same things in another order lose nothing and do not deadlock', async () => {
    const all = await Promise.all([node(0), node(1), node(2)])
    const counted = Array.from({ length: 600 }, (_, n) => ({
      session: `session ${(n * 7) % 10}`,
      address: `address ${(n * 13) % 4}`,
    }))
    const outcomes = await Promise.allSettled(
      counted.map((who, n) => all[n % 3]!.services.limits.count('refreshSession', who)),
    )
    // 60 a session, 150 an address: within the limits.
    expect(outcomes.filter(({ status }) => status === 'rejected')).toEqual([])
    expect(await counters()).toEqual([
      ...Array(4).fill(['refreshSession by address in 60 s', 150]),
      ...Array(10).fill(['refreshSession by session in 60 s', 60]),
    ])
  })
})

describe('client addresses', () => {
  const tries = async (node: Node, forwarded: string[]) => {
    for (const entry of forwarded) {
      const headers = { 'x-forwarded-for': entry }
      await post(`${node.url}/auth/v1/wechat_mini/login`, { code: 'a-code' }, undefined, headers)
      await post(`${node.url}/graphql`, { query: '{ __typename }' }, undefined, headers)
    }
    const points = async (limit: string) =>
      (await counters()).flatMap(([name, count]) => (name === limit ? [count] : []))
    return [await points('wechatSignIn by address in 60 s'), await points('request by address in 60 s')]
  }
  test.each<[string, string, string[], number[]]>([
    ['0', 'without a proxy the header changes nothing', ['1.1.1.1', '2.2.2.2', '3.3.3.3, 4.4.4.4'], [3]],
    [
      '1',
      'behind one, what the client wrote changes nothing',
      ['6.6.6.6, 9.9.9.9', '9.9.9.9', 'x, y, 9.9.9.9'],
      [3],
    ],
    ['1', 'behind one, its clients are told apart', ['8.8.8.8', '9.9.9.9', '8.8.8.8'], [1, 2]],
    [
      '2',
      'behind two, the second from the right is the client',
      ['1.1.1.1, 9.9.9.9, 5.5.5.5', '2.2.2.2, 9.9.9.9, 4.4.4.4'],
      [2],
    ],
  ])('TRUSTED_PROXIES=%s: %s', async (proxies, _what, forwarded, expected) => {
    const other = await start({ TRUSTED_PROXIES: proxies })
    expect(await tries(other, forwarded)).toEqual([expected, expected])
  })
})
