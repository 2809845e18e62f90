import { randomUUID } from 'node:crypto'
import { signIn } from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { sendRequest } from '../support/raw.ts'
import { refusalOf } from '../support/refusals.ts'
import { rowCounts } from '../support/rows.ts'
import { type Node, startNode, startSimulator, type TestSimulator } from '../support/service.ts'
import { createBench } from './bad_tokens_bench.ts'

// A token that is well made, of a session or a user that is no more.

let db: TestDatabase
let simulator: TestSimulator
let node: Node

beforeAll(async () => {
  db = await createDatabase()
  await db.owner.query('create table public.things (name text); grant select on public.things to public')
  simulator = await startSimulator()
  node = await startNode({ db, wechatUrl: simulator.url, env: { ACCOUNT_DELETION: 'on' } })
})
afterAll(async () => {
  await node.close()
  await simulator.close()
  await db.drop()
})

const graphql = (query: string) => ({ method: 'POST', target: '/graphql', body: JSON.stringify({ query }) })
const requests: [request: { method?: string; target: string; body?: string }, status: number][] = [
  [{ target: '/auth/v1/user' }, 403],
  [{ target: '/auth/v1/wechat_mini/login?code=a-code' }, 403],
  [{ target: '/auth/v1/wechat_mini/bind_phone?code=a-code' }, 403],
  [{ method: 'POST', target: '/auth/v1/wechat_mini/unbind_phone' }, 403],
  [{ target: '/auth/v1/wechat_mini/bind_account?code=a-code' }, 403],
  [{ method: 'PUT', target: '/auth/v1/user', body: '{"data":{"a":1}}' }, 403],
  [{ method: 'DELETE', target: '/auth/v1/user' }, 403],
  [{ method: 'DELETE', target: `/auth/v1/user/identities/${randomUUID()}` }, 403],
  [{ method: 'POST', target: '/auth/v1/wechat_mini/unlimited_qrcode', body: '{"scene":"a"}' }, 403],
  [{ method: 'POST', target: '/auth/v1/logout' }, 401],
  [{ method: 'POST', target: '/auth/v1/logout?scope=local' }, 401],
  [graphql('{ currentUser { id } }'), 200],
  [graphql('mutation { wechatBindPhone(input: { code: "a-code" }) { user { id } } }'), 200],
  [graphql('mutation { wechatUnbindPhone(input: {}) { user { id } } }'), 200],
  [graphql('{ currentUserIdentities { id } }'), 200],
  [graphql('mutation { wechatBindAccount(input: { code: "a-code" }) { user { id } } }'), 200],
  [graphql('mutation { updateCurrentUser(input: { userMetadata: {} }) { user { id } } }'), 200],
  [graphql(`mutation { unlinkIdentity(input: { identityId: "${randomUUID()}" }) { user { id } } }`), 200],
  [graphql('mutation { signOut(input: {}) { clientMutationId } }'), 200],
  // No operation that would look for the session itself: the request is refused as a whole.
  [graphql('mutation { wechatSignIn(input: { code: "a-code" }) { query { id } } }'), 403],
  [graphql('{ allThings { nodes { name } } }'), 403],
  [graphql('{ __typename }'), 403],
  [graphql('{ __schema { types { name } } }'), 403],
]

test.each<[string, string | undefined, string]>([
  ['revoked', 'delete from auth.sessions where user_id = $1', 'session_not_found'],
  ['of a banned user', `update auth.users set banned_until = 'infinity' where id = $1`, 'user_banned'],
  ['of a deleted user', 'update auth.users set deleted_at = now() where id = $1', 'session_not_found'],
  ['of a user who is gone', 'delete from auth.users where id = $1', 'session_not_found'],
  ['that never was', undefined, 'session_not_found'],
])('a session %s: an error on every entrance, and nothing is done', async (_name, change, code) => {
  const user = await signIn(node, simulator)
  const token = change
    ? user.accessToken
    : createBench('HS256', node, user).signed({ session_id: randomUUID() })
  if (change) await db.owner.query(change, [user.userId])
  const [rows, calls] = [await rowCounts(db), { ...simulator.callCounts }]
  for (const [request, status] of requests) {
    const headers: [string, string][] = [
      ['authorization', `Bearer ${token}`],
      ['content-type', 'application/json'],
    ]
    const answer = await sendRequest(node.url, { ...request, headers })
    expect({ request, ...refusalOf(answer, [token]) }).toEqual({ request, status, code })
  }
  expect(await rowCounts(db)).toEqual(rows)
  expect(simulator.callCounts).toEqual(calls)
})
