import { randomBytes } from 'node:crypto'

/**
 * WeChat's texts. That of 40001 is quoted by users word for word, as is that of 40169, the others follow the table of global return codes,
 * where the wording may vary: programs must go by errcode.
 */
const TEXTS: Record<number, string> = {
  [-1]: 'system error',
  40001:
    'invalid credential, access_token is invalid or not latest, could get access_token by getStableAccessToken, ' +
    'more details at https://mmbizurl.cn/s/JtxxFh33r',
  40002: 'invalid grant_type',
  40013: 'invalid appid',
  40014: 'invalid access_token',
  40029: 'invalid code',
  40097: 'invalid args',
  40125: 'invalid appsecret',
  40129: 'invalid scene',
  40163: 'code been used',
  40164: 'invalid ip, not in whitelist',
  40169: 'invalid length for scene, or the data is not json string',
  40226: 'code blocked',
  40243: 'appsecret is frozen',
  41001: 'access_token missing',
  41002: 'appid missing',
  41004: 'appsecret missing',
  41008: 'missing code',
  41030: 'invalid page',
  42001: 'access_token expired',
  43002: 'require POST method',
  44002: 'empty post data',
  45009: 'reach max api daily quota limit',
  45011: 'api minute-quota reach limit, must slower, retry next minute',
  47001: 'data format error',
  48001: 'api unauthorized',
  48004: 'api forbidden',
  50002: 'user limited',
  50004: 'forbidden to use the token interface',
  50007: 'account is frozen',
  85096: 'not allow include scancode_time field',
  87009: 'invalid signature',
  89503: 'this call needs the confirmation of an administrator',
  89506: 'an administrator has refused this ip twice, it cannot be used for 24 hours',
  89507: 'an administrator has refused this ip, it cannot be used for an hour',
}

/** A refusal in WeChat's own terms. Its message is WeChat's text without the rid. */
export class WechatError extends Error {
  readonly errcode: number

  constructor(errcode: number, text = TEXTS[errcode] ?? 'simulated error') {
    super(text)
    this.errcode = errcode
  }
}

/**
 * The body of a refusal: `{errcode, errmsg: "text rid: 8hex-8hex-8hex"}`, the first group being `now` (ms) as Unix
 * seconds, with `hint` also `hint: [8 characters]` before it. It travels with HTTP 200. Source: WeChat's page of global
 * return codes, and what users quote.
 */
export function errorBody(
  error: WechatError,
  now: number,
  hint: boolean,
): { errcode: number; errmsg: string } {
  const seconds = Math.floor(now / 1000)
    .toString(16)
    .padStart(8, '0')
  const rid = [seconds, randomBytes(4).toString('hex'), randomBytes(4).toString('hex')].join('-')
  const hinted = hint ? ` hint: [${randomBytes(6).toString('base64url')}]` : ''
  return { errcode: error.errcode, errmsg: `${error.message}${hinted} rid: ${rid}` }
}
