import { events } from '../../scripts/reference/events.ts'
import { APP, send as push, revocation, TOKEN } from '../push/harness.ts'
import { bindEntrances, freshPhone, phoneCode, post, signIn } from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { type Node, startNode, startSimulator, type TestSimulator } from '../support/service.ts'

// docs/reference/events.md: what is in the body of each event, by events that really happened.

let db: TestDatabase
let simulator: TestSimulator
let node: Node
beforeAll(async () => {
  db = await createDatabase()
  simulator = await startSimulator()
  node = await startNode({ db, wechatUrl: simulator.url, env: { WECHAT_PUSH_TOKEN: TOKEN } })
})
afterAll(async () => {
  await node.close()
  await simulator.close()
  await db.drop()
})

const bindNew = async (token: string) => {
  const code = await phoneCode(simulator, freshPhone())
  expect(await bindEntrances['REST POST']!(node, code, token)).toMatchObject({ code: undefined })
}

const revoke = async (openid: string) => {
  expect(await push(node.url, 'json', revocation(openid))).toMatchObject({ status: 200 })
  await db.rows(
    'select auth_private.wechat_apply_push(id) from auth_private.wechat_pushes where done_at is null',
  )
}

test('every event has the members of the page, and no others', async () => {
  const [alice, bob, carol] = [
    await signIn(node, simulator),
    await signIn(node, simulator),
    await signIn(node, simulator),
  ]
  for (const { accessToken } of [alice, bob]) await bindNew(accessToken)
  await post(`${node.url}/auth/v1/wechat_mini/unbind_phone`, {}, alice.accessToken)
  await revoke(bob.openid)
  const made = await post(`${node.url}/auth/v1/admin/users`, {}, node.services.apiKeys.serviceRole)
  await db.rows('select * from auth.admin_merge_users($1, $2, $3)', [
    alice.userId,
    made.body.id,
    'one person',
  ])
  await db.rows(`select auth.admin_delete_user($1, 'he has asked for it')`, [carol.userId])
  await db.rows(
    `select * from auth_private.wechat_count_calls(gen_random_uuid(), 1, array[$1], array[current_date],
       array['getuserphonenumber'], array[0], array[100], 0.01)`,
    [APP],
  )

  const rows = await db.rows<{ type: string; members: string[] }>(
    `select type, array(select jsonb_object_keys(data) order by 1) as members from auth_private.events order by id`,
  )
  const seen = Object.fromEntries(
    Object.keys(events).map(type => [
      type,
      [...new Set(rows.filter(row => row.type === type).flatMap(({ members }) => members))].sort(),
    ]),
  )
  const told = Object.entries(events).map(([type, { data }]) => [type, Object.keys(data).sort()])
  expect(seen).toEqual(Object.fromEntries(told))

  // A member is absent where the page says so, and only there.
  const sometimes = Object.entries(events).flatMap(([type, { data }]) =>
    Object.keys(data).filter(member => rows.some(row => row.type === type && !row.members.includes(member))),
  )
  const toldSometimes = Object.values(events).flatMap(({ data }) =>
    Object.entries(data).flatMap(([member, what]) => (what.includes('absent') ? [member] : [])),
  )
  expect(sometimes).toEqual(toldSometimes)
})
