import { z } from 'zod'
import { deleteUser, getUser } from '../db/statements.ts'
import { AppError } from '../errors.ts'
import { type Rpc, requireUser } from './rpc.ts'

/** Deletes the user's own account, where ACCOUNT_DELETION lets him. Then sql/schema/auth_private/delete_user.sql, one statement. */
export const deleteCurrentUser: Rpc<object, Record<string, never>> = {
  name: 'deleteCurrentUser',
  description:
    'Deletes the account of the signed-in user: phone, WeChat identities and metadata are forgotten, all sessions end. Only where the service allows it (ACCOUNT_DELETION=on). Errors: validation_failed, no_authorization, session_not_found, user_banned, over_request_rate_limit, database_unavailable.',
  sdl: { input: '', payload: '' },
  input: z.object({}),
  entersSession: true,
  async run({ db, config }, { caller }) {
    const { sessionId } = requireUser(caller)
    if (!config.accountDeletion) {
      // No statement of this operation would look; and a dead token is told so, whatever it asks for.
      await getUser(db, sessionId)
      throw new AppError('validation_failed', { message: 'Accounts cannot be deleted by their users here' })
    }
    await deleteUser(db, sessionId)
    return {}
  },
}
