import { parseConfig } from '../../src/config.ts'
import { codeHashes } from '../../src/tokens/code_hash.ts'
import type { Person, Tap } from './crash_load.ts'
import type { Site } from './crash_site.ts'

interface LedgerRow {
  hash: string
  outcome: string | null
  phone_revision: number | null
}

/** What each code has come to, as the ledger has it. */
export async function readLedger(rows: Site['rows'], env: Record<string, string>, taps: Tap[]) {
  const { dataKeys, wechat } = parseConfig(env)
  const byHash = new Map(
    (
      await rows<LedgerRow>(
        `select encode(code_hash, 'hex') as hash, outcome, phone_revision from auth_private.wechat_codes`,
      )
    ).map(row => [row.hash, row]),
  )
  const hashOf = (code: string) => codeHashes(dataKeys, wechat.defaultAppid, code)[0]!.toString('hex')
  return new Map(taps.map(tap => [tap, byHash.get(hashOf(tap.code))]))
}

/** Statements that find nothing where each transaction was written as a whole. The time of a transaction tells its rows. */
export const halves: Record<string, string> = {
  'an outcome without its one audit entry': `
    select c.outcome, c.redeemed_at from auth_private.wechat_codes c
    where (select count(*) from auth.audit_log_entries a
           where a.user_id = c.user_id and a.created_at = c.redeemed_at
             and a.action = case c.outcome when 'bound' then 'phone_bound' else 'phone_refused' end)
      <> case when c.outcome = 'wechat_code_invalid' then 0 else 1 end`,
  'a bind without its one event': `
    select c.redeemed_at from auth_private.wechat_codes c
    where c.outcome = 'bound' and (select count(*) from auth_private.events e
      where e.type = 'phone.bound' and e.user_id = c.user_id and e.created_at = c.redeemed_at) <> 1`,
  'an audit entry or an event without a bind': `
    select from (
      select count(*) as n from auth_private.wechat_codes where outcome = 'bound'
      union select count(*) from auth.audit_log_entries where action = 'phone_bound'
      union select count(*) from auth_private.events where type = 'phone.bound'
    ) counts having count(*) <> 1`,
  'a refusal that was noted twice': `
    select from (
      select count(*) as n from auth_private.wechat_codes where outcome not in ('bound', 'wechat_code_invalid')
      union select count(*) from auth.audit_log_entries where action = 'phone_refused'
    ) counts having count(*) <> 1`,
  'a user whose phone has not changed as often as he bound one': `
    select u.id from auth.users u
    where u.phone_revision <> (select count(*) from auth_private.wechat_codes c
                               where c.user_id = u.id and c.outcome = 'bound')
      or (u.phone is null) <> (u.phone_revision = 0)`,
  'a phone that is not the one of its last event': `
    select u.id from auth.users u
    join lateral (select e.data from auth_private.events e
                  where e.user_id = u.id and e.type = 'phone.bound' order by e.created_at desc limit 1) e on true
    where u.phone is distinct from e.data ->> 'phone'`,
  'a user without his one identity and his one event': `
    select u.id from auth.users u
    where (select count(*) from auth.identities i where i.user_id = u.id and i.provider_id = u.wechat_id) <> 1
      or (select count(*) from auth_private.events e where e.type = 'user.created' and e.user_id = u.id) <> 1`,
  'a session without its one audit entry and its one event': `
    select s.id from auth.sessions s
    where (select count(*) from auth.audit_log_entries a where a.session_id = s.id
             and a.action in ('user_signed_up', 'user_signed_in') and a.user_id = s.user_id) <> 1
      or (select count(*) from auth_private.events e where e.type = 'user.signed_in'
            and e.data ->> 'session_id' = s.id::text and e.user_id = s.user_id) <> 1`,
  'a sign-in without its session': `
    select from (
      select count(*) as n from auth.sessions
      union select count(*) from auth_private.events where type = 'user.signed_in'
    ) counts having count(*) <> 1`,
  'a code that has no outcome': `select c.claimed_until from auth_private.wechat_codes c where c.outcome is null`,
  'a transaction that is open': `
    select a.pid, a.state from pg_stat_activity a
    where a.datname = current_database() and (a.state like 'idle in transaction%' or a.wait_event_type = 'Lock')`,
}

/** The phone that a person must have: that of his last tap which was answered with "bound". */
export function phoneOf(person: Person): string | null {
  return person.taps.findLast(tap => tap.answers.some(({ code }) => code === undefined))?.phone ?? null
}
