import { z } from 'zod'

// What WeChat answers, as far as we read it. Error bodies are {errcode, errmsg}; a missing errcode and 0 both mean
// success. Unknown members are ignored: WeChat adds them without notice.

/** Every answer: what went wrong, if anything did. */
export const Status = z.looseObject({
  errcode: z.coerce.number().int().default(0),
  errmsg: z.string().catch(''),
})

/** https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/user-login/code2Session.html */
export const Session = z.object({
  openid: z.string().min(1),
  // session_key is deliberately not read: it must never leave the server, and nothing here needs it.
  unionid: z
    .string()
    .nullish()
    .transform(unionid => unionid || undefined),
})
export type Session = z.infer<typeof Session>

/** https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/mp-access-token/getStableAccessToken.html */
export const AccessToken = z.object({
  access_token: z.string().min(1),
  // WeChat says at most 7200.
  expires_in: z.coerce.number().int().min(1).max(86_400),
})
export type AccessToken = z.infer<typeof AccessToken>

const digits = z.union([z.string(), z.number()]).transform(String).optional().catch(undefined)

/**
 * https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/user-info/phone-number/getPhoneNumber.html
 * The parts are lenient: the code is spent by the time we read them, so what can be understood is.
 */
export const PhoneInfo = z.object({
  phoneNumber: digits,
  purePhoneNumber: digits,
  countryCode: digits,
  watermark: z
    .looseObject({ appid: z.string().optional(), timestamp: z.coerce.number().optional().catch(undefined) })
    .nullish()
    .transform(watermark => watermark ?? undefined)
    .optional(),
})
export type PhoneInfo = z.infer<typeof PhoneInfo>

/** The body of getuserphonenumber; `phone_info` that makes no sense counts as none. */
export const PhoneAnswer = z.object({ phone_info: PhoneInfo.nullish().catch(undefined) })

/** JPEG or PNG, by the bytes with which each begins. */
export const isImage = (bytes: Buffer): boolean =>
  ['ffd8ff', '89504e470d0a1a0a'].some(start => bytes.toString('hex', 0, start.length / 2) === start)

const utf8 = new TextDecoder()

/** The JSON of a body; undefined: it is none. */
export function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(utf8.decode(bytes))
  } catch {
    // Undefined is no answer.
  }
}
