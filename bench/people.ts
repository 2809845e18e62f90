import { createHash } from 'node:crypto'
import { createTokens } from '../src/tokens/jwt.ts'
import { fill } from './bulk.ts'
import { APPID, ISSUER, JWT_SECRET } from './keys.ts'
import type { SiteDatabase } from './site.ts'

// Users by their number: whoever knows that knows their ids, openid and tokens, so nobody has to sign in first.

/** As bench.id_of in SQL: a version 4 UUID by name. */
function idOf(kind: 'user' | 'session', n: number): string {
  const hex = createHash('md5').update(`${kind} ${n}`).digest('hex')
  const text = `${hex.slice(0, 12)}4${hex.slice(13, 16)}8${hex.slice(17)}`
  return text.replace(/(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}

export const openidOf = (n: number) => `oBench${String(n).padStart(22, '0')}`

/** The sessions' ids in pgbench's language, where there is no JavaScript. */
export const SESSION_ID = (n: string) => `bench.id_of('session', ${n})`

const BATCH = 500_000

/** What is made of the people from $1 to $2; those up to $3 have done it so long ago that the worker may delete it. */
const ROWS = {
  'auth.users': `
    (id, wechat_id, phone, phone_confirmed_at, phone_raw, app_metadata, created_at, last_sign_in_at)
    select user_id, openid, phone, since,
      jsonb_build_object('phoneNumber', substr(phone, 4), 'purePhoneNumber', substr(phone, 4), 'countryCode', '86'),
      '{"provider": "wechat_mini", "providers": ["wechat_mini"]}', since, since`,
  'auth.identities': `
    (user_id, appid, provider_id, created_at, last_sign_in_at) select user_id, '${APPID}', openid, since, since`,
  'auth_private.wechat_codes': `
    (code_hash, appid, user_id, claim_id, claimed_until, outcome, phone_revision, created_at, redeemed_at)
    select sha256(convert_to('made ' || n::text, 'UTF8')), '${APPID}', user_id, session_id, time, 'bound', 0, time, time`,
  'auth.phone_changes': `
    (user_id, phone, how, actor, changed_at) select user_id, phone, 'bind', 'user', time`,
  'auth_private.events': `
    (type, user_id, data, created_at, relayed_at) select 'phone.bound', user_id, jsonb_build_object('phone', phone), time, time`,
  'auth.audit_log_entries': `
    (created_at, action, user_id, actor, session_id, details)
    select time, 'phone_bound', user_id, 'user', session_id, jsonb_build_object('source', 'wechat', 'appid', '${APPID}')`,
  'auth.sessions': `
    (id, user_id, created_at, refreshed_at) select session_id, user_id, since, now()`,
}

const PEOPLE = `
  from (
    select n, bench.id_of('user', n) as user_id, bench.id_of('session', n) as session_id,
      'oBench' || lpad(n::text, 22, '0') as openid, '+8617' || lpad(n::text, 9, '0') as phone,
      now() - (n % 300) * interval '1 day' as since,
      now() - case when n <= $3 then interval '400 days' else interval '0' end as time
    from generate_series($1::bigint, $2::bigint) n
  ) people`

export interface MakeOptions {
  /** Of so many users what the worker deletes in time is old enough for it. */
  aged?: number
  onProgress?: (what: string) => void
}

/**
 * Makes users 1 to `count`, each with an openid, a phone and its history, a session, a redeemed code, an event that was told
 * and an audit entry.
 */
export async function makePeople(
  site: Pick<SiteDatabase, 'query'>,
  count: number,
  { aged = 0, onProgress = () => {} }: MakeOptions = {},
) {
  await site.query(`create or replace function bench.id_of(kind text, n bigint) returns uuid language sql immutable
    return overlay(overlay(md5(kind || ' ' || n::text) placing '4' from 13) placing '8' from 17)::uuid`)
  await site.query('grant execute on function bench.id_of to authenticator')
  const starts = Array.from({ length: Math.ceil(count / BATCH) }, (_, i) => 1 + i * BATCH)
  const loads = Object.entries(ROWS).map(([table, rows]) => ({
    table,
    statements: starts.map(from => ({
      text: `insert into ${table} ${rows} ${PEOPLE}`,
      values: [from, Math.min(count, from + BATCH - 1), aged],
    })),
  }))
  await fill(site, loads, onProgress)
  await site.query('vacuum (freeze, analyze)')
}

export interface Person {
  openid: string
  sessionId: string
  accessToken: string
  /** Of the refresh token that is good now. */
  counter: bigint
}

/** Every `step`th user, with tokens of his session. */
export async function signInAll(count: number, step: number): Promise<Person[]> {
  const tokens = await createTokens({
    secret: JWT_SECRET,
    signingKey: undefined,
    verificationKeys: [],
    issuer: ISSUER,
    expiry: 86_400,
    anonKey: '',
    serviceRoleKey: '',
  })
  const now = Math.floor(Date.now() / 1000)
  return Promise.all(
    Array.from({ length: count }, async (_, i) => {
      const n = 1 + i * step
      const sessionId = idOf('session', n)
      const claims = { sub: idOf('user', n), role: 'authenticated', session_id: sessionId }
      return { openid: openidOf(n), sessionId, accessToken: await tokens.sign(claims, now), counter: 0n }
    }),
  )
}
