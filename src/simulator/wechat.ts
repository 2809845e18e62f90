// Hop before: index.ts mounts this. Hop after: state.ts, which holds what WeChat would know.
import { Router } from 'express'
import { z } from 'zod'
import { checkApp, checkToken, checkTokenIssue, credentialsOf } from './credentials.ts'
import { WechatError } from './errors.ts'
import { type Exchange, endpoint, type Work } from './exchange.ts'
import { phone } from './phone.ts'
import { readPost } from './post.ts'
import { checkQrcode, QrcodeBody } from './qrcode.ts'
import { drawQrcode } from './qrcode_image.ts'
import type { State } from './state.ts'
import type { Endpoint } from './types.ts'

const StableTokenBody = z.object({
  grant_type: z.string().optional(),
  appid: z.string().optional(),
  secret: z.string().optional(),
  force_refresh: z.boolean().default(false),
})

interface Route {
  /** As WeChat documents it; where that is POST, other methods are answered too, by 43002. */
  method: 'GET' | 'POST'
  path: string
  contentType: string
  work: (state: State) => Work
}

/** WeChat's own endpoints, relative to its base URL. */
export const ROUTES: Record<Endpoint, Route> = {
  token: { method: 'GET', path: '/cgi-bin/token', contentType: 'application/json', work: token },
  stable_token: {
    ...{ method: 'POST', path: '/cgi-bin/stable_token' },
    ...{ contentType: 'application/json', work: stableToken },
  },
  jscode2session: { method: 'GET', path: '/sns/jscode2session', contentType: 'text/plain', work: login },
  checksession: {
    ...{ method: 'GET', path: '/wxa/checksession' },
    ...{ contentType: 'application/json', work: checkSession },
  },
  resetusersessionkey: {
    ...{ method: 'GET', path: '/wxa/resetusersessionkey' },
    ...{ contentType: 'application/json', work: resetSessionKey },
  },
  getuserphonenumber: {
    ...{ method: 'POST', path: '/wxa/business/getuserphonenumber' },
    ...{ contentType: 'application/json', work: phone },
  },
  getwxacodeunlimit: {
    ...{ method: 'POST', path: '/wxa/getwxacodeunlimit' },
    ...{ contentType: 'application/json; encoding=utf-8', work: qrcode },
  },
}

export function wechatRoutes(state: State): Router {
  const router = Router()
  for (const [name, { method, path, contentType, work }] of Object.entries(ROUTES)) {
    const handler = endpoint(state, name as Endpoint, contentType, work(state))
    if (method === 'GET') router.get(path, handler)
    else router.all(path, handler)
  }
  return router
}

/** Source: page of getAccessToken. */
function token(state: State): Work {
  return exchange => {
    const appid = checkApp(state, credentialsOf(exchange.query), 'client_credential')
    exchange.call.appid = appid
    checkTokenIssue(state, appid, exchange)
    state.quotas.spend(appid, ['token_day'])
    return state.tokens.renew(appid)
  }
}

/** Source: page of getStableAccessToken. */
function stableToken(state: State): Work {
  return async exchange => {
    const body = await readPost(exchange, StableTokenBody)
    const credentials = { appid: body.appid, secret: body.secret, grant_type: body.grant_type }
    const appid = checkApp(state, credentials, 'client_credential')
    exchange.call.appid = appid
    checkTokenIssue(state, appid, exchange)
    state.quotas.spend(appid, ['stable_token_minute', 'stable_token_day'])
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
    const { openid, unionid } = minted.value
    state.quotas.spend(appid, ['jscode2session_user_minute'], openid)
    minted.used = true
    const session_key = state.sessions.renew(appid, openid)
    const isTold = unionid !== undefined && state.apps.get(appid)!.openPlatform
    return { openid, session_key, ...(isTold && { unionid }) }
  }
}

/** Source: page of checkSessionKey. */
function checkSession(state: State): Work {
  return exchange => {
    signedUser(state, exchange)
    return { errcode: 0, errmsg: 'ok' }
  }
}

/** Source: page of ResetUserSessionKey. */
function resetSessionKey(state: State): Work {
  return exchange => {
    const { appid, openid } = signedUser(state, exchange)
    return { errcode: 0, errmsg: 'ok', openid, session_key: state.sessions.renew(appid, openid) }
  }
}

/** Who has signed a call with his session_key; the only errcode that is documented for all that can be wrong is 87009. */
function signedUser(state: State, exchange: Exchange): { appid: string; openid: string } {
  const appid = checkToken(state, exchange)
  const { query } = exchange
  const [openid, signature] = [query.get('openid') ?? '', query.get('signature') ?? '']
  const isSigned = state.sessions.isSigned(appid, openid, signature)
  if (query.get('sig_method') !== 'hmac_sha256' || !isSigned) throw new WechatError(87009)
  return { appid, openid }
}

/** Source: page of getUnlimitedQRCode. */
function qrcode(state: State): Work {
  return async exchange => {
    const appid = checkToken(state, exchange)
    state.quotas.spend(appid, ['getwxacodeunlimit_minute'])
    const wanted = await readPost(exchange, QrcodeBody)
    const { pages } = state.settings
    checkQrcode(wanted, pages ? new Set(pages) : undefined)
    return drawQrcode(appid, wanted)
  }
}
