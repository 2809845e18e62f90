import { parsePhoneNumber } from 'libphonenumber-js/max'
import { z } from 'zod'
import { numbers } from '../phone.ts'
import { TAPS_USED_UP } from '../quotas.ts'
import type { Phone, State } from '../state.ts'
import { ControlError, Id, knownApp, notAnObject, operation } from './operation.ts'

const LOGIN = 'JSON {"openid": "…", "unionid"?: "…", "appid"?: "…"}'
const PHONE =
  'JSON {"phone": "13800138000" or "+85251234567", "country_code"?: "852", ' +
  '"openid"?: "…", "appid"?: "…", "realtime"?: true}'
const ENCRYPTED =
  'JSON {"openid": "…", "phone": "13800138000" or "+85251234567", "country_code"?: "852", "appid"?: "…"}'

const PhoneNumber = z
  .string()
  .regex(/^\+?\d{1,32}$/, 'must be digits, either national (any) or E.164 with a leading +, without spaces')
const CountryCode = z
  .string()
  .regex(/^\+?[1-9]\d{0,3}$/, 'must be a country calling code in a string, such as "852"')

const LoginRequest = z.strictObject({ openid: Id, unionid: Id.optional(), appid: Id.optional() }, notAnObject)

const PhoneRequest = z.strictObject(
  {
    phone: PhoneNumber,
    country_code: CountryCode.optional(),
    openid: Id.optional(),
    appid: Id.optional(),
    realtime: z.boolean().default(false),
  },
  notAnObject,
)

const EncryptedRequest = z.strictObject(
  { openid: Id, phone: PhoneNumber, country_code: CountryCode.optional(), appid: Id.optional() },
  notAnObject,
)

/** The operations that play the part of the user's phone. */
export function codeOperations(state: State) {
  const appOf = (appid: string | undefined) => knownApp(state, appid ?? state.defaultApp)
  return {
    loginCode: operation('POST /login-codes', LOGIN, LoginRequest, ({ appid, openid, unionid }) => ({
      code: state.loginCodes.mint(appOf(appid), { openid, unionid }),
    })),
    phoneCode: operation('POST /phone-codes', PHONE, PhoneRequest, given => {
      const appid = appOf(given.appid)
      const phone = phoneOf(given.phone, given.country_code)
      if (!state.quotas.tap(appid, given.realtime ? 'realtime' : 'quick')) {
        throw new ControlError('the phone taps of the app are used up', { errno: TAPS_USED_UP })
      }
      return { code: state.phoneCodes.mint(appid, { ...phone, openid: given.openid }) }
    }),
    encryptedPhone: operation('POST /encrypted-phones', ENCRYPTED, EncryptedRequest, given => {
      const appid = appOf(given.appid)
      const watermark = { timestamp: Math.floor(state.now() / 1000), appid }
      const { country_code } = state.settings
      const data = { ...numbers(phoneOf(given.phone, given.country_code), country_code), watermark }
      const encrypted = state.sessions.encrypt(appid, given.openid, data)
      if (encrypted) return encrypted
      throw new ControlError('openid: has not signed in, so there is no session_key to encrypt with')
    }),
  }
}

/**
 * National digits are taken as they come, valid or not, beside `country_code` (default 86). E.164 is only split, and
 * only where a country code is recognised in it.
 */
function phoneOf(phone: string, countryCode: string | undefined): Phone {
  const code = countryCode?.replace('+', '')
  if (!phone.startsWith('+')) return { national: phone, countryCode: code ?? '86' }
  const found = callingCode(phone)
  if (code !== undefined && code !== found) {
    throw new ControlError(`country_code: ${code} contradicts +${found} in phone, leave it out`)
  }
  return { national: phone.slice(1 + found.length), countryCode: found }
}

function callingCode(phone: string): string {
  try {
    return parsePhoneNumber(phone).countryCallingCode
  } catch {
    throw new ControlError(
      'phone: not E.164 of a known country, give national digits and country_code instead',
    )
  }
}
