import { randomUUID } from 'node:crypto'
import type { Env } from '../../src/config.ts'
import { type Answer, graphql, type SignedIn, send } from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { type Node, startNode, startSimulator, type TestSimulator } from '../support/service.ts'

/** A service, its database, and whoever has its service-role key. */
export interface AdminBench {
  db: TestDatabase
  simulator: TestSimulator
  node: Node
  /** As the administrator: `PUT /auth/v1/admin/users/…`. A text is sent as it is. */
  admin(method: string, path: string, body?: unknown): Promise<Answer>
  close(): Promise<void>
}

export async function startAdminBench(env: Env = {}): Promise<AdminBench> {
  const db = await createDatabase()
  const simulator = await startSimulator()
  const node = await startNode({ db, wechatUrl: simulator.url, env })
  return {
    db,
    simulator,
    node,
    admin: (method, path, body) => request(node, method, path, node.services.apiKeys.serviceRole, body),
    async close() {
      await node.close()
      await simulator.close()
      await db.drop()
    },
  }
}

/** A request to `/auth/v1/admin`. */
export const request = (
  node: Node,
  method: string,
  path: string,
  token: string | undefined,
  body?: unknown,
): Promise<Answer> =>
  send(`${node.url}/auth/v1/admin${path}`, {
    method,
    token,
    ...(body !== undefined && {
      body: typeof body === 'string' ? body : JSON.stringify(body),
      headers: { 'content-type': 'application/json' },
    }),
  })

/** What an answer says, in short: status, the error's name, and its message. */
export const told = ({ status, body }: Answer) => ({ status, code: body.error_code, message: body.msg })

/** What an access token is good for now, by both entrances: the error's name, or the user's id. */
export async function whoIs(node: Node, { accessToken }: Pick<SignedIn, 'accessToken'>): Promise<string[]> {
  const rest = await send(`${node.url}/auth/v1/user`, { token: accessToken })
  const { body } = await graphql(node, '{ currentUser { id } }', {}, accessToken)
  return [rest.body.error_code ?? rest.body.id, body.errors?.[0].extensions.code ?? body.data.currentUser.id]
}

/** Everything that administrators could change. */
export const everything = (db: TestDatabase) =>
  db.row(`
    select (select jsonb_agg(u order by u.id) from auth.users u) as users,
           (select jsonb_agg(i order by i.id) from auth.identities i) as identities,
           (select jsonb_agg(s order by s.id) from auth.sessions s) as sessions,
           (select count(*) from auth_private.wechat_codes) as codes,
           (select jsonb_agg(a order by a.id) from auth.audit_log_entries a) as audit,
           (select jsonb_agg(e order by e.id) from auth_private.events e) as events`)

export const auditOf = (db: TestDatabase, userId: string) =>
  db.rows<{ action: string; actor: string; details: Record<string, unknown> }>(
    'select action, actor, details from auth.audit_log_entries where user_id = $1 order by id',
    [userId],
  )
export const eventsOf = (db: TestDatabase, userId: string) =>
  db.rows<{ type: string; data: object }>(
    'select type, data from auth_private.events where user_id = $1 order by id',
    [userId],
  )

/** Makes him one that was merged into the other, by hand. */
export const mergeInto = (db: TestDatabase, fromId: string, intoId: string) =>
  db.rows(`update auth.users set merged_into = $2 where id = $1`, [fromId, intoId])

let lastPhone = 17_100_000_000
/** E.164, of the mainland; no other call has given it. */
export const freshE164 = () => `+86${++lastPhone}`

export const NOBODY = randomUUID()
