import { randomUUID } from 'node:crypto'
import {
  bindEntrances,
  loginCode,
  phoneCode,
  post,
  type SignedIn,
  signIn,
  signInEntrances,
} from '../support/client.ts'
import { everyRound } from '../support/rounds.ts'
import { type Node, startNode } from '../support/service.ts'
import {
  type AdminBench,
  auditOf,
  eventsOf,
  freshE164,
  request,
  startAdminBench,
  whoIs,
} from './admin_fixture.ts'

// Administrators against one another, and against the users.

let bench: AdminBench
let nodes: [Node, Node]

beforeAll(async () => {
  bench = await startAdminBench()
  nodes = [bench.node, await startNode({ db: bench.db, wechatUrl: bench.simulator.url })]
})
afterAll(async () => {
  await nodes[1].close()
  await bench.close()
})

const users = (count: number) =>
  Promise.all(Array.from({ length: count }, () => signIn(bench.node, bench.simulator)))
/** On one node or the other. */
const admin = (index: number, method: string, path: string, body?: object) => {
  const node = nodes[index % 2]!
  return request(node, method, path, node.services.apiKeys.serviceRole, body)
}
const softly = { should_soft_delete: true }
const statuses = (answers: { status: number }[]) => answers.map(({ status }) => status).sort()
const refresh = async (index: number, { refreshToken: refresh_token }: SignedIn) =>
  (await post(`${nodes[index % 2]!.url}/auth/v1/token?grant_type=refresh_token`, { refresh_token })).body
const holders = (phone: string) =>
  bench.db.rows<{ id: string }>('select id from auth.users where phone = $1', [phone])

