import { randomUUID } from 'node:crypto'
import pg from 'pg'
import type { Statement } from '../../src/db/database.ts'
import { statements } from '../../src/db/statements.ts'
import { APPID, ISSUER } from '../keys.ts'
import { e164, env, hashOf, type Phone } from './common.ts'

// What bench/rivals/fastify.ts asks of PostgreSQL: by one function each, or as the service does.

export interface Opened {
  sessionId: string
  counter: bigint
  user: { id: string }
  claims: object
}

/** Null: the session has ended. */
export interface Sql {
  user(sessionId: string): Promise<object | null>
  bind(sessionId: string, code: string, askWechat: () => Promise<Phone>): Promise<object | null>
  signIn(openid: string): Promise<Opened>
  refresh(sessionId: string, counter: bigint): Promise<Opened>
}

const pool = new pg.Pool({ connectionString: env.DATABASE_URL, max: Number(env.POOL_SIZE) })

async function one<Row>({ name, text }: Statement, values: unknown[]): Promise<Row> {
  return (await pool.query({ name, text, values })).rows[0]
}

interface Row {
  session_id: string
  refresh_counter: string
  user_json: { id: string }
  claims: object
}

const claimsOf = (sessionId: string, { id }: { id: string }) => ({
  sub: id,
  role: 'authenticated',
  session_id: sessionId,
})

/** One function of bench/rivals/schema.sql each. */
export const bench: Sql = {
  user: async sessionId => {
    const statement = { name: 'user', text: 'select bench.get_user($1) as user' }
    return (await one<{ user: object | null }>(statement, [sessionId])).user
  },
  async bind(sessionId, code, askWechat) {
    const phone = await askWechat()
    const statement = { name: 'bind', text: 'select bench.bind_phone($1, $2, $3, $4, $5) as user' }
    const values = [sessionId, hashOf(code), APPID, e164(phone), phone]
    return (await one<{ user: object | null }>(statement, values)).user
  },
  async signIn(openid) {
    const statement = { name: 'sign in', text: 'select * from bench.sign_in($1, $2)' }
    const { session_id: sessionId, user_json: user } = await one<Row>(statement, [APPID, openid])
    return { sessionId, counter: 0n, user, claims: claimsOf(sessionId, user) }
  },
  async refresh(sessionId, counter) {
    const statement = { name: 'refresh', text: 'select * from bench.refresh($1, $2)' }
    const { refresh_counter, user_json: user } = await one<Row>(statement, [sessionId, counter])
    return { sessionId, counter: BigInt(refresh_counter), user, claims: claimsOf(sessionId, user) }
  },
}

/** The service's own statements, in its order. */
export const ours: Sql = {
  user: async sessionId => (await one<Row>(statements.getUser, [sessionId])).user_json,
  async bind(sessionId, code, askWechat) {
    const [hashes, claimId] = [[hashOf(code)], randomUUID()]
    const claim = await one<{ state: string }>(statements.claimCode, [
      sessionId,
      hashes,
      APPID,
      claimId,
      30_000,
    ])
    if (claim.state !== 'claimed') throw new Error('The code was used before')
    const phone = await askWechat()
    const values = [sessionId, hashes, claimId, APPID, 'phone', e164(phone), phone, null, null, false]
    return (await one<Row>(statements.bindPhone, values)).user_json
  },
  async signIn(openid) {
    const row = await one<Row>(statements.signIn, [APPID, openid, null, false, token()])
    return {
      sessionId: row.session_id,
      counter: BigInt(row.refresh_counter),
      user: row.user_json,
      claims: row.claims,
    }
  },
  async refresh(sessionId, counter) {
    const row = await one<Row>(statements.refreshSession, [sessionId, counter, null, null, token()])
    return { sessionId, counter: BigInt(row.refresh_counter), user: row.user_json, claims: row.claims }
  },
}

function token() {
  const iat = Math.floor(Date.now() / 1000)
  return { iss: ISSUER, aud: 'authenticated', iat, exp: iat + 3600 }
}
