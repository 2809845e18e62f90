import type { Failure } from '../service/failure'
import { failure } from '../service/failure'

/** `detail` of the phone button's event. */
export interface PhoneSheet {
  errMsg?: string
  errno?: number
  /** Good once, for five minutes. */
  code?: string
  /** What clients below base library 2.21.2 give instead of a code. */
  encryptedData?: string
}

/** Errors of the button. Those of the operator, too: the user is told, and the number is shown for the operator. */
const NAMES: Record<number, string> = {
  /** The user has not agreed to the privacy guidelines (用户隐私保护指引). */
  103: 'privacy_declined',
  104: 'privacy_declined',
  /** The guidelines in the admin console do not declare phone numbers. */
  112: 'phone_not_offered',
  /** The quota of taps is used up (付费管理). */
  1400001: 'phone_not_offered',
}

/** Why the sheet gave no code. The texts differ: `fail user deny` on iOS, `fail:user deny` or `fail:user cancel` on Android. */
export function refusal({ errMsg = '', errno, encryptedData }: PhoneSheet): Failure {
  const id = errno === undefined ? errMsg : `errno ${errno}`
  if (errno !== undefined && NAMES[errno]) return failure(NAMES[errno], { id })
  if (encryptedData) return failure('wechat_outdated')
  if (/privacy permission/i.test(errMsg)) return failure('privacy_declined')
  if (/deny|denied|cancel/i.test(errMsg)) return failure('phone_declined')
  // Above all "fail no permission": the mini program is not certified, or an individual's.
  return failure('phone_not_offered', { id })
}
