import { z } from 'zod'
import { checkToken } from './credentials.ts'
import { WechatError } from './errors.ts'
import type { Work } from './exchange.ts'
import { readPost } from './post.ts'
import type { Settings } from './settings.ts'
import type { Phone, State } from './state.ts'

// Strict, because users met 47001 for a mistyped key and for an `access_token` in the body.
const PhoneBody = z.strictObject({ code: z.string(), openid: z.string().optional() })

/** Source: page of getPhoneNumber (server side). */
export function phone(state: State): Work {
  return async exchange => {
    // The page does not say what WeChat looks at first; here the gate (token) comes before the form.
    const appid = checkToken(state, exchange)
    const { code, openid } = await readPost(exchange, PhoneBody)
    const { refuse_openid, other_app_errcode, country_code } = state.settings
    if (refuse_openid && openid !== undefined) throw new WechatError(47001)
    const minted = state.phoneCodes.find(code, appid)
    // The documentation names both 40029 and 40013 for another app's code; 40029 is also what users saw.
    if (!minted && state.phoneCodes.isOfAnother(code, appid)) throw new WechatError(other_app_errcode)
    // No errcode is documented for an openid that does not fit: the code is invalid for it, and stays unspent.
    if (!minted || minted.used || !fits(minted.value.openid, openid)) throw new WechatError(40029)
    minted.used = true
    state.quotas.exchange(appid)
    const watermark = { timestamp: Math.floor(minted.mintedAt / 1000), appid }
    const phone_info = { ...numbers(minted.value, country_code), watermark, ...exchange.phoneInfo }
    return { errcode: 0, errmsg: 'ok', phone_info }
  }
}

/** Whether WeChat has nothing against this openid: it compares only where it knows one and is sent one. */
function fits(known: string | undefined, sent: string | undefined): boolean {
  return known === undefined || sent === undefined || known === sent
}

/** Mainland numbers are written nationally, all others with their country code. Source: page of getPhoneNumber, users. */
export function numbers({ national, countryCode }: Phone, form: Settings['country_code']) {
  const phoneNumber = countryCode === '86' ? national : `+${countryCode}${national}`
  const forms = { string: countryCode, number: Number(countryCode), plus: `+${countryCode}` }
  return { phoneNumber, purePhoneNumber: national, countryCode: forms[form] }
}
