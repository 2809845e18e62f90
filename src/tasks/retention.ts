// What is kept how long: the table of docs/operations.md, which a test compares with this. Before: src/tasks/clean_up.ts.

/** Days; null: for ever. */
export interface Retention {
  ledger: number | null
  audit: number | null
  phoneHistory: number | null
  events: number | null
  tombstones: number | null
}

export const RETENTION: Retention = { ledger: 7, audit: 365, phoneHistory: 365, events: 30, tombstones: null }

/** What WeChat sends again, and whoever recorded it, finds the row as long as it is kept. */
const PUSH_DAYS = 30

/** Two years can be compared, day by day. */
const CALLS_DAYS = 800

/** A process that has counted nothing for so long does not send again what it had sent then. */
const COUNTER_DAYS = 30

export const BATCH = 10_000

export interface Rule {
  table: string
  days: (retention: Retention) => number | null
  /**
   * Deletes a batch at most, of what is older than $1 days; by an index, and past what somebody has locked. An array, as the
   * planner takes that for short, and looks each row up.
   */
  text: string
  /** How many rows went, where that is an answer. */
  answers?: true
}

const older = (time: string) => `${time} < now() - make_interval(days => $1)`

export const rules: Rule[] = [
  {
    table: 'auth_private.wechat_codes',
    days: ({ ledger }) => ledger,
    // A code may be claimed anew, or redeemed, long after it was first seen.
    text: `
      delete from auth_private.wechat_codes where code_hash = any (array(
        select code_hash from auth_private.wechat_codes
        where ${older('created_at')} and ${older('claimed_until')} and (redeemed_at is null or ${older('redeemed_at')})
        order by created_at limit ${BATCH} for update skip locked))`,
  },
  {
    table: 'auth.audit_log_entries',
    days: ({ audit }) => audit,
    // The log is written in the order of time, nearly: no index of times, which every sign-in would have to keep.
    text: `
      delete from auth.audit_log_entries where id = any (array(
        select id from auth.audit_log_entries where id = any (array(
          select o.id from (
            select id, created_at from auth.audit_log_entries order by id limit ${BATCH}
          ) o where ${older('o.created_at')}))
        for update skip locked))`,
  },
  {
    table: 'auth_private.events',
    days: ({ events }) => events,
    // What somebody has still to be told of stays, and what was given up, until an administrator has dealt with it.
    text: `
      delete from auth_private.events where id = any (array(
        select e.id from auth_private.events e
        where ${older('e.relayed_at')}
          and not exists (select from auth_private.deliveries d where d.event_id = e.id)
        order by e.relayed_at limit ${BATCH} for update skip locked))`,
  },
  {
    table: 'auth.phone_changes',
    days: ({ phoneHistory }) => phoneHistory,
    text: `
      delete from auth.phone_changes where id = any (array(
        select id from auth.phone_changes where ${older('changed_at')}
        order by changed_at limit ${BATCH} for update skip locked))`,
  },
  {
    table: 'auth.users',
    days: ({ tombstones }) => tombstones,
    text: `select auth_private.delete_tombstones($1, ${BATCH / 10}) as deleted`,
    answers: true,
  },
  {
    table: 'auth_private.wechat_pushes',
    days: () => PUSH_DAYS,
    text: `
      delete from auth_private.wechat_pushes where id = any (array(
        select id from auth_private.wechat_pushes where ${older('done_at')}
        order by done_at limit ${BATCH} for update skip locked))`,
  },
  {
    table: 'auth.wechat_calls',
    days: () => CALLS_DAYS,
    text: `
      delete from auth.wechat_calls where id = any (array(
        select id from auth.wechat_calls where day < (now() at time zone 'Asia/Shanghai')::date - $1::integer
        order by day limit ${BATCH} for update skip locked))`,
  },
  {
    table: 'auth_private.wechat_counters',
    days: () => COUNTER_DAYS,
    // One a process: so few that an index would cost more than it saves.
    text: `
      delete from auth_private.wechat_counters where id = any (array(
        select id from auth_private.wechat_counters where ${older('flushed_at')}
        limit ${BATCH} for update skip locked))`,
  },
]
