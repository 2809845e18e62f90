import { randomUUID } from 'node:crypto'
import {
  bindEntrances,
  freshOpenid,
  freshPhone,
  graphql,
  loginCode,
  phoneCode,
  post,
  send,
} from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { everyRound } from '../support/rounds.ts'
import { type Node, startNode, startSimulator, type TestSimulator } from '../support/service.ts'

// One person, several mini programs of one service: an openid in each, and a unionid that WeChat tells sooner or later.

const apps = Object.fromEntries(['a', 'b', 'c'].map(name => [`wx${name.repeat(16)}`, `secret of ${name}`]))
const appids = Object.keys(apps)

let db: TestDatabase
let simulator: TestSimulator
let nodes: Node[]
let node: Node

beforeAll(async () => {
  db = await createDatabase()
  await db.owner.query(`create table public.scores (user_id uuid references auth.users, n int);
    create index on public.scores (user_id);
    select auth.admin_register_owned_table('public.scores', 'user_id', 'move');
    create table public.badges (user_id uuid, unique (user_id) deferrable initially deferred);
    select auth.admin_register_owned_table('public.badges', 'user_id', 'move');
    create table public.unregistered (user_id uuid references auth.users)`)
  simulator = await startSimulator({ apps })
  const [first, ...others] = Object.entries(apps)
  nodes = await Promise.all(
    [1, 2].map(() =>
      startNode({
        db,
        wechatUrl: simulator.url,
        env: {
          WECHAT_APP_ID: first![0],
          WECHAT_APP_SECRET: first![1],
          WECHAT_APPS: JSON.stringify(Object.fromEntries(others)),
        },
      }),
    ),
  )
  node = nodes[0]!
})
afterAll(async () => {
  await Promise.all(nodes.map(each => each.close()))
  await simulator.close()
  await db.drop()
})

interface Person {
  openids: string[]
  unionid: string
}
const person = (): Person => ({ openids: appids.map(freshOpenid), unionid: `u-${randomUUID()}` })

/** Signs in to an app, by which WeChat tells the unionid or does not. */
async function signIn({ openids, unionid }: Person, app: number, isTold: boolean, at = node) {
  const code = await loginCode(simulator, openids[app]!, { appid: appids[app], ...(isTold && { unionid }) })
  const { status, body } = await post(`${at.url}/auth/v1/wechat_mini/login`, { code }, undefined, {
    'x-wechat-appid': appids[app],
  })
  expect({ status, error: body.error_code }).toEqual({ status: 200, error: undefined })
  return { userId: body.user.id as string, accessToken: body.access_token as string, appid: appids[app]! }
}

const living = ({ unionid }: Person) =>
  db.rows<{ id: string; phone: string | null }>(
    'select id, phone from auth.users where wechat_unionid = $1 and merged_into is null',
    [unionid],
  )
const accountsOf = async ({ openids }: Person) =>
  (
    await db.rows<{ user_id: string }>(
      'select distinct user_id from auth.identities where provider_id = any ($1)',
      [openids],
    )
  ).map(({ user_id }) => user_id)

const orders = [0, 1, 2].flatMap(a => [0, 1, 2].flatMap(b => [0, 1, 2].map(c => [a, b, c])))
const told = [0, 1, 2, 3, 4, 5, 6, 7].map(bits => [0, 1, 2].map(bit => (bits & (1 << bit)) > 0))
const arrivals = orders.flatMap(order => told.map(told => ({ order, told })))

async function arrive({ order, told }: (typeof arrivals)[number]) {
  const who = person()
  const seen = []
  for (const [i, app] of order.entries()) seen.push(await signIn(who, app, told[i]!))
  // Once more everywhere, with the unionid.
  for (const app of new Set(order)) seen.push(await signIn(who, app, true))
  expect({ order, told, accounts: (await accountsOf(who)).length }).toEqual({ order, told, accounts: 1 })
  const [{ id } = { id: '' }, ...others] = await living(who)
  expect(others).toEqual([])
  expect(seen.at(-1)!.userId).toBe(id)
  for (const { accessToken } of seen) {
    const { body } = await send(`${node.url}/auth/v1/user`, { token: accessToken })
    expect(body.id).toBe(id)
  }
}

