import { z } from 'zod'
import { signIn } from '../db/statements.ts'
import { Code, type Rpc } from './rpc.ts'
import { type Session, sessionOf, tokenClaims } from './session.ts'

/**
 * Signs in by the code of `wx.login`. Before: src/graphql/mutations.ts or src/rest/routes.ts. Then WeChat
 * (jscode2session), then sql/schema/auth_private/wechat_sign_in.sql, one statement. WeChat's session_key is not kept.
 */
export const wechatSignIn: Rpc<{ code: string }, { session: Session }> = {
  name: 'wechatSignIn',
  description:
    'Signs in with the code of `wx.login`. The user is created at first sight. Errors: validation_failed, wechat_code_invalid, wechat_user_blocked, user_banned, over_request_rate_limit, wechat_misconfigured, wechat_unavailable, database_unavailable.',
  sdl: {
    input:
      '"""The code that `wx.login` gave to the mini program; single use, five minutes."""\ncode: String!',
    payload: '"""The new session."""\nsession: Session',
  },
  input: z.object({ code: Code }),
  entersSession: false,
  async run(services, { appid }, { code }) {
    const login = await services.wechat.code2session(appid, code)
    const token = tokenClaims(services)
    const session = await signIn(services.db, appid, login, services.config.session.singlePerUser, token)
    return { session: await sessionOf(services, session, token) }
  },
}
