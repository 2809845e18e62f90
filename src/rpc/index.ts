import { deleteCurrentUser } from './delete_current_user.ts'
import { refreshSession } from './refresh_session.ts'
import type { Rpc } from './rpc.ts'
import { signOut } from './sign_out.ts'
import { unlinkIdentity } from './unlink_identity.ts'
import { updateCurrentUser } from './update_current_user.ts'
import { wechatBindAccount } from './wechat_bind_account.ts'
import { wechatBindPhone } from './wechat_bind_phone.ts'
import { wechatSignIn } from './wechat_sign_in.ts'
import { wechatUnbindPhone } from './wechat_unbind_phone.ts'
import { wechatUnlimitedQrcode } from './wechat_unlimited_qrcode.ts'

/** Every operation of ours that is a mutation. */
// biome-ignore lint/suspicious/noExplicitAny: each checks its own input before `run` sees it
export const rpcs: Rpc<any, object>[] = [
  wechatSignIn,
  wechatBindPhone,
  wechatUnbindPhone,
  wechatBindAccount,
  wechatUnlimitedQrcode,
  updateCurrentUser,
  unlinkIdentity,
  deleteCurrentUser,
  refreshSession,
  signOut,
]