test('in whatever order openids and the unionid arrive, one person ends with one account', async () => {
  const left = [...arrivals]
  const lane = async () => {
    for (let next = left.pop(); next; next = left.pop()) await arrive(next)
  }
  await Promise.all(Array.from({ length: 8 }, lane))
}, 180_000)

test.each(everyRound)(
  'sign-ins in all apps at once, with and without the unionid, over two nodes (round %i)',
  async () => {
    const who = person()
    await Promise.all(
      Array.from({ length: 18 }, (_, i) => signIn(who, i % 3, Math.random() < 0.5, nodes[i % 2])),
    )
    for (const app of [0, 1, 2]) await signIn(who, app, true)
    expect(await accountsOf(who)).toHaveLength(1)
    expect(await living(who)).toHaveLength(1)
  },
)

async function bindPhone(
  { accessToken, appid }: { accessToken: string; appid: string },
  phone = freshPhone(),
) {
  const code = await phoneCode(simulator, phone, { appid })
  const outcome = await bindEntrances['REST POST']!(node, code, accessToken, { 'x-wechat-appid': appid })
  expect(outcome).toMatchObject({ code: undefined, phone: `+86${phone}` })
  return phone
}

test('the account with the phone stays, whichever came first, and rows go along', async () => {
  const who = person()
  const first = await signIn(who, 0, false)
  const second = await signIn(who, 1, true)
  const phone = await bindPhone(second)
  await db.rows('insert into public.scores values ($1, 7)', [first.userId])
  const joined = await signIn(who, 0, true)
  expect(joined.userId).toBe(second.userId)
  expect(await living(who)).toEqual([{ id: second.userId, phone: `+86${phone}` }])
  expect(await db.rows('select n from public.scores where user_id = $1', [second.userId])).toEqual([{ n: 7 }])
  const { body } = await graphql(node, '{ currentUser { id phone } }', {}, first.accessToken)
  expect(body.data.currentUser).toEqual({ id: second.userId, phone: `+86${phone}` })
})

test.each<[string, (first: string, second: string) => Promise<unknown>]>([
  [
    'of whom one is banned',
    first => db.rows(`update auth.users set banned_until = now() + '1 s' where id = $1`, [first]),
  ],
  [
    'of whom both have a phone, and not the same',
    async (first, second) => {
      for (const id of [first, second]) {
        await db.rows('update auth.users set phone = $2, phone_confirmed_at = now() where id = $1', [
          id,
          `+86${freshPhone()}`,
        ])
      }
    },
  ],
  [
    'where a constraint speaks at the end of the transaction',
    async (first, second) => {
      for (const id of [first, second]) await db.rows('insert into public.badges values ($1)', [id])
    },
  ],
  [
    'whose rows would stay behind',
    (first, second) => db.rows('insert into public.unregistered values ($1), ($2)', [first, second]),
  ],
])('two accounts %s stay two, and he signs in to that of his openid', async (what, prepare) => {
  const who = person()
  const first = await signIn(who, 0, false)
  const second = await signIn(who, 1, true)
  await prepare(first.userId, second.userId)
  if (what.includes('banned')) {
    const code = await loginCode(simulator, who.openids[0]!, { appid: appids[0], unionid: who.unionid })
    const { body } = await post(`${node.url}/auth/v1/wechat_mini/login`, { code }, undefined, {
      'x-wechat-appid': appids[0],
    })
    expect(body.error_code).toBe('user_banned')
  } else {
    expect((await signIn(who, 0, true)).userId).toBe(first.userId)
  }
  expect(await accountsOf(who)).toHaveLength(2)
  expect(await living(who)).toMatchObject([{ id: second.userId }])
})

test('a code is good in the app that it was made for', async () => {
  const who = person()
  const user = await signIn(who, 0, true)
  const code = await phoneCode(simulator, freshPhone(), { appid: appids[1] })
  const outcome = await bindEntrances.GraphQL!(node, code, user.accessToken, { 'x-wechat-appid': appids[0] })
  expect(outcome.code).toBe('wechat_code_invalid')
  const others = await bindEntrances.GraphQL!(node, code, user.accessToken, { 'x-wechat-appid': appids[1] })
  expect(others).toMatchObject({ code: undefined })
})
