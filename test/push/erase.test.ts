import { randomUUID } from 'node:crypto'
import { bindEntrances, freshOpenid, freshPhone, graphql, loginCode, signIn } from '../support/client.ts'
import { APP, OTHER_APP } from './harness.ts'
import { allDone, bound, eventsOf, maskedIn, push, startWorld, tracesOf, type World } from './world.ts'

// From WeChat's push to the rows that are gone: simulator, service, inbox, relay, job.

const REVOKE = 'user_authorization_revoke'
const CANCEL = 'user_authorization_cancellation'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world.close())

const userRow = (id: string) => world.db.row('select * from auth.users where id = $1', [id])
const identities = (id: string) =>
  world.db.rows(
    'select appid, provider_id, unionid from auth.identities where user_id = $1 order by created_at',
    [id],
  )
const sessions = (id: string) => world.db.rows('select id from auth.sessions where user_id = $1', [id])
const entries = (id: string) =>
  world.db.rows(
    `select action, actor, details from auth.audit_log_entries where user_id = $1 and actor = 'wechat' order by id`,
    [id],
  )
const taken = { attempts: 1, status: 200, body: 'success' }

describe.each([
  ['json', true],
  ['xml', true],
])('a revocation of the phone, %s', (format, encrypted) => {
  test('takes it from everywhere', async () => {
    const user = await bound(world)
    const { phone: former } = user
    // What administrators wrote about it, and an event that no worker has seen.
    const admin = (statement: string, values: unknown[]) => world.db.rows(statement, values)
    await admin(`select auth.admin_unbind_phone($1, $2)`, [user.userId, `he lost +86${former}`])
    const next = freshPhone()
    await admin(`select auth.admin_bind_phone($1, $2, $3)`, [
      user.userId,
      `+86${next}`,
      `instead of ${former}`,
    ])
    await admin(
      `insert into auth_private.events (type, user_id, data, relayed_at)
       values ('phone.bound', $1, jsonb_build_object('phone', $2::text), 'infinity')`,
      [user.userId, `+86${next}`],
    )
    for (const digits of [former, next]) expect(await tracesOf(world, digits)).not.toEqual([])
    expect(await maskedIn(world, user.userId)).not.toEqual([])
    const { phone_revision: revision } = await userRow(user.userId)

    expect(await push(world, REVOKE, user.openid, { revoke_info: '8', format, encrypted })).toEqual(taken)
    await allDone(world)

    for (const digits of [former, next]) expect(await tracesOf(world, digits)).toEqual([])
    expect(await maskedIn(world, user.userId)).toEqual([])
    expect(await userRow(user.userId)).toMatchObject({
      phone: null,
      phone_confirmed_at: null,
      phone_raw: null,
      phone_revision: Number(revision) + 1,
      deleted_at: null,
      wechat_id: user.openid,
    })
    expect(await eventsOf(world, user.userId)).toEqual([
      { type: 'phone.bound', data: {} },
      { type: 'phone.unbound', data: {} },
      { type: 'phone.bound', data: {} },
      { type: 'phone.bound', data: {} },
      { type: 'authorization.revoked', data: { appid: APP, revoke_info: ['8'] } },
      { type: 'phone.unbound', data: {} },
    ])
    expect(await entries(user.userId)).toEqual([
      { action: 'authorization_revoked', actor: 'wechat', details: { appid: APP, revoke_info: ['8'] } },
    ])
    // Reasons stay, but for the digits.
    const { details } = await world.db.row<{ details: object }>(
      `select details from auth.audit_log_entries where user_id = $1 and action = 'phone_unbound'`,
      [user.userId],
    )
    expect(details).toEqual({ source: 'admin', reason: 'he lost ****' })
    // He stays signed in, and the code of his tap does not say "bound" any more.
    expect((await sessions(user.userId)).length).toBe(1)
    expect(await bindEntrances.GraphQL!(world.node, user.code, user.accessToken)).toMatchObject({
      code: 'wechat_code_used',
    })
  })
})

