import {
  type Answer,
  freshOpenid,
  graphql,
  loginCode,
  post,
  type SignedIn,
  send,
  signIn,
} from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { startProxy } from '../support/proxy.ts'
import { everyRound } from '../support/rounds.ts'
import { type Node, startNode, startSimulator, type TestSimulator } from '../support/service.ts'

let db: TestDatabase
let simulator: TestSimulator
let node: Node
let other: Node

beforeAll(async () => {
  db = await createDatabase()
  simulator = await startSimulator()
  node = await startNode({ db, wechatUrl: simulator.url })
  other = await startNode({ db, wechatUrl: simulator.url })
})
afterAll(async () => {
  await node.close()
  await other.close()
  await simulator.close()
  await db.drop()
})

interface Refreshed {
  code: string | undefined
  status: number
  accessToken?: string
  refreshToken?: string
}

const REFRESH =
  'mutation ($t: String!) { refreshSession(input: { refreshToken: $t }) { session { accessToken refreshToken } } }'
const SIGN_OUT = 'mutation ($scope: String) { signOut(input: { scope: $scope }) { clientMutationId } }'

const codeOf = ({ body }: Answer) => body.errors?.[0]?.extensions?.code ?? body.error_code

const entrances = {
  GraphQL: {
    status: 200,
    async refresh(at: Node, t: string): Promise<Refreshed> {
      const answer = await graphql(at, REFRESH, { t })
      return { code: codeOf(answer), status: answer.status, ...answer.body.data?.refreshSession?.session }
    },
    async signOut(at: Node, token: string, scope?: string) {
      const answer = await graphql(at, SIGN_OUT, { scope }, token)
      return { code: codeOf(answer), status: answer.status }
    },
    async user(at: Node, token: string) {
      const answer = await graphql(at, '{ currentUser { id } }', {}, token)
      return { code: codeOf(answer), id: answer.body.data?.currentUser?.id }
    },
  },
  REST: {
    status: undefined,
    async refresh(at: Node, t: string): Promise<Refreshed> {
      const answer = await post(`${at.url}/auth/v1/token?grant_type=refresh_token`, { refresh_token: t })
      const { access_token: accessToken, refresh_token: refreshToken } = answer.body
      return {
        code: codeOf(answer),
        status: answer.status,
        ...(accessToken && { accessToken, refreshToken }),
      }
    },
    async signOut(at: Node, token: string, scope?: string) {
      const answer = await send(`${at.url}/auth/v1/logout${scope ? `?scope=${scope}` : ''}`, {
        method: 'POST',
        token,
      })
      return { code: codeOf(answer), status: answer.status }
    },
    async user(at: Node, token: string) {
      const answer = await send(`${at.url}/auth/v1/user`, { token })
      return { code: codeOf(answer), id: answer.body.id }
    },
  },
}

const rewind = (user: SignedIn) =>
  db.owner.query(
    `update auth.sessions set refreshed_at = refreshed_at - interval '1 minute' where user_id = $1`,
    [user.userId],
  )

