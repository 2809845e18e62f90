import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { SIMULATOR_APP_ID } from '../../src/simulator/app_id.ts'
import {
  bindEntrances,
  freshPhone,
  graphql,
  phoneCode,
  post,
  type SignedIn,
  send,
  signIn,
} from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { everyRound } from '../support/rounds.ts'
import { type Node, startNode, startSimulator, type TestSimulator } from '../support/service.ts'

// PHONE_CONFLICT=merge: an account that binds the phone of another one becomes part of it.

const OTHER_APP = 'wx2222222222222222'

let db: TestDatabase
let simulator: TestSimulator
let nodes: Node[]
let node: Node
let rejecting: Node

beforeAll(async () => {
  db = await createDatabase()
  await db.owner.query(`
    create table public.notes (id int generated always as identity primary key,
      user_id uuid not null default auth.uid() references auth.users, body text);
    create index on public.notes (user_id);
    alter table public.notes enable row level security;
    create policy own on public.notes to authenticated using (user_id = (select auth.uid())) with check (user_id = (select auth.uid()));
    grant select, insert on public.notes to authenticated;
    create table public.wallets (user_id uuid primary key references auth.users, credit int);
    select auth.admin_register_owned_table('public.notes', 'user_id', 'move');
    select auth.admin_register_owned_table('public.wallets', 'user_id', 'refuse')`)
  simulator = await startSimulator()
  const env = { PHONE_CONFLICT: 'merge' }
  nodes = await Promise.all([1, 2, 3].map(() => startNode({ db, wechatUrl: simulator.url, env })))
  node = nodes[0]!
  rejecting = await startNode({ db, wechatUrl: simulator.url })
})
afterAll(async () => {
  await Promise.all([...nodes, rejecting].map(each => each.close()))
  await simulator.close()
  await db.drop()
})

/** Somebody who has a phone and no openid of this app: imported, or known from another mini program. */
async function createOwner(phone: string, columns: Record<string, unknown> = {}) {
  const all = { phone: `+86${phone}`, phone_confirmed_at: '2020-01-01T00:00:00Z', ...columns }
  const names = Object.keys(all)
  const { id } = await db.row<{ id: string }>(
    `insert into auth.users (${names}) values (${names.map((_, i) => `$${i + 1}`)}) returning id`,
    Object.values(all),
  )
  await db.rows('insert into auth.identities (user_id, appid, provider_id) values ($1, $2, $3)', [
    id,
    OTHER_APP,
    randomUUID(),
  ])
  return id
}

const auditOf = (id: string) =>
  db.rows<{ action: string; details: Record<string, unknown> }>(
    'select action, details from auth.audit_log_entries where user_id = $1 order by id',
    [id],
  )
const userRow = (id: string) => db.row('select * from auth.users where id = $1', [id])
const currentUser = async ({ accessToken }: SignedIn) => ({
  rest: (await send(`${node.url}/auth/v1/user`, { token: accessToken })).body.id,
  graphql: (await graphql(node, '{ currentUser { id } }', {}, accessToken)).body.data?.currentUser?.id,
})

