import { z } from 'zod'
import { type UserRow, unlinkIdentity as unlink } from '../db/statements.ts'
import { type Rpc, requireUser } from './rpc.ts'

/** Takes a way in from the user. Then sql/schema/auth_private/unlink_identity.sql, one statement. */
export const unlinkIdentity: Rpc<{ identityId: string }, { user: UserRow }> = {
  name: 'unlinkIdentity',
  description:
    'Takes an identity from the signed-in user, who cannot sign in with it any more; never the last one. Errors: validation_failed, no_authorization, session_not_found, user_banned, single_identity_not_deletable, over_request_rate_limit, database_unavailable.',
  sdl: {
    input: '"""The identity: `Identity.id` of `currentUserIdentities`."""\nidentityId: UUID!',
    payload: '"""The user, without the identity."""\nuser: User',
  },
  input: z.object({ identityId: z.guid('is not a uuid') }),
  entersSession: true,
  async run({ db }, { caller }, { identityId }) {
    return { user: await unlink(db, requireUser(caller).sessionId, identityId) }
  },
}
