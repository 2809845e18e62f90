import { graphql, loginCode, post, type SignedIn, send, signIn } from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { everyRound } from '../support/rounds.ts'
import { type Node, startNode, startSimulator, type TestSimulator } from '../support/service.ts'

// How long sessions live where the operator limits them. The clock is not waited for: the row is made older.

let db: TestDatabase
let simulator: TestSimulator
let limited: Node
let single: Node
let free: Node

beforeAll(async () => {
  db = await createDatabase()
  simulator = await startSimulator()
  const node = (env: Record<string, string>) => startNode({ db, wechatUrl: simulator.url, env })
  limited = await node({ SESSION_TIMEBOX: '86400', SESSION_INACTIVITY_TIMEOUT: '7200' })
  single = await node({ SESSION_SINGLE_PER_USER: 'true' })
  free = await node({})
})
afterAll(async () => {
  for (const node of [limited, single, free]) await node.close()
  await simulator.close()
  await db.drop()
})

const refresh = (node: Node, { refreshToken }: SignedIn, token = refreshToken) =>
  post(`${node.url}/auth/v1/token?grant_type=refresh_token`, { refresh_token: token })
const refreshOverGraphql = (node: Node, { refreshToken }: SignedIn) =>
  graphql(
    node,
    'mutation ($t: String!) { refreshSession(input: { refreshToken: $t }) { session { expiresIn } } }',
    {
      t: refreshToken,
    },
  )
const isAlive = async (node: Node, { accessToken }: SignedIn) =>
  (await send(`${node.url}/auth/v1/user`, { token: accessToken })).status === 200

/** Makes the session older: seconds since the sign-in, and since the last refresh. */
const age = ({ userId }: SignedIn, created: number, refreshed: number) =>
  db.rows(
    `update auth.sessions set created_at = now() - $2 * interval '1 second', refreshed_at = now() - $3 * interval '1 second'
     where user_id = $1`,
    [userId, created, refreshed],
  )

describe.each([
  ['reached its time-box', 86_401, 10],
  ['not been refreshed for too long', 8_000, 7_201],
])('a session that has %s', (_what, created, refreshed) => {
  test('ends at its next refresh, with an audit entry', async () => {
    const user = await signIn(limited, simulator)
    await age(user, created, refreshed)
    expect(await refresh(limited, user)).toMatchObject({
      status: 400,
      body: { error_code: 'session_expired' },
    })
    expect(await isAlive(limited, user)).toBe(false)
    expect(await refresh(limited, user)).toMatchObject({ body: { error_code: 'refresh_token_not_found' } })
    expect(
      await db.rows(
        `select actor from auth.audit_log_entries where user_id = $1 and action = 'session_expired'`,
        [user.userId],
      ),
    ).toEqual([{ actor: 'user' }])
  })

  test('is told so by GraphQL too', async () => {
    const user = await signIn(limited, simulator)
    await age(user, created, refreshed)
    const { body } = await refreshOverGraphql(limited, user)
    expect(body.errors[0].extensions.code).toBe('session_expired')
  })

  test('goes on where there is no such limit', async () => {
    const user = await signIn(free, simulator)
    await age(user, created, refreshed)
    expect((await refresh(free, user)).status).toBe(200)
  })
})

test('a session just inside both limits is refreshed', async () => {
  const user = await signIn(limited, simulator)
  await age(user, 80_000, 7_000)
  expect(await refresh(limited, user)).toMatchObject({ status: 200, body: { expires_in: 3600 } })
})

test.each([
  ['ends with the time-box', 86_400 - 1_000, 1_000],
  ['lives 300 seconds all the same', 86_400 - 100, 300],
])('the last access token of a session %s', async (_what, created, expected) => {
  const user = await signIn(limited, simulator)
  await age(user, created, 10)
  const { body } = await refresh(limited, user)
  // A second may begin between the two clocks.
  expect(Math.abs(body.expires_in - expected)).toBeLessThan(30)
  const claims = JSON.parse(Buffer.from(body.access_token.split('.')[1], 'base64url').toString())
  expect(claims).toMatchObject({ exp: body.expires_at, iat: body.expires_at - body.expires_in })
})

describe('with one session per user', () => {
  test('a sign-in ends the others, at once and on every node', async () => {
    const first = await signIn(single, simulator)
    const second = await signIn(single, simulator, first.openid)
    for (const node of [single, free]) {
      expect(await isAlive(node, first)).toBe(false)
      expect(await isAlive(node, second)).toBe(true)
    }
    expect(await refresh(single, first)).toMatchObject({ body: { error_code: 'refresh_token_not_found' } })
  })

  test('nobody else’s session ends', async () => {
    const [user, stranger] = [await signIn(single, simulator), await signIn(single, simulator)]
    await signIn(single, simulator, user.openid)
    expect(await isAlive(single, stranger)).toBe(true)
  })

  test.each(everyRound)('of ten sign-ins at once one session is left (%d)', async () => {
    const { openid, userId } = await signIn(single, simulator)
    const codes = await Promise.all(Array.from({ length: 10 }, () => loginCode(simulator, openid)))
    const answers = await Promise.all(
      codes.map(code => post(`${single.url}/auth/v1/wechat_mini/login`, { code })),
    )
    expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(200))
    expect(await db.row('select count(*)::integer from auth.sessions where user_id = $1', [userId])).toEqual({
      count: 1,
    })
    const alive = await Promise.all(
      answers.map(({ body }) => send(`${single.url}/auth/v1/user`, { token: body.access_token })),
    )
    expect(alive.filter(({ status }) => status === 200)).toHaveLength(1)
  })
})
