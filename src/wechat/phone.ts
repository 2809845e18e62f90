import { parsePhoneNumberFromString } from 'libphonenumber-js/max'
import type { PhoneInfo } from './answers.ts'

/**
 * The E.164 number (with plus) of what WeChat calls a phone; undefined: it is none. The country code may come as a
 * string or a number, with or without plus; `phoneNumber` is national for the mainland and begins with +CC elsewhere.
 * Only the shape is checked, not whether the range is assigned: WeChat vouches for the number, and new ranges come
 * before our data knows them.
 */
export function toE164({ phoneNumber, purePhoneNumber, countryCode }: PhoneInfo): string | undefined {
  const country = countryCode?.trim().replace(/^(\+|00)/, '')
  const whole = phoneNumber?.trim()
  const national = purePhoneNumber?.trim() || whole
  if (!national) return undefined
  const text = national.startsWith('+') ? national : country ? `+${country}${national}` : whole
  if (!text || !/^\+[0-9][0-9 ()-]*$/.test(text)) return undefined
  const parsed = parsePhoneNumberFromString(text)
  return parsed?.isPossible() && /^\+[1-9][0-9]{4,14}$/.test(parsed.number) ? parsed.number : undefined
}

/** A mobile number of the mainland without its country code; or one of North America with it. */
export const isOfTwoCountries = (digits: string) => /^1[3-9][0-9]{9}$/.test(digits)

/**
 * Whether an E.164 number lies in an assigned range. Where the country was read off digits without plus it has to: a
 * national number of some other country must not become somebody's elsewhere.
 */
export const isAssigned = (phone: string) => parsePhoneNumberFromString(phone)?.isValid() ?? false

/** How REST shows a phone: see `PHONE_FORMAT`. No phone is "". */
export function formatPhone(phone: string | null, format: 'wechat' | 'e164' | 'gotrue'): string {
  if (phone === null) return ''
  if (format === 'gotrue') return phone.slice(1)
  return format === 'wechat' && phone.startsWith('+86') ? phone.slice(3) : phone
}