describe.each(everyRound)('round %i', () => {
  test('one phone for 10 users: one has it, 9 times phone_exists with nothing changed', async () => {
    const phone = freshE164()
    const ten = await users(10)
    const answers = await Promise.all(
      ten.map(({ userId }, index) =>
        admin(index, 'PUT', `/users/${userId}`, { phone, user_metadata: { index } }),
      ),
    )
    expect(statuses(answers)).toEqual([200, ...Array(9).fill(422)])
    const winner = answers.findIndex(({ status }) => status === 200)
    expect(await holders(phone)).toEqual([{ id: ten[winner]!.userId }])
    for (const [index, { userId }] of ten.entries()) {
      const { body } = await admin(0, 'GET', `/users/${userId}`)
      expect(body.user_metadata).toEqual(index === winner ? { index } : {})
    }
  })

  test('two phones for one user, and metadata from 10: the last phone stays, every key is there', async () => {
    const [{ userId }] = (await users(1)) as [SignedIn]
    const phones = [freshE164(), freshE164()]
    const answers = await Promise.all([
      ...phones.map((phone, index) => admin(index, 'PUT', `/users/${userId}`, { phone })),
      ...Array.from({ length: 10 }, (_, index) =>
        admin(index, 'PUT', `/users/${userId}`, { app_metadata: { [`key${index}`]: index } }),
      ),
    ])
    expect(statuses(answers)).toEqual(Array(12).fill(200))
    const { body } = await admin(0, 'GET', `/users/${userId}`)
    expect(Object.keys(body.app_metadata)).toHaveLength(12)
    const told = (await eventsOf(bench.db, userId)).filter(({ type }) => type === 'phone.bound')
    expect(told).toHaveLength(2)
    expect(told.at(-1)!.data).toEqual({ phone: `+86${body.phone}` })
  })

  test('one id made by 5: one user', async () => {
    const id = randomUUID()
    const answers = await Promise.all(
      [1, 2, 3, 4, 5].map(index => admin(index, 'POST', '/users', { id, phone: freshE164() })),
    )
    expect(statuses(answers)).toEqual([200, 400, 400, 400, 400])
    expect((await auditOf(bench.db, id)).map(({ action }) => action)).toEqual(['user_created', 'phone_bound'])
  })

  test.each([
    ['softly', softly],
    ['hard', {}],
  ])('deleted %s while he binds by 3 taps: the phones are free afterwards', async (_how, body) => {
    const [user] = (await users(1)) as [SignedIn]
    const phones = [freshE164(), freshE164(), freshE164()]
    const codes = await Promise.all(phones.map(phone => phoneCode(bench.simulator, phone.slice(3))))
    const binds = Object.values(bindEntrances)
    const [deletion, ...outcomes] = await Promise.all([
      admin(1, 'DELETE', `/users/${user.userId}`, body),
      ...codes.map((code, index) => binds[index]!(nodes[index % 2]!, code, user.accessToken)),
    ])
    expect(deletion.status).toBe(200)
    for (const { code } of outcomes) expect([undefined, 'session_not_found']).toContain(code)
    for (const phone of phones) expect(await holders(phone)).toEqual([])
    expect(await whoIs(bench.node, user)).toEqual(['session_not_found', 'session_not_found'])
    expect((await eventsOf(bench.db, user.userId)).at(-1)).toMatchObject({ type: 'user.deleted' })
  })

  test.each([
    ['softly', softly],
    ['hard', {}],
  ])('deleted %s while he signs in: whoever is alive afterwards is one user', async (_how, body) => {
    const [user] = (await users(1)) as [SignedIn]
    const codes = await Promise.all([1, 2, 3, 4].map(() => loginCode(bench.simulator, user.openid)))
    const login = signInEntrances['REST POST']!
    const [deletion, ...outcomes] = await Promise.all([
      admin(0, 'DELETE', `/users/${user.userId}`, body),
      ...codes.map((code, index) => login(nodes[index % 2]!, code)),
    ])
    expect(deletion.status).toBe(200)
    for (const { code } of outcomes) expect(code).toBeUndefined()
    const others = new Set(outcomes.map(({ userId }) => userId).filter(id => id !== user.userId))
    expect(others.size).toBeLessThanOrEqual(1)
    expect(
      (await admin(0, 'GET', `/users?openid=${user.openid}`)).body.users.map(({ id }: { id: string }) => id),
    ).toEqual([...others])
    expect(await bench.db.rows('select from auth.sessions where user_id = $1', [user.userId])).toEqual([])
  })

  test('deleted by 4 at once: once', async () => {
    for (const [bodies, expected] of [
      [
        [softly, softly, softly, softly],
        [200, 200, 200, 200],
      ],
      [
        [{}, {}, {}, {}],
        [200, 404, 404, 404],
      ],
    ] as const) {
      const [{ userId }] = (await users(1)) as [SignedIn]
      const answers = await Promise.all(
        bodies.map((body, index) => admin(index, 'DELETE', `/users/${userId}`, body)),
      )
      expect(statuses(answers)).toEqual(expected)
      expect((await eventsOf(bench.db, userId)).filter(({ type }) => type === 'user.deleted')).toHaveLength(1)
    }
  })

  test('banned while he refreshes: the token that he may have got is good for nothing until he is not banned', async () => {
    const [user] = (await users(1)) as [SignedIn]
    const [ban, ...refreshed] = await Promise.all([
      admin(1, 'PUT', `/users/${user.userId}`, { ban_duration: '1h' }),
      ...[1, 2, 3].map(index => refresh(index, user)),
    ])
    expect(ban.status).toBe(200)
    for (const { error_code } of refreshed) expect([undefined, 'user_banned']).toContain(error_code)
    const tokens = [user.accessToken, ...refreshed.flatMap(({ access_token }) => access_token ?? [])]
    for (const accessToken of tokens) {
      expect(await whoIs(bench.node, { accessToken })).toEqual(['user_banned', 'user_banned'])
    }
    await admin(0, 'PUT', `/users/${user.userId}`, { ban_duration: 'none' })
    for (const accessToken of tokens) {
      expect(await whoIs(bench.node, { accessToken })).toEqual([user.userId, user.userId])
    }
  })

  test('his sessions ended while he refreshes: no token lives', async () => {
    const [user] = (await users(1)) as [SignedIn]
    const [ended, ...refreshed] = await Promise.all([
      admin(1, 'DELETE', `/users/${user.userId}/sessions`),
      ...[1, 2, 3].map(index => refresh(index, user)),
    ])
    expect(ended.body).toEqual({ ended: 1 })
    for (const { error_code } of refreshed)
      expect([undefined, 'refresh_token_not_found']).toContain(error_code)
    for (const { access_token } of refreshed.filter(({ access_token }) => access_token)) {
      expect(await whoIs(bench.node, { accessToken: access_token })).toEqual(
        Array(2).fill('session_not_found'),
      )
    }
  })

  test('everything at once, of one user: only answers of the catalogue, and no deadlock', async () => {
    const [user] = (await users(1)) as [SignedIn]
    const path = `/users/${user.userId}`
    const calls = [
      () => admin(0, 'PUT', path, { phone: freshE164(), user_metadata: { a: 1 } }),
      () => admin(1, 'PUT', path, { ban_duration: '1h' }),
      () => admin(0, 'PUT', path, { ban_duration: 'none' }),
      () => admin(1, 'DELETE', `${path}/sessions`),
      () => admin(0, 'GET', `${path}/sessions`),
      () => admin(1, 'DELETE', path, softly),
      () => admin(0, 'DELETE', path),
      async () => refresh(1, user).then(body => ({ status: body.code ?? 200 })),
      async () => ({ status: (await login(user)) ?? 200 }),
    ]
    const answers = await Promise.all([...calls, ...calls].map(call => call()))
    for (const { status } of answers) expect([200, 400, 403, 404]).toContain(status)
  })
})

const login = async ({ openid }: SignedIn) => {
  const { code, status } = await signInEntrances['REST POST']!(
    bench.node,
    await loginCode(bench.simulator, openid),
  )
  return code && status
}
