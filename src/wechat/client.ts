// Before: src/rpc. After: WeChat, over src/wechat/http.ts, with the token of src/wechat/access_token.ts.
import type { Config } from '../config.ts'
import type { Database } from '../db/database.ts'
import { AppError } from '../errors.ts'
import type { Logger } from '../log.ts'
import { type AccessTokens, createAccessTokens, type Dead } from './access_token.ts'
import { PhoneAnswer, type PhoneInfo, Session } from './answers.ts'
import { type Calls, createCalls } from './calls.ts'
import { deadTokenErrcodes } from './errcodes.ts'
import { createAsk, createFetch, type Endpoint, type Fetch, type Observe } from './http.ts'
import { namingParameter, type UnlimitedQrcode } from './unlimited_qrcode.ts'

export interface WechatOptions {
  config: Config['wechat']
  /** Base URL of WeChat's server API, without a slash at the end. */
  apiUrl: string
  db: Pick<Database, 'one'>
  log: Logger
  /** Instead of node-fetch. */
  fetch?: Fetch | undefined
  /** Told of every call of WeChat once it has ended. */
  observe?: Observe | undefined
  /** Told of every call that was refused because too many wait already. */
  onRefused?: ((endpoint: Endpoint) => void) | undefined
  /** Milliseconds before its end at which an access token is replaced; the worker comes before the nodes. */
  marginMs?: number | undefined
}

/** WeChat's server API, as far as this service uses it. Every call ends within `WECHAT_TIMEOUT_MS`. */
export interface Wechat {
  /**
   * Who logged in, by the code of `wx.login`. Raises `wechat_code_invalid`, `wechat_user_blocked`,
   * `wechat_unavailable`, `wechat_misconfigured`.
   */
  code2session(appid: string, code: string): Promise<Session>
  /**
   * The phone of a tap, by the code of `getPhoneNumber` or `getRealtimePhoneNumber`; undefined: WeChat answered without
   * one. The access token is there before the code is sent. Raises `wechat_code_invalid` (the code is spent),
   * `wechat_unavailable` and `wechat_misconfigured` (the code may still be good).
   */
  phoneNumber(appid: string, code: string, openid?: string): Promise<PhoneInfo | undefined>
  /**
   * The image of a mini program code, JPEG or PNG, at most 4 MB. Raises `validation_failed` (the message names the
   * parameter that WeChat refuses), `wechat_unavailable`, `wechat_misconfigured`.
   */
  unlimitedQrcode(appid: string, parameters: UnlimitedQrcode): Promise<Buffer>
  /**
   * Posts to another interface of WeChat's that wants the app's access token, such as `/cgi-bin/message/subscribe/send`, and
   * answers its body, which has no errcode but 0. Raises the catalogue's error for any other, with WeChat's number in `wechat`
   * (`wechat_unavailable` where it is not known here), and `wechat_unavailable` where it does not answer properly.
   */
  post(appid: string, path: string, body: object): Promise<Record<string, unknown>>
  /** The access tokens that these calls use. */
  token: AccessTokens
  /** How many calls are with WeChat, and wait for room. */
  load: Calls['load']
}

