import { randomUUID } from 'node:crypto'
import type pg from 'pg'

/** The app of these tests. */
export const APP = 'wx1111111111111111'

export interface Person {
  userId: string
  sessionId: string
  openid: string
}

type Queries = Pick<pg.Pool, 'query'>

/** What the service calls, at the level of SQL: as `authenticator`, or as the owner in a transaction of his. */
export async function signIn(
  client: Queries,
  openid: string = randomUUID(),
  { unionid = null, app = APP }: { unionid?: string | null; app?: string } = {},
): Promise<Person> {
  const { rows } = await client.query('select * from auth_private.wechat_sign_in($1, $2, $3)', [
    app,
    openid,
    unionid,
  ])
  return { userId: rows[0].user_json.id, sessionId: rows[0].session_id, openid }
}

export async function claim(
  client: Queries,
  { sessionId }: Person,
  code: Buffer,
  claimId: string,
  leaseMs = 10_000,
) {
  const { rows } = await client.query('select * from auth_private.wechat_claim_code($1, $2, $3, $4, $5)', [
    sessionId,
    [code],
    APP,
    claimId,
    leaseMs,
  ])
  return rows[0]
}

/** Writes what WeChat said of a code. */
export async function write(
  client: Queries,
  { sessionId }: Person,
  code: Buffer,
  claimId: string,
  verdict: 'phone' | 'wechat_code_invalid',
  phone: string | null = null,
) {
  const { rows } = await client.query(
    'select * from auth_private.wechat_bind_phone($1, $2, $3, $4, $5, $6, $7, $8, $9)',
    [
      sessionId,
      [code],
      claimId,
      APP,
      verdict,
      phone,
      phone && {},
      verdict === 'wechat_code_invalid' ? 40029 : null,
      null,
    ],
  )
  return rows[0]
}

let lastPhone = 18_800_000_000
export const freshPhone = () => `+86${++lastPhone}`
