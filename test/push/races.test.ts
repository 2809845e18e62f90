import { bindEntrances, freshPhone, phoneCode, signIn } from '../support/client.ts'
import { everyRound } from '../support/rounds.ts'
import { APP, revocation, send } from './harness.ts'
import { allDone, bound, eventsOf, push, startWorld, tracesOf, type World } from './world.ts'

// Pushes beside whatever else happens to the same user at that moment.

const REVOKE = 'user_authorization_revoke'
const CANCEL = 'user_authorization_cancellation'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world.close())

const bind = async (user: { accessToken: string }, phone: string) =>
  bindEntrances.GraphQL!(world.node, await phoneCode(world.simulator, phone), user.accessToken)
const userRow = (id: string) => world.db.row('select * from auth.users where id = $1', [id])
const count = async (what: string, id: string) =>
  (await world.db.row<{ n: number }>(`select count(*)::int as n from ${what} where user_id = $1`, [id])).n

describe.each(everyRound)('round %i', () => {
  test('the same push many times over is one', async () => {
    const user = await bound(world)
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => send(world.node.url, 'json', revocation(user.openid), { aes: {} })),
    )
    expect(answers.map(({ text }) => text)).toEqual(Array(10).fill('success'))
    await allDone(world)
    expect((await eventsOf(world, user.userId)).map(({ type }) => type)).toEqual([
      'phone.bound',
      'authorization.revoked',
      'phone.unbound',
    ])
  })

  test('the same job many times at once does it once', async () => {
    const user = await bound(world)
    const { id } = await world.db.row<{ id: string }>(
      `insert into auth_private.wechat_pushes (appid, event, openid, revoke_info, create_time, relayed_at)
       values ($1, $2, $3, '{8}', now(), now()) returning id`,
      [APP, REVOKE, user.openid],
    )
    const outcomes = await Promise.all(
      Array.from({ length: 4 }, () =>
        world.db.row('select auth_private.wechat_apply_push($1) as outcome', [id]),
      ),
    )
    expect(outcomes.filter(({ outcome }) => outcome === 'done')).toHaveLength(1)
    expect(await tracesOf(world, user.phone)).toEqual([])
  })

  test('beside a bind: the former phone is gone, and the new one is there or is not', async () => {
    const user = await bound(world)
    const next = freshPhone()
    const [outcome] = await Promise.all([
      bind(user, next),
      push(world, REVOKE, user.openid, { revoke_info: '8' }),
    ])
    expect(outcome.code).toBeUndefined()
    await allDone(world)
    expect(await tracesOf(world, user.phone)).toEqual([])
    const { phone } = await userRow(user.userId)
    expect([null, `+86${next}`]).toContain(phone)
    if (phone === null) expect(await tracesOf(world, next)).toEqual([])
  })

  test('a cancellation beside a bind and a sign-in: he is gone, or somebody new is there', async () => {
    const user = await bound(world)
    const next = freshPhone()
    const [outcome, , again] = await Promise.all([
      bind(user, next),
      push(world, CANCEL, user.openid),
      signIn(world.node, world.simulator, user.openid),
    ])
    expect([undefined, 'session_not_found']).toContain(outcome.code)
    await allDone(world)
    expect(await userRow(user.userId)).toMatchObject({ deleted_at: expect.any(Date), phone: null })
    expect(await count('auth.sessions', user.userId)).toBe(0)
    for (const digits of [user.phone, next]) expect(await tracesOf(world, digits)).toEqual([])
    // Whoever signed in after it is a new user, and stays signed in.
    if (again.userId !== user.userId) expect(await count('auth.sessions', again.userId)).toBe(1)
  })

  test('a revocation and a cancellation at once', async () => {
    const user = await bound(world)
    await Promise.all([
      push(world, CANCEL, user.openid),
      push(world, REVOKE, user.openid, { revoke_info: '6,8' }),
      push(world, 'user_info_modified', user.openid),
    ])
    await allDone(world)
    expect(await userRow(user.userId)).toMatchObject({ deleted_at: expect.any(Date) })
    expect(await tracesOf(world, user.phone)).toEqual([])
    expect((await eventsOf(world, user.userId)).filter(({ type }) => type === 'user.deleted')).toHaveLength(1)
  })
})
