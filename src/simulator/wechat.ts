import { randomBytes } from 'node:crypto'
import { Router } from 'express'
import { z } from 'zod'
import { readJson } from './body.ts'
import { WechatError } from './errors.ts'
import { type Exchange, endpoint, type Work } from './exchange.ts'
import { checkQrcode, QrcodeBody } from './qrcode.ts'
import { drawQrcode } from './qrcode_image.ts'
import type { Phone, State } from './state.ts'

type Credentials = Record<'appid' | 'secret' | 'grant_type', string | null | undefined>

const StableTokenBody = z.object({
  grant_type: z.string().optional(),
  appid: z.string().optional(),
  secret: z.string().optional(),
  force_refresh: z.boolean().default(false),
})

// Strict, because users met 47001 for a mistyped key and for an `access_token` in the body.
const PhoneBody = z.strictObject({ code: z.string(), openid: z.string().optional() })

/** WeChat's own endpoints, relative to its base URL. */
export function wechatRoutes(state: State): Router {
  return Router()
    .get('/cgi-bin/token', endpoint(state, 'token', 'application/json', token(state)))
    .all('/cgi-bin/stable_token', endpoint(state, 'stable_token', 'application/json', stableToken(state)))
    .get('/sns/jscode2session', endpoint(state, 'jscode2session', 'text/plain', login(state)))
    .all(
      '/wxa/business/getuserphonenumber',
      endpoint(state, 'getuserphonenumber', 'application/json', phone(state)),
    )
    .all(
      '/wxa/getwxacodeunlimit',
      endpoint(state, 'getwxacodeunlimit', 'application/json; encoding=utf-8', qrcode(state)),
    )
}

/** Source: page of getAccessToken. */
function token(state: State): Work {
  return ({ query, call }) => {
    call.appid = checkApp(state, credentialsOf(query), 'client_credential')
    return state.tokens.renew(call.appid)
  }
}

/** Source: page of getStableAccessToken. */
function stableToken(state: State): Work {
  return async exchange => {
    requirePost(exchange)
    const body = await readBody(exchange, StableTokenBody)
    const credentials = { appid: body.appid, secret: body.secret, grant_type: body.grant_type }
    const appid = checkApp(state, credentials, 'client_credential')
    exchange.call.appid = appid
    return state.tokens.stable(appid, body.force_refresh)
  }
}

/** Source: page of code2Session. */
function login(state: State): Work {
  return ({ query, call }) => {
    const appid = checkApp(state, credentialsOf(query), 'authorization_code')
    call.appid = appid
    const code = query.get('js_code')
    if (!code) throw new WechatError(41008)
    const minted = state.loginCodes.find(code, appid)
    if (!minted) throw new WechatError(40029)
    if (minted.used) throw new WechatError(40163)
    minted.used = true
    const { openid, unionid } = minted.value
    const session_key = randomBytes(16).toString('base64')
    return unionid === undefined ? { openid, session_key } : { openid, session_key, unionid }
  }
}

/** Source: page of getPhoneNumber (server side). */
function phone(state: State): Work {
  return async exchange => {
    // The page does not say what WeChat looks at first; here the gate (token) comes before the form.
    const appid = state.tokens.appOf(exchange.query.get('access_token'))
    exchange.call.appid = appid
    requirePost(exchange)
    const { code, openid } = await readBody(exchange, PhoneBody)
    // The documentation names both 40029 and 40013 for another app's code; 40029 is also what users saw.
    // No errcode is documented for an openid that does not fit: the code is invalid for it, and stays unspent.
    const minted = state.phoneCodes.find(code, appid)
    if (!minted || minted.used || !fits(minted.value.openid, openid)) throw new WechatError(40029)
    minted.used = true
    const watermark = { timestamp: Math.floor(minted.mintedAt / 1000), appid }
    const phone_info = { ...numbers(minted.value), watermark, ...exchange.phoneInfo }
    return { errcode: 0, errmsg: 'ok', phone_info }
  }
}

/** Source: page of getUnlimitedQRCode. */
function qrcode(state: State): Work {
  return async exchange => {
    const appid = state.tokens.appOf(exchange.query.get('access_token'))
    exchange.call.appid = appid
    requirePost(exchange)
    const wanted = await readBody(exchange, QrcodeBody)
    checkQrcode(wanted, state.pages)
    return drawQrcode(appid, wanted)
  }
}

/** Whether WeChat has nothing against this openid: it compares only where it knows one and is sent one. */
function fits(known: string | undefined, sent: string | undefined): boolean {
  return known === undefined || sent === undefined || known === sent
}

/** Mainland numbers are written nationally, all others with their country code. Source: page of getPhoneNumber, users. */
function numbers({ national, countryCode }: Phone) {
  const phoneNumber = countryCode === '86' ? national : `+${countryCode}${national}`
  return { phoneNumber, purePhoneNumber: national, countryCode }
}

function credentialsOf(query: URLSearchParams): Credentials {
  return { appid: query.get('appid'), secret: query.get('secret'), grant_type: query.get('grant_type') }
}

/** The appid, if these are an app's credentials. Which of several faults WeChat names is undocumented: gaps first. */
function checkApp(state: State, { appid, secret, grant_type }: Credentials, grantType: string): string {
  if (!appid) throw new WechatError(41002)
  if (!secret) throw new WechatError(41004)
  if (grant_type !== grantType) throw new WechatError(40002)
  const expected = state.apps.get(appid)
  if (expected === undefined) throw new WechatError(40013)
  if (secret !== expected) throw new WechatError(40125)
  return appid
}

function requirePost({ req }: Exchange): void {
  if (req.method !== 'POST') throw new WechatError(43002)
}

async function readBody<T>({ req, res }: Exchange, schema: z.ZodType<T>): Promise<T> {
  const body = await readJson(req, res)
  if (body === undefined) throw new WechatError(44002)
  const parsed = schema.safeParse(body)
  if (!parsed.success) throw new WechatError(47001)
  return parsed.data
}
