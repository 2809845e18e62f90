import { isIP } from 'node:net'
import { AppError, type ErrorCode } from '../errors.ts'
import type { Endpoint } from './http.ts'

/** The access token is missing, expired or replaced: nothing was done, and another token helps. */
export const deadTokenErrcodes = new Set([40001, 40014, 41001, 42001])

const byErrcode: Record<number, ErrorCode> = {
  [-1]: 'wechat_unavailable', // system busy
  45009: 'wechat_unavailable', // daily quota
  45011: 'wechat_unavailable', // minute quota
  40029: 'wechat_code_invalid', // expired, used, of another kind, of another app
  40163: 'wechat_code_invalid', // used
  40226: 'wechat_user_blocked',
  40097: 'validation_failed',
  40129: 'validation_failed',
  40169: 'validation_failed',
  41030: 'validation_failed',
  40001: 'wechat_misconfigured', // on the token endpoints: invalid secret; elsewhere only after another token was tried
  40002: 'wechat_misconfigured', // grant_type
  40013: 'wechat_misconfigured', // appid
  40014: 'wechat_misconfigured',
  40125: 'wechat_misconfigured', // appsecret
  40164: 'wechat_misconfigured', // our address is not on the app's list
  40243: 'wechat_misconfigured', // the secret is frozen
  41001: 'wechat_misconfigured',
  41002: 'wechat_misconfigured',
  41004: 'wechat_misconfigured',
  41008: 'wechat_misconfigured',
  42001: 'wechat_misconfigured',
  43002: 'wechat_misconfigured', // POST needed
  44002: 'wechat_misconfigured', // empty body
  47001: 'wechat_misconfigured', // body's format
  48001: 'wechat_misconfigured', // the app may not use this interface
  48004: 'wechat_misconfigured',
  50004: 'wechat_misconfigured',
  50007: 'wechat_misconfigured', // the account is frozen
}

/** Those that mean something to us, success included. */
export const knownErrcodes = [0, ...Object.keys(byErrcode).map(Number)]

/** 895xx: an administrator has to confirm our address, or has refused it. */
export const wantsConfirmation = (errcode: number) => errcode >= 89500 && errcode <= 89599

/** The catalogue's name of an errcode: 895xx (an administrator must confirm our address) and unknown ones included. */
export function codeOfErrcode(errcode: number): ErrorCode {
  if (wantsConfirmation(errcode)) return 'wechat_misconfigured'
  return byErrcode[errcode] ?? 'wechat_unavailable'
}

/** The request id that WeChat puts at the end of errmsg, for asking its support. */
export const ridOf = (errmsg: string) => /rid: ([0-9a-f]+(?:-[0-9a-f]+)*)/.exec(errmsg)?.[1]

/** What an operator should do about an errcode; WeChat's own names of things in brackets, as its console shows them. */
const advices: Record<number, string> = {
  40013: 'WeChat does not know this appid: compare WECHAT_APP_ID or WECHAT_APPS with the console',
  40125:
    "the app's secret (AppSecret) is wrong: set the present one as WECHAT_APP_SECRET or in WECHAT_APPS on all nodes and workers",
  40243:
    "the app's secret (AppSecret) is frozen: an administrator of the app has to unfreeze it in the console",
  45009:
    "the app's daily quota (每日调用额度) of this interface is used up: look for what calls it so often; it can be cleared in the console",
  48001: 'the app may not use this interface: for phone numbers it has to be certified, and not personal',
  48004: 'WeChat has forbidden this interface to the app: the console says why',
  50004: 'WeChat has forbidden this interface to the app: the console says why',
  50007: "the app's account is frozen: the console says why",
  89503:
    'an administrator of the app has to confirm the address of this server: WeChat has sent him a message',
  89506:
    'an administrator of the app has refused the address of this server: it may ask again after 24 hours',
  89507: 'an administrator of the app has refused the address of this server: it may ask again after an hour',
}

/** Of 895xx all is about an administrator's consent to an address. */
const CONFIRM =
  'an administrator of the app has to confirm the address of this server: the console, and a message from WeChat to him, say more'

/** The addresses in `invalid ip 1.2.3.4 ipv6 ::ffff:1.2.3.4, not in whitelist`, each once. */
function addressesIn(errmsg: string): string[] {
  const words = errmsg.split(/[\s,]+/).filter(word => isIP(word) !== 0)
  return [...new Set(words.map(word => word.replace(/^::ffff:(?=\d+\.)/i, '')))]
}

/** Where an errcode means something of its own. */
const adviceAt: Partial<Record<Endpoint, Record<number, string>>> = {
  stable_token: { 40001: advices[40125]! },
  token: { 40001: advices[40125]! },
  // The token is this app's: what is of another app is the code.
  getuserphonenumber: {
    40013:
      'a code was of another mini program: where it was not sent in malice, that one has to send its own appid as x-wechat-appid',
  },
}

/** What an operator should do; undefined: nothing comes to mind. */
function adviceOf(errcode: number, errmsg: string, endpoint: Endpoint | undefined): string | undefined {
  const own = (endpoint && adviceAt[endpoint]?.[errcode]) ?? advices[errcode]
  if (wantsConfirmation(errcode)) return own ?? CONFIRM
  if (errcode !== 40164) return own
  const which = addressesIn(errmsg).join(' and ') || 'the address of this server'
  return `allow ${which} in the console, in the list of addresses that may call the API (IP白名单)`
}

/** The catalogue's error for an answer of WeChat; errcode and rid are kept, its text is not for users. */
export const fromErrcode = (errcode: number, errmsg: string, endpoint?: Endpoint) =>
  new AppError(codeOfErrcode(errcode), {
    wechat: { errcode, rid: ridOf(errmsg) },
    advice: adviceOf(errcode, errmsg, endpoint),
  })
