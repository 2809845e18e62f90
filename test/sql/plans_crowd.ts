import { createHash } from 'node:crypto'
import type pg from 'pg'
import { APP } from './calls.ts'

// So many of everything that a scan of a whole table costs more than an index, and the planner has to choose.

export const USERS = 10_000
/** The first push that waits takes a phone back, the next one an identity. */
export const FIRST_PUSH = USERS + 1
export const OTHER_APP = 'wx2222222222222222'
/** Of the claimed codes, whose outcome is still to come. */
export const CLAIM_ID = '00000000-0000-4000-8000-000000000001'

/** The id of the nth thing of a kind, and the same in SQL. */
export function idOf(kind: 'user' | 'session' | 'identity' | 'webhook', n: number): string {
  const hex = createHash('md5').update(`${kind} ${n}`).digest('hex')
  return hex.replace(/(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}
const ID = (kind: string, n = 'n') => `md5('${kind} ' || ${n})::uuid`

export const openidOf = (n: number) => `o${n}`
export const unionidOf = (n: number) => `u${n}`
export const phoneOf = (n: number) => `+86170${String(n).padStart(8, '0')}`
export const codeOf = (n: number) => createHash('sha256').update(`code ${n}`).digest()

/** The tables that grow with the users, or with what they do. */
export const GROWING = [
  ...['users', 'identities', 'sessions', 'phone_changes', 'audit_log_entries'].map(name => `auth.${name}`),
  ...['wechat_codes', 'events', 'deliveries', 'rate_limits', 'wechat_pushes'].map(
    name => `auth_private.${name}`,
  ),
]

/** All but the last thousand are living people with a phone and a unionid; odd ones know another app, too. */
const SQL = `
  insert into auth.users (id, wechat_id, wechat_unionid, phone, phone_confirmed_at, created_at, last_sign_in_at)
  select ${ID('user')}, 'o' || n, 'u' || n, '+86170' || lpad(n::text, 8, '0'), now(), now() - n * interval '1 minute', now()
  from generate_series(1, ${USERS}) n;
  insert into auth.identities (id, user_id, appid, provider_id, unionid, created_at)
  select ${ID('identity')}, ${ID('user')}, '${APP}', 'o' || n, 'u' || n, now() from generate_series(1, ${USERS}) n
  union all
  select gen_random_uuid(), ${ID('user')}, '${OTHER_APP}', 'p' || n, 'u' || n, now() from generate_series(1, ${USERS}, 2) n;
  insert into auth.sessions (id, user_id, created_at)
  select ${ID('session')}, ${ID('user')}, now() from generate_series(1, ${USERS}) n
  union all select gen_random_uuid(), ${ID('user')}, now() from generate_series(1, ${USERS}, 2) n;
  insert into auth.audit_log_entries (action, user_id, actor, session_id, created_at, details)
  select case n % 1000 when 0 then 'user_banned' else 'user_signed_in' end, ${ID('user', `1 + n % ${USERS}`)}, 'user', ${ID('session', `1 + n % ${USERS}`)},
    now() - (15000 - n) * interval '40 minutes', '{"provider": "wechat_mini", "phone": "+86138****8000"}'
  from generate_series(1, 15000) n;
  update auth.phone_changes set changed_at = now() - id % 380 * interval '1 day';
  insert into auth_private.wechat_codes
    (code_hash, appid, user_id, claim_id, claimed_until, outcome, phone_revision, created_at, redeemed_at)
  select sha256(convert_to('code ' || n, 'UTF8')), '${APP}', ${ID('user', `1 + n % ${USERS}`)}, gen_random_uuid(), t, 'bound', 0, t, t
  from generate_series(1001, 11000) n, lateral (select now() - n * interval '1 minute') time (t);
  insert into auth_private.wechat_codes (code_hash, appid, user_id, claim_id, claimed_until)
  select sha256(convert_to('code ' || n, 'UTF8')), '${APP}', ${ID('user')}, '${CLAIM_ID}', now() + interval '1 hour'
  from generate_series(1, 100) n;
  insert into auth_private.webhooks (id, url, secret)
  select ${ID('webhook')}, 'https://example.com/' || n, 'whsec_' from generate_series(1, 3) n;
  insert into auth_private.events (type, user_id, data, created_at, relayed_at)
  select case n % 2 when 0 then 'phone.bound' else 'user.signed_in' end, ${ID('user', `1 + n % ${USERS}`)},
    case n % 2 when 0 then '{"phone": "+8613800138000"}'::jsonb else '{}' end, t, t
  from generate_series(1, 15000) n, lateral (select now() - (15000 - n) * interval '3 minutes') time (t);
  insert into auth_private.events (type, user_id, data)
  select 'user.signed_in', ${ID('user')}, '{}' from generate_series(1, 300) n;
  insert into auth_private.deliveries (webhook_id, event_id, user_id, state, due_at)
  select ${ID('webhook', '1 + e.id % 3')}, e.id, e.user_id, case e.id % 20 when 0 then 'failed' else 'waiting' end,
    now() + (e.id % 1000 - 50) * interval '1 second'
  from auth_private.events e where e.id between 10000 and 15000;
  insert into auth_private.rate_limits (key, points, ends_at)
  select 'key ' || n, 1, now() + (n - 500) * interval '1 second' from generate_series(1, ${USERS}) n;
  insert into auth_private.wechat_pushes (appid, event, openid, revoke_info, create_time, relayed_at, done_at)
  select '${APP}', 'user_authorization_revoke', 'o' || n, '{8}', t, t, t
  from generate_series(1, ${USERS}) n, lateral (select now() - n * interval '5 minutes') time (t);
  insert into auth_private.wechat_pushes (appid, event, openid, revoke_info, create_time)
  select '${APP}', e, 'o' || n, '{8}', now()
  from generate_series(1, 100) n, unnest(array['user_authorization_revoke', 'user_authorization_cancellation']) e;
  update auth.users u set deleted_at = now() - n * interval '1 day'
  from generate_series(${USERS} - 999, ${USERS} - 500) n where u.id = ${ID('user')};
  update auth.users u set merged_into = ${ID('user', 'n - 1000')}, phone = null, phone_confirmed_at = null
  from generate_series(${USERS} - 499, ${USERS}) n where u.id = ${ID('user')};`

export async function makeCrowd(superuser: pg.Client): Promise<void> {
  // Pages that are nearly empty: to read all of them costs as much as with ten times as many rows.
  for (const table of GROWING) await superuser.query(`alter table ${table} set (fillfactor = 10)`)
  // Of what was not flushed yet vacuum cannot say that everybody sees it, and whether an index is enough depends on that.
  await superuser.query('set synchronous_commit = on')
  await superuser.query(SQL)
  await superuser.query(`vacuum (analyze) ${GROWING.join(', ')}, auth_private.webhooks`)
}