describe.each(Object.entries(entrances))('%s', (_name, entrance) => {
  const statusOf = (rest: number) => entrance.status ?? rest
  const { refresh, signOut, user: currentUser } = entrance

  test('a refresh token gives the next one, and an access token that works', async () => {
    const user = await signIn(node, simulator)
    const refreshed = await refresh(other, user.refreshToken)
    expect(refreshed).toMatchObject({ code: undefined, status: 200 })
    expect(refreshed.refreshToken).not.toBe(user.refreshToken)
    expect(await currentUser(node, refreshed.accessToken!)).toEqual({ code: undefined, id: user.userId })
  })

  test('the parent of the active token gives the active one again, however late', async () => {
    const user = await signIn(node, simulator)
    const first = await refresh(node, user.refreshToken)
    await rewind(user)
    expect(await refresh(other, user.refreshToken)).toMatchObject({
      code: undefined,
      refreshToken: first.refreshToken,
    })
  })

  test('an earlier token gives the active one within ten seconds, and ends the session later', async () => {
    const user = await signIn(node, simulator)
    const first = await refresh(node, user.refreshToken)
    const second = await refresh(node, first.refreshToken!)
    expect(await refresh(node, user.refreshToken)).toMatchObject({
      code: undefined,
      refreshToken: second.refreshToken,
    })
    await rewind(user)
    expect(await refresh(node, user.refreshToken)).toEqual({
      code: 'refresh_token_already_used',
      status: statusOf(400),
    })
    expect(await refresh(node, second.refreshToken!)).toEqual({
      code: 'refresh_token_not_found',
      status: statusOf(400),
    })
    expect(await currentUser(node, second.accessToken!)).toMatchObject({ code: 'session_not_found' })
    expect(
      await db.rows(
        `select from auth.audit_log_entries where user_id = $1 and action = 'refresh_token_reused'`,
        [user.userId],
      ),
    ).toHaveLength(1)
  })

  test('a token ahead of the row, from before a failover lost its transaction, is the current one', async () => {
    const user = await signIn(node, simulator)
    const first = await refresh(node, user.refreshToken)
    await db.owner.query('update auth.sessions set refresh_counter = 0 where user_id = $1', [user.userId])
    const second = await refresh(node, first.refreshToken!)
    expect(second).toMatchObject({ code: undefined })
    expect(second.refreshToken).not.toBe(first.refreshToken)
  })

  test.each([['garbage'], ['A'.repeat(76)], ['😀']])('%s is no refresh token', async token => {
    expect(await refresh(node, token)).toEqual({ code: 'refresh_token_not_found', status: statusOf(400) })
  })

  test.each([[''], ['x'.repeat(2_000)]])('a refresh token of odd length is refused', async token => {
    expect(await refresh(node, token)).toEqual({ code: 'validation_failed', status: statusOf(400) })
  })

  test('signing out ends every session at once, on both entrances', async () => {
    const user = await signIn(node, simulator)
    const elsewhere = await signIn(other, simulator, user.openid)
    expect(await signOut(node, user.accessToken)).toEqual({ code: undefined, status: statusOf(204) })
    for (const { user: look } of Object.values(entrances)) {
      expect(await look(node, user.accessToken)).toEqual({ code: 'session_not_found', id: undefined })
      expect(await look(other, elsewhere.accessToken)).toEqual({ code: 'session_not_found', id: undefined })
    }
    expect(await refresh(node, user.refreshToken)).toMatchObject({ code: 'refresh_token_not_found' })
  })

  test('scope local ends this session, others the others', async () => {
    const [one, openid] = [await signIn(node, simulator), freshOpenid()]
    const [two, three] = [await signIn(node, simulator, openid), await signIn(node, simulator, openid)]
    const four = await signIn(node, simulator, openid)
    await signOut(node, two.accessToken, 'local')
    expect(await currentUser(node, two.accessToken)).toMatchObject({ code: 'session_not_found' })
    expect(await currentUser(node, three.accessToken)).toMatchObject({ code: undefined })
    await signOut(node, three.accessToken, 'others')
    expect(await currentUser(node, three.accessToken)).toMatchObject({ code: undefined })
    expect(await currentUser(node, four.accessToken)).toMatchObject({ code: 'session_not_found' })
    expect(await currentUser(node, one.accessToken)).toMatchObject({ code: undefined })
    expect(await signOut(node, three.accessToken, 'everything')).toEqual({
      code: 'validation_failed',
      status: statusOf(400),
    })
  })

  test('a banned user is out at once, and back when the ban ends', async () => {
    const user = await signIn(node, simulator)
    await db.owner.query(`update auth.users set banned_until = 'infinity' where id = $1`, [user.userId])
    expect(await currentUser(node, user.accessToken)).toEqual({ code: 'user_banned', id: undefined })
    expect(await refresh(node, user.refreshToken)).toEqual({ code: 'user_banned', status: statusOf(403) })
    await db.owner.query('update auth.users set banned_until = null where id = $1', [user.userId])
    expect(await currentUser(node, user.accessToken)).toEqual({ code: undefined, id: user.userId })
  })

  test('a deleted user is out at once', async () => {
    const [soft, hard] = [await signIn(node, simulator), await signIn(node, simulator)]
    await db.owner.query('update auth.users set deleted_at = now() where id = $1', [soft.userId])
    await db.owner.query('delete from auth.users where id = $1', [hard.userId])
    for (const { accessToken, refreshToken } of [soft, hard]) {
      expect(await currentUser(node, accessToken)).toEqual({ code: 'session_not_found', id: undefined })
      expect(await refresh(node, refreshToken)).toEqual({
        code: 'refresh_token_not_found',
        status: statusOf(400),
      })
    }
  })
})

