import { isAssigned, isOfTwoCountries, toE164 } from '../wechat/phone.ts'
import type { BareNumbers } from './options.ts'

export type ParsedPhone = { phone: string } | { fault: 'phone_ambiguous' | 'phone_unusable' } | undefined

/**
 * The E.164 number of what another service calls a phone; undefined: no phone. GoTrue keeps the digits of E.164 without
 * plus, MemFire mainland numbers without country code. Where the country is read off digits without plus, the number
 * must be assigned.
 */
export function parsePhone(text: string | null, bareNumbers: BareNumbers | undefined): ParsedPhone {
  const written = text?.trim()
  if (!written) return undefined
  if (written.startsWith('+')) return orUnusable(toE164({ phoneNumber: written }))
  if (!/^[0-9][0-9 ()-]*$/.test(written)) return { fault: 'phone_unusable' }
  const digits = written.replace(/[^0-9]/g, '')
  if (!isOfTwoCountries(digits)) return orUnusable(assigned(digits.replace(/^00/, '')))
  if (bareNumbers === undefined) return { fault: 'phone_ambiguous' }
  return orUnusable(
    bareNumbers === 'china' ? toE164({ phoneNumber: digits, countryCode: '86' }) : assigned(digits),
  )
}

const orUnusable = (phone: string | undefined): ParsedPhone =>
  phone === undefined ? { fault: 'phone_unusable' } : { phone }

function assigned(digits: string): string | undefined {
  const phone = toE164({ phoneNumber: `+${digits}` })
  return phone && isAssigned(phone) ? phone : undefined
}

/** A phone, in whatever form, fit for a terminal: `+86138****8000`. At least four characters are hidden. */
export function maskPhone(text: string): string {
  const phone = text.trim()
  const shown = Math.max(Math.min(phone.length - 8, phone.startsWith('+') ? 6 : 3), 0)
  return `${phone.slice(0, shown)}****${phone.length < 9 ? '' : phone.slice(-4)}`
}
