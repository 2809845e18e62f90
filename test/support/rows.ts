import type { TestDatabase } from './database.ts'

/** How much there is of everything that an operation could have left behind. */
export const rowCounts = (db: TestDatabase) =>
  db.row<Record<'users' | 'identities' | 'sessions' | 'refreshes' | 'codes' | 'entries' | 'events', number>>(
    `select (select count(*) from auth.users)::integer as users,
       (select count(*) from auth.identities)::integer as identities,
       (select count(*) from auth.sessions)::integer as sessions,
       (select coalesce(sum(refresh_counter), 0) from auth.sessions)::integer as refreshes,
       (select count(*) from auth_private.wechat_codes)::integer as codes,
       (select count(*) from auth.audit_log_entries)::integer as entries,
       (select count(*) from auth_private.events)::integer as events`,
  )
