import { z } from 'zod'
import { bindAccount, getUser, type UserRow } from '../db/statements.ts'
import { Code, type Rpc, requireUser } from './rpc.ts'

/**
 * Gives the signed-in user another way in: the openid of `wx.login`, of an app in which he has none. Then WeChat
 * (jscode2session), then sql/schema/auth_private/wechat_bind_account.sql, one statement.
 */
export const wechatBindAccount: Rpc<{ code: string }, { user: UserRow }> = {
  name: 'wechatBindAccount',
  description:
    'Links the WeChat identity of a `wx.login` to the signed-in user, so that it signs him in too; his own again is success. Errors: validation_failed, no_authorization, session_not_found, user_banned, wechat_code_invalid, wechat_user_blocked, identity_already_exists, over_request_rate_limit, wechat_misconfigured, wechat_unavailable, database_unavailable.',
  sdl: {
    input:
      '"""The code that `wx.login` gave to the mini program; single use, five minutes."""\ncode: String!',
    payload: '"""The user, with the identity."""\nuser: User',
  },
  input: z.object({ code: Code }),
  entersSession: true,
  async run({ wechat, db }, { caller, appid }, { code }) {
    const { sessionId } = requireUser(caller)
    // The code is spent only for somebody whose session lives.
    await getUser(db, sessionId)
    const login = await wechat.code2session(appid, code)
    return { user: await bindAccount(db, sessionId, appid, login) }
  },
}
