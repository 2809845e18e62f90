import { refreshSession } from './refresh_session.ts'
import type { Rpc } from './rpc.ts'
import { signOut } from './sign_out.ts'
import { wechatBindPhone } from './wechat_bind_phone.ts'
import { wechatSignIn } from './wechat_sign_in.ts'

/** Every operation that is a mutation. */
// biome-ignore lint/suspicious/noExplicitAny: each checks its own input before `run` sees it
export const rpcs: Rpc<any, object>[] = [wechatSignIn, wechatBindPhone, refreshSession, signOut]
