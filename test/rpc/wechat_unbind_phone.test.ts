import {
  bindEntrances,
  freshPhone,
  graphql,
  phoneCode,
  post,
  type SignedIn,
  signIn,
} from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { everyRound } from '../support/rounds.ts'
import { type Node, startNode, startSimulator, type TestSimulator } from '../support/service.ts'

let db: TestDatabase
let simulator: TestSimulator
let node: Node

beforeAll(async () => {
  db = await createDatabase()
  simulator = await startSimulator()
  node = await startNode({ db, wechatUrl: simulator.url })
})
afterAll(async () => {
  await node.close()
  await simulator.close()
  await db.drop()
})

const bind = bindEntrances['REST POST']!

const entrances: Record<string, (user: SignedIn) => Promise<{ code?: string; phone?: string | null }>> = {
  GraphQL: async ({ accessToken }) => {
    const mutation = 'mutation { wechatUnbindPhone(input: {}) { user { id phone phoneConfirmedAt } } }'
    const { body } = await graphql(node, mutation, {}, accessToken)
    return body.errors
      ? { code: body.errors[0].extensions.code }
      : { phone: body.data.wechatUnbindPhone.user.phone ?? '' }
  },
  REST: async ({ accessToken }) => {
    const { body } = await post(`${node.url}/auth/v1/wechat_mini/unbind_phone`, {}, accessToken)
    return body.error_code ? { code: body.error_code } : { phone: body.phone }
  },
}

async function withPhone() {
  const phone = freshPhone()
  const user = await signIn(node, simulator)
  const code = await phoneCode(simulator, phone)
  expect(await bind(node, code, user.accessToken)).toMatchObject({ code: undefined })
  return { user, phone: `+86${phone}`, code, national: phone }
}
const changesOf = ({ userId }: SignedIn) =>
  db.rows('select former, phone, how, actor from auth.phone_changes where user_id = $1 order by id', [userId])
const eventsOf = ({ userId }: SignedIn) =>
  db.rows(
    `select type, data from auth_private.events where user_id = $1 and type like 'phone.%' order by id`,
    [userId],
  )

describe.each(Object.entries(entrances))('by %s', (_entrance, unbind) => {
  test('the phone is gone, and the history, the log and an event tell of it', async () => {
    const { user, phone } = await withPhone()
    expect(await unbind(user)).toEqual({ phone: '' })
    expect(
      await db.row('select phone, phone_confirmed_at, phone_raw from auth.users where id = $1', [
        user.userId,
      ]),
    ).toEqual({ phone: null, phone_confirmed_at: null, phone_raw: null })
    expect(await changesOf(user)).toEqual([
      { former: null, phone, how: 'bind', actor: 'user' },
      { former: phone, phone: null, how: 'unbind', actor: 'user' },
    ])
    expect(await eventsOf(user)).toEqual([
      { type: 'phone.bound', data: { phone } },
      { type: 'phone.unbound', data: { phone } },
    ])
    expect(
      await db.row(
        'select action, actor, session_id is not null as has_session, details from auth.audit_log_entries where user_id = $1 order by id desc limit 1',
        [user.userId],
      ),
    ).toEqual({
      action: 'phone_unbound',
      actor: 'user',
      has_session: true,
      details: { source: 'user', phone: `${phone.slice(0, 6)}****${phone.slice(-4)}` },
    })
  })

  test('twice is once, and without a phone it is nothing', async () => {
    const { user } = await withPhone()
    await unbind(user)
    expect(await unbind(user)).toEqual({ phone: '' })
    expect(await eventsOf(user)).toHaveLength(2)
    const without = await signIn(node, simulator)
    expect(await unbind(without)).toEqual({ phone: '' })
    expect(await changesOf(without)).toEqual([])
  })

  test('the code that bound it is used up; another tap binds it again, for him or for somebody else', async () => {
    const { user, code, national, phone } = await withPhone()
    await unbind(user)
    expect(await bind(node, code, user.accessToken)).toMatchObject({ code: 'wechat_code_used', status: 409 })
    const other = await signIn(node, simulator)
    expect(await bind(node, await phoneCode(simulator, national), other.accessToken)).toMatchObject({ phone })
    expect(await bind(node, await phoneCode(simulator, national), user.accessToken)).toMatchObject({
      code: 'phone_exists',
    })
    await unbind(other)
    expect(await bind(node, await phoneCode(simulator, national), user.accessToken)).toMatchObject({ phone })
    // It has left and come back: what the first code put there is not what is there now.
    expect(await bind(node, code, user.accessToken)).toMatchObject({ code: 'wechat_code_used' })
  })

  test('not where it is all that leads to the account', async () => {
    const { user, phone } = await withPhone()
    await db.rows('delete from auth.identities where user_id = $1', [user.userId])
    expect(await unbind(user)).toEqual({ code: 'single_identity_not_deletable' })
    expect(await db.row('select phone from auth.users where id = $1', [user.userId])).toEqual({ phone })
  })
})

test('needs a user', async () => {
  const { status, body } = await post(`${node.url}/auth/v1/wechat_mini/unbind_phone`, {})
  expect([status, body.error_code]).toEqual([401, 'no_authorization'])
})

test.each(everyRound)(
  'binds and unbinds of one user at once: history and events tell the same story (round %i)',
  async () => {
    const user = await signIn(node, simulator)
    const phones = [freshPhone(), freshPhone()]
    const codes = await Promise.all(
      Array.from({ length: 12 }, (_, i) => phoneCode(simulator, phones[i % 2]!)),
    )
    const work = codes.flatMap((code, i) => [
      () => bind(node, code, user.accessToken),
      () => Object.values(entrances)[i % 2]!(user),
    ])
    await Promise.all(work.map(each => each()))
    const changes = await changesOf(user)
    changes.reduce((former: unknown, change) => {
      expect(change.former).toBe(former)
      return change.phone
    }, null)
    const { phone } = await db.row('select phone from auth.users where id = $1', [user.userId])
    expect(changes.at(-1)!.phone).toBe(phone)
    const told = (await eventsOf(user)).map(({ type, data }) => [type, (data as { phone: string }).phone])
    expect(told).toEqual(
      changes.map(({ former, phone }) => (phone ? ['phone.bound', phone] : ['phone.unbound', former])),
    )
  },
)