describe.each(Object.entries(bindEntrances))('by %s', (_entrance, bind) => {
  test('the account becomes part of the one that has the phone, and its access token acts as that one at once', async () => {
    const phone = freshPhone()
    const owner = await createOwner(phone, { user_metadata: '{"name": "Ann"}' })
    const user = await signIn(node, simulator)
    await graphql(
      node,
      'mutation { createNote(input: { note: { body: "mine" } }) { note { rowId } } }',
      {},
      user.accessToken,
    )
    const code = await phoneCode(simulator, phone)
    const expected = { code: undefined, status: 200, phone: `+86${phone}`, userId: owner }
    expect(await bind(node, code, user.accessToken)).toEqual(expected)

    expect(await currentUser(user)).toEqual({ rest: owner, graphql: owner })
    const { body } = await graphql(
      node,
      '{ allNotes { nodes { body userId } } currentUserIdentities { providerId } }',
      {},
      user.accessToken,
    )
    expect(body.data.allNotes.nodes).toEqual([{ body: 'mine', userId: owner }])
    expect(body.data.currentUserIdentities).toHaveLength(2)
    const again = await signIn(node, simulator, user.openid)
    expect(again.userId).toBe(owner)
    const refreshed = await post(`${node.url}/auth/v1/token?grant_type=refresh_token`, {
      refresh_token: user.refreshToken,
    })
    expect(refreshed.body.user.id).toBe(owner)
    expect(JSON.parse(atob(refreshed.body.access_token.split('.')[1])).sub).toBe(owner)

    // The code again, on any node, by whoever he is now.
    for (const each of nodes) expect(await bind(each, code, user.accessToken)).toEqual(expected)
    expect(await bind(node, code, again.accessToken)).toEqual(expected)
    expect(await userRow(user.userId)).toMatchObject({ merged_into: owner, phone: null, wechat_id: null })
    expect(await userRow(owner)).toMatchObject({ phone: `+86${phone}`, user_metadata: { name: 'Ann' } })
  })

  test('the confirmation is renewed, the log tells of both, the event is user.merged alone', async () => {
    const phone = freshPhone()
    const owner = await createOwner(phone)
    const user = await signIn(node, simulator)
    await bind(node, await phoneCode(simulator, phone), user.accessToken)
    const { phone_confirmed_at, phone_raw } = await userRow(owner)
    expect(phone_confirmed_at).not.toEqual(new Date('2020-01-01T00:00:00Z'))
    expect(phone_raw).toMatchObject({ countryCode: '86' })
    expect((await auditOf(owner)).map(({ action }) => action)).toEqual(['user_merged', 'phone_bound'])
    expect((await auditOf(user.userId)).at(-1)).toMatchObject({
      action: 'user_merged',
      details: { into: owner },
    })
    expect(
      await db.rows(
        `select type, user_id, data from auth_private.events where user_id = any ($1) and type not in ('user.created', 'user.signed_in')`,
        [[owner, user.userId]],
      ),
    ).toEqual([{ type: 'user.merged', user_id: user.userId, data: { merged_into: owner } }])
  })

  const banned = { banned_until: '2100-01-01T00:00:00Z' }
  test.each<[string, object, ((owner: string, user: string) => Promise<unknown>) | undefined, string]>([
    ['is banned', banned, undefined, 'owner_banned'],
    [
      'has an openid of this app',
      {},
      owner =>
        db.rows('insert into auth.identities (user_id, appid, provider_id) values ($1, $2, $3)', [
          owner,
          SIMULATOR_APP_ID,
          randomUUID(),
        ]),
      'owner_has_identity',
    ],
    [
      'has an openid of another app, and so has the caller',
      {},
      (_owner, user) =>
        db.rows('insert into auth.identities (user_id, appid, provider_id) values ($1, $2, $3)', [
          user,
          OTHER_APP,
          randomUUID(),
        ]),
      'owner_has_identity',
    ],
    [
      'has rows that must not be mixed',
      {},
      async (owner, user) => {
        for (const id of [owner, user]) await db.rows('insert into public.wallets values ($1, 5)', [id])
      },
      'rows of public.wallets',
    ],
  ])(
    'whose owner %s: phone_exists, and everything stays as it was',
    async (_what, columns, prepare, reason) => {
      const phone = freshPhone()
      const owner = await createOwner(phone, columns as never)
      const user = await signIn(node, simulator)
      await prepare?.(owner, user.userId)
      const code = await phoneCode(simulator, phone)
      const before = [await userRow(owner), await userRow(user.userId)]
      expect(await bind(node, code, user.accessToken)).toMatchObject({ code: 'phone_exists' })
      expect(await bind(nodes[1]!, code, user.accessToken)).toMatchObject({ code: 'phone_exists' })
      expect([await userRow(owner), await userRow(user.userId)]).toEqual(before)
      expect(await currentUser(user)).toEqual({ rest: user.userId, graphql: user.userId })
      expect((await auditOf(user.userId)).at(-1)).toMatchObject({
        action: 'phone_refused',
        details: { reason: 'phone_exists', not_merged: reason },
      })
    },
  )

  test('with PHONE_CONFLICT=reject nobody is merged', async () => {
    const phone = freshPhone()
    await createOwner(phone)
    const user = await signIn(rejecting, simulator)
    const code = await phoneCode(simulator, phone)
    expect(await bind(rejecting, code, user.accessToken)).toMatchObject({ code: 'phone_exists' })
    expect(await userRow(user.userId)).toMatchObject({ merged_into: null })
  })
})