test('a revocation reaches accounts that were merged, and the number of nobody else', async () => {
  const [user, stranger] = [await bound(world), await bound(world)]
  const [first, second] = [freshPhone(), freshPhone()]
  const tombstone = async (phone: string, into: string) => {
    const { id } = await world.db.row<{ id: string }>(
      `insert into auth.users (phone, phone_confirmed_at, merged_into) values ($1, now(), $2) returning id`,
      [`+86${phone}`, into],
    )
    await world.db.rows(
      `insert into auth_private.events (type, user_id, data) values ('phone.bound', $1, jsonb_build_object('phone', $2::text))`,
      [id, `+86${phone}`],
    )
    return id
  }
  await tombstone(second, await tombstone(first, user.userId))
  await push(world, REVOKE, user.openid, { revoke_info: '8' })
  await allDone(world)
  for (const digits of [user.phone, first, second]) expect(await tracesOf(world, digits)).toEqual([])
  expect(await tracesOf(world, stranger.phone)).toEqual([
    'auth.phone_changes',
    'auth.users',
    'auth_private.events',
  ])
  expect(await maskedIn(world, stranger.userId)).toHaveLength(1)
})

test.each([
  ['6', { type: 'authorization.revoked', data: { appid: APP, revoke_info: ['6'] } }],
  ['16', { type: 'authorization.revoked', data: { appid: APP, revoke_info: ['16'] } }],
])('a revocation of %s is told to the application, and takes nothing', async (revokeInfo, event) => {
  const user = await bound(world)
  const before = await userRow(user.userId)
  await push(world, REVOKE, user.openid, { revoke_info: revokeInfo })
  await allDone(world)
  expect(await userRow(user.userId)).toEqual(before)
  expect((await eventsOf(world, user.userId)).at(-1)).toEqual(event)
  expect(await entries(user.userId)).toMatchObject([{ action: 'authorization_revoked' }])
})

test('of several things that are taken back the phone is one', async () => {
  const user = await bound(world)
  await push(world, REVOKE, user.openid, { revoke_info: ['6', '8'] })
  await allDone(world)
  expect(await tracesOf(world, user.phone)).toEqual([])
})

test('a revocation of one who has no phone unbinds none', async () => {
  const user = await signIn(world.node, world.simulator)
  await push(world, REVOKE, user.openid, { revoke_info: '8' })
  await allDone(world)
  expect((await eventsOf(world, user.userId)).map(({ type }) => type)).toEqual(['authorization.revoked'])
})

test('a new nickname changes nothing here', async () => {
  const user = await bound(world)
  await push(world, 'user_info_modified', user.openid)
  await allDone(world)
  expect(await entries(user.userId)).toEqual([])
  expect((await eventsOf(world, user.userId)).map(({ type }) => type)).toEqual(['phone.bound'])
})

