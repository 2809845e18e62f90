import { graphql, post, type SignedIn, send, signIn } from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { everyRound } from '../support/rounds.ts'
import { end, launchServe, type ServeProcess } from '../support/serve.ts'
import { startSimulator, type TestSimulator } from '../support/service.ts'

// One refresh token in many hands at once, over two processes of the service, with the rate limits as in production.

let db: TestDatabase
let simulator: TestSimulator
let services: ServeProcess[]

beforeAll(async () => {
  db = await createDatabase()
  simulator = await startSimulator()
  services = await Promise.all([1, 2].map(() => launchServe({ db, wechatUrl: simulator.url })))
})
afterAll(async () => {
  for (const { child } of services) await end(child)
  await simulator.close()
  await db.drop()
})

const REFRESH =
  'mutation ($t: String!) { refreshSession(input: { refreshToken: $t }) { session { access_token: accessToken refresh_token: refreshToken } } }'

interface Tokens {
  access_token: string
  refresh_token: string
}

async function refresh(index: number, token: string): Promise<Tokens> {
  const { node } = services[index % 2]!
  if (index % 3 === 0) {
    const { body } = await graphql(node, REFRESH, { t: token })
    expect(body.errors).toBeUndefined()
    return body.data.refreshSession.session
  }
  const { status, body } = await post(`${node.url}/auth/v1/token?grant_type=refresh_token`, {
    refresh_token: token,
  })
  expect([status, body.error_code]).toEqual([200, undefined])
  return body
}
const hundred = (work: (index: number) => Promise<Tokens>) =>
  Promise.all(Array.from({ length: 100 }, (_, index) => work(index)))
const sessions = ({ userId }: SignedIn) =>
  db.rows<{ refresh_counter: string }>('select refresh_counter from auth.sessions where user_id = $1', [
    userId,
  ])

describe.each(everyRound)('round %i', () => {
  test('100 refreshes of one token: one living session, and everybody holds a working pair', async () => {
    const user = await signIn(services[0]!.node, simulator)
    const all = await hundred(index => refresh(index, user.refreshToken))
    expect(await sessions(user)).toEqual([{ refresh_counter: '1' }])
    expect(new Set(all.map(({ refresh_token }) => refresh_token)).size).toBe(1)
    const seen = await Promise.all(
      all.map(({ access_token }, index) =>
        send(`${services[(index + 1) % 2]!.node.url}/auth/v1/user`, { token: access_token }),
      ),
    )
    expect(new Set(seen.map(({ status, body }) => `${status} ${body.id}`))).toEqual(
      new Set([`200 ${user.userId}`]),
    )
    expect((await refresh(1, all[0]!.refresh_token)).refresh_token).not.toBe(all[0]!.refresh_token)
  })

  test('50 go on with the next token while 50 still send the one before: nobody is signed out', async () => {
    const user = await signIn(services[0]!.node, simulator)
    const next = await refresh(1, user.refreshToken)
    await hundred(index => refresh(index, index % 2 ? next.refresh_token : user.refreshToken))
    expect(await sessions(user)).toEqual([{ refresh_counter: '2' }])
  })
})
