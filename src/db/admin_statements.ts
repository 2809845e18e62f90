import type { Database, Statement } from './database.ts'
import { type UserRow, userOf } from './statements.ts'

/** The statements of administration over REST: each is one call of one SQL function, whose comment says more. */
export const adminStatements = {
  adminListUsers: {
    name: 'admin_list_users',
    text: 'select total, users from auth_private.admin_list_users($1, $2, $3, $4, $5)',
  },
  adminGetUser: { name: 'admin_get_user', text: 'select auth_private.admin_get_user($1) as user_json' },
  adminCreateUser: {
    name: 'admin_create_user',
    text: 'select auth_private.admin_create_user($1, $2, $3) as user_json',
  },
  adminUpdateUser: {
    name: 'admin_update_user',
    text: 'select auth_private.admin_update_user($1, $2, $3) as user_json',
  },
  adminDeleteUser: {
    name: 'admin_delete_user',
    text: 'select auth_private.admin_delete_user($1, $2, $3) as user_json',
  },
  adminListSessions: {
    name: 'admin_list_sessions',
    text: 'select auth_private.admin_list_sessions($1) as sessions',
  },
  adminEndSessions: {
    name: 'admin_end_sessions',
    text: 'select auth_private.admin_end_sessions($1, $2, $3) as ended',
  },
  adminListAudit: {
    name: 'admin_list_audit',
    text: 'select total, entries from auth_private.admin_list_audit($1, $2, $3, $4)',
  },
} as const satisfies Record<string, Statement>

/** What an administrator wants of a user; what is not in it stays. */
export interface UserChanges {
  /** E.164 with plus; empty: none. */
  phone?: string
  /** Merged, key by key. */
  user_metadata?: Record<string, unknown>
  app_metadata?: Record<string, unknown>
  /** From now, by the database's clock; 0: not banned. */
  ban_seconds?: number
}

export interface UserFilter {
  id: string | null
  /** E.164 with plus; one of them. */
  phones: string[] | null
  openid: string | null
}

export const adminListUsers = (
  db: Database,
  limit: number,
  offset: number,
  { id, phones, openid }: UserFilter,
) =>
  db.one<{ total: string; users: UserRow[] }>(adminStatements.adminListUsers, [
    limit,
    offset,
    id,
    phones,
    openid,
  ])

export const adminGetUser = (db: Database, userId: string): Promise<UserRow | null> =>
  userOf(db, adminStatements.adminGetUser, [userId])

export const adminCreateUser = (
  db: Database,
  userId: string | undefined,
  changes: UserChanges,
  reason: string,
) => userOf(db, adminStatements.adminCreateUser, [userId ?? null, changes, reason])

export const adminUpdateUser = (db: Database, userId: string, changes: UserChanges, reason: string) =>
  userOf(db, adminStatements.adminUpdateUser, [userId, changes, reason])

export const adminDeleteUser = (db: Database, userId: string, reason: string, isHard: boolean) =>
  userOf(db, adminStatements.adminDeleteUser, [userId, reason, isHard])

export interface SessionRow {
  id: string
  user_id: string
  created_at: string
  refreshed_at: string
}

export const adminListSessions = async (db: Database, userId: string) =>
  (await db.one<{ sessions: SessionRow[] }>(adminStatements.adminListSessions, [userId])).sessions

/** `sessionId` undefined: all. Answers how many were ended. */
export const adminEndSessions = async (
  db: Database,
  userId: string,
  sessionId: string | undefined,
  reason: string,
) =>
  (await db.one<{ ended: number }>(adminStatements.adminEndSessions, [userId, sessionId ?? null, reason]))
    .ended

/** A row of `auth.audit_log_entries`. */
export interface AuditRow {
  id: number
  created_at: string
  action: string
  user_id: string | null
  actor: string
  session_id: string | null
  details: Record<string, unknown>
}

export const adminListAudit = (
  db: Database,
  limit: number,
  offset: number,
  userId: string | null,
  action: string | null,
) =>
  db.one<{ total: string; entries: AuditRow[] }>(adminStatements.adminListAudit, [
    limit,
    offset,
    userId,
    action,
  ])