describe('a cancellation', () => {
  test('of the only app deletes the account, with all that is personal', async () => {
    const user = await bound(world)
    await world.db.rows(
      `update auth.users set user_metadata = '{"name": "Alice"}', wechat_unionid = 'u-alice' where id = $1`,
      [user.userId],
    )
    expect(await push(world, CANCEL, user.openid)).toEqual(taken)
    await allDone(world)
    expect(await userRow(user.userId)).toMatchObject({
      deleted_at: expect.any(Date),
      phone: null,
      wechat_id: null,
      wechat_unionid: null,
      user_metadata: {},
      app_metadata: {},
    })
    expect(await identities(user.userId)).toEqual([
      { appid: APP, provider_id: expect.stringMatching(/^deleted-/), unionid: null },
    ])
    expect(await sessions(user.userId)).toEqual([])
    expect(await tracesOf(world, user.phone)).toEqual([])
    expect(await maskedIn(world, user.userId)).toEqual([])
    expect(await eventsOf(world, user.userId)).toEqual([
      { type: 'phone.bound', data: {} },
      { type: 'authorization.revoked', data: { appid: APP, revoke_info: [] } },
      { type: 'user.deleted', data: { hard: false } },
    ])
    expect((await entries(user.userId)).map(({ action }) => action)).toEqual([
      'authorization_revoked',
      'user_deleted',
    ])
    // His token is dead, and whoever comes back with this openid is a new user.
    const { body } = await graphql(world.node, '{ currentUser { id } }', {}, user.accessToken)
    expect(body.errors?.[0].extensions.code).toBe('session_not_found')
    expect((await signIn(world.node, world.simulator, user.openid)).userId).not.toBe(user.userId)
  })

  test.each([
    ['of the app under which he was first seen', APP, OTHER_APP],
    ['of a later one', OTHER_APP, APP],
  ])('%s leaves him the other', async (_which, appid, kept) => {
    const user = await bound(world)
    const second = freshOpenid()
    const code = await loginCode(world.simulator, second, { appid: OTHER_APP, unionid: `u-${second}` })
    const { body } = await graphql(
      world.node,
      'mutation ($code: String!) { wechatBindAccount(input: { code: $code }) { user { id } } }',
      { code },
      user.accessToken,
      { 'x-wechat-appid': OTHER_APP },
    )
    expect(body.errors).toBeUndefined()
    const openids: Record<string, string> = { [APP]: user.openid, [OTHER_APP]: second }
    await push(world, CANCEL, openids[appid]!, { appid })
    await allDone(world)
    expect(await identities(user.userId)).toMatchObject([{ appid: kept, provider_id: openids[kept] }])
    expect(await userRow(user.userId)).toMatchObject({
      deleted_at: null,
      phone: `+86${user.phone}`,
      wechat_id: openids[kept],
      wechat_unionid: kept === OTHER_APP ? `u-${second}` : null,
    })
    expect(await sessions(user.userId)).toEqual([])
    expect((await eventsOf(world, user.userId)).at(-1)).toEqual({
      type: 'authorization.revoked',
      data: { appid, revoke_info: [] },
    })
    expect((await entries(user.userId)).map(({ action }) => action)).toEqual([
      'authorization_revoked',
      'identity_unlinked',
    ])
    // The second one ends the account.
    await push(world, CANCEL, openids[kept]!, { appid: kept })
    await allDone(world)
    expect(await userRow(user.userId)).toMatchObject({ deleted_at: expect.any(Date), phone: null })
    expect(await tracesOf(world, user.phone)).toEqual([])
  })

  test('of the same openid in another app concerns somebody else', async () => {
    const user = await bound(world)
    await push(world, CANCEL, user.openid, { appid: OTHER_APP })
    await allDone(world)
    expect(await userRow(user.userId)).toMatchObject({ deleted_at: null, phone: `+86${user.phone}` })
  })
})

describe('nothing happens, and the push is done,', () => {
  test('where nobody has this openid', async () => {
    for (const event of [REVOKE, CANCEL]) await push(world, event, randomUUID(), { revoke_info: '8' })
    await allDone(world)
  })

  test('where the user was deleted', async () => {
    const user = await bound(world)
    await world.db.rows('select auth.admin_delete_user($1, $2)', [user.userId, 'he asked for it'])
    const before = [await userRow(user.userId), await entries(user.userId)]
    for (const event of [REVOKE, CANCEL]) await push(world, event, user.openid, { revoke_info: '8' })
    await allDone(world)
    expect([await userRow(user.userId), await entries(user.userId)]).toEqual(before)
  })

  test('where it was done before', async () => {
    const user = await bound(world)
    await push(world, REVOKE, user.openid, { revoke_info: '8' })
    await allDone(world)
    const { id } = await world.db.row<{ id: string }>(
      'select id from auth_private.wechat_pushes where openid = $1',
      [user.openid],
    )
    await world.db.rows(`update auth.users set phone = $2, phone_confirmed_at = now() where id = $1`, [
      user.userId,
      `+86${user.phone}`,
    ])
    const outcomes = [
      await world.db.row('select auth_private.wechat_apply_push($1) as outcome', [id]),
      await world.db.row('select auth_private.wechat_apply_push(0) as outcome'),
    ]
    expect(outcomes).toEqual(Array(2).fill({ outcome: 'done before' }))
    expect(await userRow(user.userId)).toMatchObject({ phone: `+86${user.phone}` })
  })
})

test('a banned user may take his phone back', async () => {
  const user = await bound(world)
  await world.db.rows(`select auth.admin_ban_user($1, 'infinity', 'spam')`, [user.userId])
  await push(world, REVOKE, user.openid, { revoke_info: '8' })
  await allDone(world)
  expect(await tracesOf(world, user.phone)).toEqual([])
})