const binds = Object.values(bindEntrances)

test('a code that bound a phone before the merge: "bound" while that phone is there, else used', async () => {
  const [first, second] = [freshPhone(), freshPhone()]
  const user = await signIn(node, simulator)
  const code = await phoneCode(simulator, first)
  await binds[0]!(node, code, user.accessToken)
  const owner = await createOwner(second)
  await binds[0]!(node, await phoneCode(simulator, second), user.accessToken)
  expect(await userRow(owner)).toMatchObject({ phone: `+86${second}` })
  expect(await binds[0]!(node, code, user.accessToken)).toMatchObject({ code: 'wechat_code_used' })

  const third = await signIn(node, simulator)
  const thirds = freshPhone()
  const kept = await phoneCode(simulator, thirds)
  await binds[0]!(node, kept, third.accessToken)
  const { id: survivor } = await db.row<{ id: string }>('insert into auth.users default values returning id')
  await db.rows('select auth.admin_merge_users($1, $2, $3)', [third.userId, survivor, 'one person'])
  expect(await binds[0]!(node, kept, third.accessToken)).toMatchObject({ code: undefined, userId: survivor })
})

test.each(everyRound)('20 submissions of one code that merges, over three nodes (round %i)', async () => {
  const phone = freshPhone()
  const owner = await createOwner(phone)
  const user = await signIn(node, simulator)
  const code = await phoneCode(simulator, phone)
  const outcomes = await Promise.all(
    Array.from({ length: 20 }, (_, i) => binds[i % 3]!(nodes[i % 3]!, code, user.accessToken)),
  )
  expect(new Set(outcomes.map(outcome => JSON.stringify(outcome)))).toEqual(
    new Set([JSON.stringify({ code: undefined, status: 200, phone: `+86${phone}`, userId: owner })]),
  )
  expect((await auditOf(user.userId)).filter(({ action }) => action === 'user_merged')).toHaveLength(1)
})

test.each(everyRound)(
  "two who bind each other's phones at once: no deadlock, and one account (round %i)",
  async () => {
    const phones = [freshPhone(), freshPhone()]
    // Each has an openid in an app of his own, so that either may become part of the other.
    const users = await Promise.all(phones.map(() => signIn(node, simulator)))
    for (const [i, { userId }] of users.entries()) {
      await db.rows('update auth.identities set appid = $2 where user_id = $1', [
        userId,
        `wx${randomUUID().slice(0, 8)}`,
      ])
      await db.rows('update auth.users set phone = $2, phone_confirmed_at = now() where id = $1', [
        userId,
        `+86${phones[i]}`,
      ])
    }
    const codes = await Promise.all([phoneCode(simulator, phones[1]!), phoneCode(simulator, phones[0]!)])
    const outcomes = await Promise.all(
      users.map(({ accessToken }, i) => binds[i]!(nodes[i]!, codes[i], accessToken)),
    )
    expect(outcomes.map(({ code }) => code)).toEqual([undefined, undefined])
    const merged = await Promise.all(users.map(async ({ userId }) => (await userRow(userId)).merged_into))
    expect(merged.filter(Boolean)).toHaveLength(1)
  },
)

test('rows that are being written for the account when it is merged go along', async () => {
  const phone = freshPhone()
  const owner = await createOwner(phone)
  const user = await signIn(node, simulator)
  const holder = await db.owner.connect()
  // The transaction of a GraphQL request that takes its time.
  await holder.query('begin')
  await holder.query(`select set_config('request.jwt.claims', auth_private.request_claims($1), true)`, [
    {
      session_id: (
        await db.row<{ id: string }>('select id from auth.sessions where user_id = $1', [user.userId])
      ).id,
    },
  ])
  await holder.query(`insert into public.notes (body) values ('late')`)
  const binding = binds[0]!(node, await phoneCode(simulator, phone), user.accessToken)
  await sleep(300)
  expect(await userRow(user.userId)).toMatchObject({ merged_into: null })
  await holder.query('commit')
  holder.release()
  expect(await binding).toMatchObject({ code: undefined, userId: owner })
  expect(await db.rows('select body from public.notes where user_id = $1', [owner])).toEqual([
    { body: 'late' },
  ])
})
