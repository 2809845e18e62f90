import { randomUUID } from 'node:crypto'
import type { TestDatabase } from '../support/database.ts'
import { createAdmin } from './admin_login.ts'

export interface Account {
  id: string
  openid: string
}

let lastPhone = 13_300_000_000
export const freshPhone = () => `+86${++lastPhone}`

/** What tests of merging do to a database. */
export async function mergeFixture(db: TestDatabase) {
  const { pool: admin, actor, drop } = await createAdmin(db)

  /** An account with an identity and a session. `user`: columns of auth.users. */
  async function create(user: Record<string, unknown> = {}, appid = 'wx1111111111111111'): Promise<Account> {
    const openid = `o-${randomUUID()}`
    const columns = {
      wechat_id: openid,
      ...(user.phone ? { phone_confirmed_at: '2001-01-01' } : {}),
      ...user,
    }
    const names = Object.keys(columns)
    const { id } = await db.row<{ id: string }>(
      `insert into auth.users (${names}) values (${names.map((_, i) => `$${i + 1}`)}) returning id`,
      Object.values(columns),
    )
    await db.rows('insert into auth.identities (user_id, appid, provider_id) values ($1, $2, $3)', [
      id,
      appid,
      openid,
    ])
    await db.rows('insert into auth.sessions (user_id) values ($1)', [id])
    return { id, openid }
  }

  /** Two accounts of one person, each in an app of its own. */
  const createTwo = async (from: object = {}, into: object = {}) =>
    [await create({ ...from }), await create({ ...into }, 'wx2222222222222222')] as const

  const merge = async (from: string | null, into: string | null, dryRun = false, reason = 'he asked') =>
    (
      await admin.query<{ table: string; rows: string }>(
        'select * from auth.admin_merge_users($1, $2, $3, dry_run => $4)',
        [from, into, reason, dryRun],
      )
    ).rows.map(row => [row.table, Number(row.rows)] as const)

  const user = (id: string) => db.row<Record<string, unknown>>('select * from auth.users where id = $1', [id])

  /** Every row of every table that is not the system's, as text. */
  async function everything(): Promise<string[]> {
    const tables = await db.rows<{ name: string }>(
      `select format('%I.%I', n.nspname, c.relname) as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
       where c.relkind = 'r' and n.nspname in ('auth', 'auth_private', 'public') order by 1`,
    )
    const rows = await Promise.all(
      tables.map(({ name }) =>
        db.rows<{ row: string }>(`select '${name} ' || to_jsonb(t)::text as row from ${name} t`),
      ),
    )
    return rows
      .flat()
      .map(({ row }) => row)
      .sort()
  }

  return { admin, actor, drop, create, createTwo, merge, user, everything }
}

export type MergeFixture = Awaited<ReturnType<typeof mergeFixture>>