describe.each<[string, string, string]>([
  ['has ended', 'delete from auth.sessions where user_id = $1', 'session_not_found'],
  ['is of a banned user', `update auth.users set banned_until = 'infinity' where id = $1`, 'user_banned'],
])('a token whose session %s is good for nothing, not even for what needs none', (_what, end, expected) => {
  const url = () => `${node.url}/auth/v1`
  const query = (text: string) => (token: string) => graphql(node, text, {}, token)
  test.each<[string, (token: string, refreshToken: string) => Promise<Answer>]>([
    ['GraphQL, no field of ours', query('{ __typename }')],
    ['GraphQL, introspection', query('{ __schema { queryType { name } } }')],
    ['GraphQL, signing in', query('mutation { wechatSignIn(input: {code: "a-code"}) { clientMutationId } }')],
    [
      'GraphQL, refreshing',
      (token, refreshToken) =>
        graphql(
          node,
          'mutation ($t: String!) { refreshSession(input: {refreshToken: $t}) { clientMutationId } }',
          { t: refreshToken },
          token,
        ),
    ],
    ['REST, signing in', token => post(`${url()}/wechat_mini/login`, { code: 'a-code' }, token)],
    [
      'REST, refreshing',
      (token, refreshToken) =>
        post(`${url()}/token?grant_type=refresh_token`, { refresh_token: refreshToken }, token),
    ],
  ])('%s', async (_entrance, use) => {
    const [user, other] = [await signIn(node, simulator), await signIn(node, simulator)]
    await db.owner.query(end, [user.userId])
    const calls = simulator.callCounts.jscode2session
    const { body } = await use(user.accessToken, other.refreshToken)
    expect(body.errors?.[0].extensions.code ?? body.error_code).toBe(expected)
    expect(Object.values(body.data ?? {}).filter(value => value !== null)).toEqual([])
    expect(simulator.callCounts.jscode2session).toBe(calls)
    expect(
      await db.rows('select refresh_counter from auth.sessions where user_id = $1', [other.userId]),
    ).toEqual([{ refresh_counter: '0' }])
  })
})

describe.each(everyRound)('round %i', () => {
  test('100 refreshes of one token at once: one session, and everybody holds the active token', async () => {
    const user = await signIn(node, simulator)
    const all = await Promise.all(
      Array.from({ length: 100 }, (_, index) => {
        const entrance = index % 3 ? entrances.REST : entrances.GraphQL
        return entrance.refresh(index % 2 ? node : other, user.refreshToken)
      }),
    )
    expect(new Set(all.map(({ code }) => code))).toEqual(new Set([undefined]))
    expect(new Set(all.map(({ refreshToken }) => refreshToken)).size).toBe(1)
    expect(
      await db.rows('select refresh_counter from auth.sessions where user_id = $1', [user.userId]),
    ).toEqual([{ refresh_counter: '1' }])
  })
})

test('a dead session logs out with 401, which MemFire takes for logged out', async () => {
  const user = await signIn(node, simulator)
  await db.owner.query('delete from auth.sessions where user_id = $1', [user.userId])
  expect(await entrances.REST.signOut(node, user.accessToken)).toEqual({
    code: 'session_not_found',
    status: 401,
  })
  expect(await entrances.REST.signOut(node, 'garbage')).toEqual({ code: 'bad_jwt', status: 401 })
})

