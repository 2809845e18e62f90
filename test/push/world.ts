import { startWorker, type Worker } from '../../src/tasks/worker.ts'
import { bindEntrances, freshPhone, phoneCode, post, type SignedIn, signIn } from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { recordedLog } from '../support/leaks.ts'
import { type Node, startNode, startSimulator, type TestSimulator } from '../support/service.ts'
import { until } from '../tasks/harness.ts'
import { AES_KEY, KEY, OTHER_APP, PUSH_ENV, TOKEN } from './harness.ts'

export interface Bound extends SignedIn {
  phone: string
  code: string
}

/** A simulator that sends pushes, a node that takes encrypted ones, and its worker. */
export async function startWorld() {
  const db = await createDatabase()
  const simulator = await startSimulator({
    apps: { wx5150000000000000: '5'.repeat(32), [OTHER_APP]: 'b'.repeat(32) },
    push: { token: TOKEN, aesKey: KEY },
  })
  const env = {
    ...PUSH_ENV,
    WECHAT_APP_ID: 'wx5150000000000000',
    WECHAT_APP_SECRET: '5'.repeat(32),
    WECHAT_APPS: JSON.stringify({ [OTHER_APP]: 'b'.repeat(32) }),
    WECHAT_PUSH_AES_KEY: AES_KEY,
  }
  const node = await startNode({ db, wechatUrl: simulator.url, env })
  const worker = await startWorker({ ownerUrl: db.ownerUrl, log: recordedLog() })
  return {
    db,
    simulator,
    node,
    worker,
    async close() {
      await worker.stop()
      await node.close()
      await simulator.close()
      await db.drop()
    },
  }
}
export type World = Awaited<ReturnType<typeof startWorld>>
export type { Node, TestDatabase, TestSimulator, Worker }

/** A user with a phone. */
export async function bound({ node, simulator }: World): Promise<Bound> {
  const user = await signIn(node, simulator)
  const phone = freshPhone()
  const code = await phoneCode(simulator, phone)
  const outcome = await bindEntrances.GraphQL!(node, code, user.accessToken)
  if (outcome.code) throw new Error(outcome.code)
  return { ...user, phone, code }
}

/** Has the simulator send a push, and answers what the service said. */
export async function push({ node, simulator }: World, event: string, openid: string, more: object = {}) {
  const { status, body } = await post(`${simulator.url}/simulator/push-events`, {
    event,
    openid,
    encrypted: true,
    url: `${node.url}/wechat/push`,
    ...more,
  })
  if (status !== 200) throw new Error(JSON.stringify(body))
  return body as { attempts: number; status: number | null; body: string }
}

/** Waits until every push is done. */
export const allDone = ({ db }: World) =>
  until(async () => {
    const { n } = await db.row<{ n: number }>(
      'select count(*)::int as n from auth_private.wechat_pushes where done_at is null',
    )
    return n === 0
  })

/** Where a number, however it is written, still stands in this database: every row of every table. */
export async function tracesOf({ db }: World, digits: string): Promise<string[]> {
  const tables = await db.rows<{ name: string }>(
    `select c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where c.relkind in ('r', 'p', 'm') and n.nspname !~ '^(pg_|information_schema)' order by 1`,
  )
  const found: string[] = []
  for (const { name } of tables) {
    const { n } = await db.row<{ n: number }>(
      `select count(*)::int as n from ${name} t where regexp_replace(t::text, '[ ().-]', '', 'g') like $1`,
      [`%${digits}%`],
    )
    if (n > 0) found.push(name)
  }
  return found
}

/** What of a person's number the audit log still shows. */
export const maskedIn = async ({ db }: World, userId: string) =>
  (
    await db.rows<{ details: string }>(
      `select details::text from auth.audit_log_entries where user_id = $1 and details::text ~ '\\*{4}[0-9]'`,
      [userId],
    )
  ).map(({ details }) => details)

export const eventsOf = ({ db }: World, userId: string) =>
  db.rows<{ type: string; data: object }>(
    `select type, data from auth_private.events
     where user_id = $1 and type not in ('user.created', 'user.signed_in') order by id`,
    [userId],
  )