export function createWechat(options: WechatOptions): Wechat {
  const { config, apiUrl, log, fetch, observe = () => {} } = options
  const once = createAsk(fetch ?? createFetch(config.connectTimeoutMs), log, observe)
  const { ask, bounded, load } = createCalls(once, config.limits, options.onRefused)
  const secretOf = (appid: string) => {
    const secret = Object.hasOwn(config.apps, appid) ? config.apps[appid] : undefined
    if (secret === undefined)
      throw new AppError('wechat_misconfigured', { message: 'No such app is configured' })
    return secret
  }
  const tokens = createAccessTokens({
    ...options,
    ask,
    kind: config.tokenKind,
    secretOf,
    timeoutMs: config.timeoutMs,
  })

  /** A call within the caller's time limit, once there is room for it; the room is free when the time is up. */
  async function call<T>(
    appid: string,
    endpoint: Endpoint,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    secretOf(appid)
    return withTimeLimit(config.timeoutMs, (signal, late) =>
      bounded(appid, endpoint, async () => {
        signal.throwIfAborted()
        return Promise.race([work(signal), late])
      }),
    )
  }

  /**
   * Calls an interface that wants the app's access token; once more, with another, where it is refused: that comes before
   * anything else is looked at, so the same request can be sent again. And once more where that other one had not been
   * fetched since, but by another process some time ago: it may have died unseen, too.
   */
  async function withToken<T>(appid: string, path: string, send: (url: string) => Promise<T>): Promise<T> {
    let dead: Dead | undefined
    for (let repeats = 0; ; repeats++) {
      const { token, isNew } = await tokens.get(appid, dead)
      try {
        return await send(`${apiUrl}${path}?${new URLSearchParams({ access_token: token })}`)
      } catch (error) {
        if (!isDeadToken(error) || repeats === 2 || (repeats === 1 && isNew)) throw error
        dead = { token, wechat: error.wechat }
      }
    }
  }

  return {
    code2session: (appid, code) =>
      call(appid, 'jscode2session', async signal => {
        const query = new URLSearchParams({
          appid,
          secret: secretOf(appid),
          js_code: code,
          grant_type: 'authorization_code',
        })
        const url = `${apiUrl}/sns/jscode2session?${query}`
        const session = Session.safeParse(
          await ask({ appid, endpoint: 'jscode2session', method: 'GET', url, signal }),
        )
        if (!session.success)
          throw new AppError('wechat_unavailable', { cause: new Error('jscode2session: nonsense') })
        return session.data
      }),

    phoneNumber: (appid, code, openid) =>
      call(appid, 'getuserphonenumber', async signal => {
        const answer = await withToken(appid, '/wxa/business/getuserphonenumber', url =>
          ask({
            appid,
            endpoint: 'getuserphonenumber',
            method: 'POST',
            url,
            body: { code, ...(openid && { openid }) },
            signal,
          }),
        )
        // An error has an errcode, a success a phone_info; what has neither is not WeChat's.
        if (!('errcode' in answer) && !('phone_info' in answer)) throw new AppError('wechat_unavailable')
        return PhoneAnswer.parse(answer).phone_info ?? undefined
      }),

    unlimitedQrcode: (appid, parameters) =>
      call(appid, 'getwxacodeunlimit', signal =>
        withToken(appid, '/wxa/getwxacodeunlimit', url =>
          ask({
            appid,
            endpoint: 'getwxacodeunlimit',
            method: 'POST',
            url,
            body: parameters,
            signal,
            image: true,
          }).catch(namingParameter),
        ),
      ),

    post: (appid, path, body) =>
      call(appid, 'other', signal =>
        withToken(appid, path, url => ask({ appid, endpoint: 'other', method: 'POST', url, body, signal })),
      ),

    token: tokens,
    load,
  }
}

const isDeadToken = (error: unknown): error is AppError =>
  error instanceof AppError && error.wechat !== undefined && deadTokenErrcodes.has(error.wechat.errcode)

/**
 * The caller is told when the time is up, whatever the work waits for: a database, another caller's fetch of the access
 * token. What goes on behind its back sends no code any more: with an aborted signal fetch does not begin.
 * One controller and a timer that is cleared: AbortSignal.timeout would keep one alive per call.
 */
async function withTimeLimit<T>(
  ms: number,
  work: (signal: AbortSignal, late: Promise<never>) => Promise<T>,
): Promise<T> {
  const controller = new AbortController()
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => {
    const error = new AppError('wechat_unavailable', { cause: new Error('WeChat: timeout') })
    late.reject(error)
    controller.abort(error)
  }, ms)
  try {
    return await Promise.race([work(controller.signal, late.promise), late.promise])
  } finally {
    clearTimeout(timer)
  }
}
