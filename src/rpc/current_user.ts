import { getUser, type UserRow } from '../db/statements.ts'
import type { Services } from '../services.ts'
import { type Call, requireUser } from './rpc.ts'

/**
 * The signed-in user as he is now: `GET /user` and the query `currentUser`. Then
 * sql/schema/auth_private/get_user.sql, one statement. Raises `no_authorization`, `session_not_found`, `user_banned`.
 */
export const currentUser = ({ db, metrics }: Services, call: Call): Promise<UserRow> =>
  metrics.rpc('currentUser', async () => {
    const { sessionId } = requireUser(call.caller)
    call.isEntered = true
    return getUser(db, sessionId)
  })
