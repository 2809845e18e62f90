import { z } from 'zod'
import { type UserRow, unbindPhone } from '../db/statements.ts'
import { type Rpc, requireUser } from './rpc.ts'

/** Takes the user's own phone from his account. Then sql/schema/auth_private/wechat_unbind_phone.sql, one statement. */
export const wechatUnbindPhone: Rpc<object, { user: UserRow }> = {
  name: 'wechatUnbindPhone',
  description:
    'Takes the phone from the signed-in user; where he has none, nothing happens. Never the last thing that leads to the account: that is an identity, as long as there is one. Errors: no_authorization, session_not_found, user_banned, single_identity_not_deletable, over_request_rate_limit, database_unavailable.',
  sdl: { input: '', payload: '"""The user, without a phone."""\nuser: User' },
  input: z.object({}),
  entersSession: true,
  async run({ db }, { caller }) {
    return { user: await unbindPhone(db, requireUser(caller).sessionId) }
  },
}