test('only grant_type=refresh_token is served', async () => {
  for (const query of ['', '?grant_type=password', '?grant_type=refresh_token&grant_type=refresh_token']) {
    const { status, body } = await post(`${node.url}/auth/v1/token${query}`, { refresh_token: 'x' })
    expect({ status, code: body.error_code }).toEqual({ status: 400, code: 'validation_failed' })
  }
})

test('a lost database answers 503 on /token, which keeps the session of MemFire', async () => {
  const user = await signIn(node, simulator)
  const proxy = await startProxy(db.webUrl)
  const lonely = await startNode({ db: { ...db, webUrl: proxy.url }, wechatUrl: simulator.url })
  try {
    proxy.cut()
    const { status, body, headers } = await post(`${lonely.url}/auth/v1/token?grant_type=refresh_token`, {
      refresh_token: user.refreshToken,
    })
    expect({ status, code: body.error_code }).toEqual({ status: 503, code: 'database_unavailable' })
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0)
  } finally {
    await lonely.close()
    await proxy.close()
  }
})

describe("an application's own table", () => {
  beforeAll(async () => {
    await db.owner.query(`
      create table public.notes (
        id uuid primary key default gen_random_uuid(),
        user_id uuid not null default auth.uid() references auth.users (id),
        body text not null
      );
      create index on public.notes (user_id);
      alter table public.notes enable row level security;
      grant select, insert on public.notes to authenticated;
      create policy notes_own on public.notes to authenticated using (user_id = (select auth.uid()));
    `)
  })

  test('is seen through GraphQL under the role, the claims and the policies of the caller, and relates to User', async () => {
    const app = await startNode({ db, wechatUrl: simulator.url })
    try {
      const [alice, bob] = [await signIn(app, simulator), await signIn(app, simulator)]
      const create =
        'mutation ($body: String!) { createNote(input: { note: { body: $body } }) { note { body userByUserId { id } } } }'
      for (const { accessToken, userId } of [alice, bob]) {
        const { body } = await graphql(app, create, { body: `of ${userId}` }, accessToken)
        expect(body).toEqual({
          data: { createNote: { note: { body: `of ${userId}`, userByUserId: { id: userId } } } },
        })
      }
      const read = '{ allNotes { nodes { body } } currentUser { id notesByUserId { nodes { body } } } }'
      const { body } = await graphql(app, read, {}, alice.accessToken)
      expect(body.errors).toBeUndefined()
      expect(body.data.allNotes.nodes).toEqual([{ body: `of ${alice.userId}` }])
      expect(body.data.currentUser.notesByUserId.nodes).toEqual([{ body: `of ${alice.userId}` }])
      await db.owner.query('delete from auth.sessions where user_id = $1', [alice.userId])
      const dead = await graphql(app, '{ allNotes { nodes { body } } }', {}, alice.accessToken)
      expect(dead.body.errors[0].extensions.code).toBe('session_not_found')
      const anon = await graphql(app, '{ allNotes { nodes { body } } }')
      expect(anon.body.errors[0].extensions.code).toBe('no_authorization')
      const forBob = await graphql(
        app,
        'mutation ($note: NoteInput!) { createNote(input: { note: $note }) { note { body } } }',
        { note: { body: 'x', userId: alice.userId } },
        bob.accessToken,
      )
      expect(forBob.body.errors[0]).toMatchObject({
        message: 'You may not do this',
        extensions: { code: 'no_authorization' },
      })
      const twice = async () =>
        graphql(
          app,
          'mutation ($note: NoteInput!) { createNote(input: { note: $note }) { note { body } } }',
          { note: { body: 'x', rowId: bob.userId } },
          bob.accessToken,
        )
      await twice()
      expect((await twice()).body.errors[0]).toMatchObject({
        message: 'This violates the constraint notes_pkey',
        extensions: { code: 'validation_failed' },
      })
    } finally {
      await app.close()
    }
  })
})

test('signing in is possible while signed in as somebody else', async () => {
  const user = await signIn(node, simulator)
  const { status, body } = await post(
    `${node.url}/auth/v1/wechat_mini/login`,
    { code: await loginCode(simulator, freshOpenid()) },
    user.accessToken,
  )
  expect(status).toBe(200)
  expect(body.user.id).not.toBe(user.userId)
})
