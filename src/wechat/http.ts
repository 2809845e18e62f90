import http from 'node:http'
import https from 'node:https'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import nodeFetch from 'node-fetch'
import { AppError } from '../errors.ts'
import { type Logger, maskPhones } from '../log.ts'
import { isImage, parseJson, Status } from './answers.ts'
import { fromErrcode } from './errcodes.ts'

/** As much of `fetch` as we use, so that node-fetch, undici and the platform's own all fit. */
export type Fetch = (
  url: string,
  init: {
    method: string
    headers?: Record<string, string>
    body?: string
    signal: AbortSignal
    redirect: 'error'
    /** How many bytes an answer may have: an option of node-fetch, of which the others know nothing. */
    size?: number
  },
) => Promise<{ status: number; arrayBuffer(): Promise<ArrayBuffer> }>

/** Larger than any JSON that WeChat sends. */
const MAX_JSON_BYTES = 1_000_000
/** Several times a code of 1280 pixels, the widest there is. */
const MAX_IMAGE_BYTES = 4_000_000

/** node-fetch over kept-alive connections, each of which must be made within `connectTimeoutMs`. */
export function createFetch(connectTimeoutMs: number): Fetch {
  // An idle connection is dropped before WeChat, or something on the way, forgets it.
  const options = { keepAlive: true, timeout: 4_000 }
  const agents = {
    'http:': limitConnect(new http.Agent(options), 'connect', connectTimeoutMs),
    'https:': limitConnect(new https.Agent(options), 'secureConnect', connectTimeoutMs),
  }
  return (url, init) =>
    nodeFetch(url, {
      ...init,
      agent: ({ protocol }) => agents[protocol as keyof typeof agents],
    })
}

function limitConnect(agent: http.Agent, connected: 'connect' | 'secureConnect', ms: number): http.Agent {
  const connect = agent.createConnection.bind(agent)
  agent.createConnection = (options, callback) => {
    const socket = connect(options, callback) as Duplex | null | undefined
    if (!socket) return socket
    const timer = setTimeout(() => {
      ;(socket as Socket).destroy(Object.assign(new Error(), { code: 'ECONNECTTIMEOUT' }))
    }, ms)
    for (const event of [connected, 'close']) socket.once(event, () => clearTimeout(timer))
    return socket
  }
  return agent
}

/** WeChat's interfaces that the service uses; `other` is whatever operations of the application's own ask. */
export const ENDPOINTS = [
  'stable_token',
  'token',
  'jscode2session',
  'getuserphonenumber',
  'getwxacodeunlimit',
  'other',
] as const
export type Endpoint = (typeof ENDPOINTS)[number]

/** What became of one call, for those who count and measure. */
export interface WechatCall {
  appid: string
  endpoint: Endpoint
  /** 0: it succeeded; null: WeChat did not answer properly. */
  errcode: number | null
  /** Why it did not: a word such as `timeout`, `ECONNRESET`, `HTTP 502`, `nonsense`. */
  reason?: string
  /** What an operator should do about the errcode. */
  advice?: string | undefined
  /** Milliseconds. */
  ms: number
}
export type Observe = (call: WechatCall) => void

export interface Request {
  /** Of which app; for those who count, not for WeChat. */
  appid: string
  endpoint: Endpoint
  method: 'GET' | 'POST'
  /** Holds secrets, as WeChat wants it: never logged, never in an error. */
  url: string
  body?: object
  signal: AbortSignal
  /** The answer wanted is an image, not JSON. */
  image?: true
  /** WeChat allows few of this kind: not sent again once it may have arrived, whatever holds for the interface. */
  isCounted?: boolean
}

/** WeChat did not answer, or not with what it should. */
export class Unanswered extends Error {
  /** A word: a code of the network, `timeout`, `HTTP 502`, `nonsense`, `no image`. */
  readonly reason: string

  constructor(endpoint: Endpoint, reason: string) {
    super(`WeChat ${endpoint}: ${reason}`)
    this.reason = reason
  }
}

/** Sends requests to WeChat and reads its answers; `ask` gives back what is not an error. */
export function createAsk(fetch: Fetch, log: Logger, observe: Observe): Ask {
  /**
   * The parsed body of WeChat's answer, or the image in it. Raises the catalogue's error for an errcode (with it and its
   * rid), and `wechat_unavailable` for time-outs, resets, other statuses and bodies that are neither what is wanted nor an
   * errcode. What a body is, its bytes say: WeChat's content types do not.
   */
  async function ask(request: Request & { image: true }): Promise<Buffer>
  async function ask(request: Request): Promise<Record<string, unknown>>
  async function ask({
    appid,
    endpoint,
    method,
    url,
    body,
    signal,
    image,
  }: Request): Promise<Buffer | Record<string, unknown>> {
    const started = performance.now()
    const limit = image ? MAX_IMAGE_BYTES : MAX_JSON_BYTES
    const bytes = await read().catch((error: unknown) => {
      // The error of fetch quotes the URL, in which the secret or the access token is: only its kind goes on.
      const { code, type, name, cause } = error as Partial<Record<'code' | 'type', string>> & Error
      const inner = (cause as { code?: string } | undefined)?.code
      throw unavailable(signal.aborted ? 'timeout' : (code ?? inner ?? type ?? name))
    })
    const picture = image && isImage(bytes) ? bytes : undefined
    const answer = picture ? {} : parseJson(bytes)
    const status = Status.safeParse(answer)
    if (!status.success) throw unavailable('nonsense')
    const { errcode, errmsg } = status.data
    const ms = elapsed()
    if (errcode !== 0) {
      const text = withoutOurs(errmsg, [...new URL(url).searchParams.values(), ...Object.values(body ?? {})])
      const error = fromErrcode(errcode, errmsg, endpoint)
      const { advice } = error
      log.warn({ endpoint, errcode, errmsg: text.slice(0, 500), advice, ms }, 'WeChat answered with an error')
      observe({ appid, endpoint, errcode, advice, ms })
      throw error
    }
    if (image && !picture) throw unavailable('no image')
    log.debug({ endpoint, ms }, 'WeChat answered')
    observe({ appid, endpoint, errcode, ms })
    return picture ?? (answer as Record<string, unknown>)

    async function read() {
      // No code is sent for somebody who was told already that the time is up, whatever fetch makes of such a signal.
      signal.throwIfAborted()
      const response = await fetch(url, {
        method,
        ...(body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
        signal,
        redirect: 'error',
        size: limit,
      })
      // An unread body would keep its connection for ever.
      const bytes = Buffer.from(await response.arrayBuffer())
      if (response.status !== 200) throw Object.assign(new Error(), { code: `HTTP ${response.status}` })
      // For a fetch that has no limit of its own.
      if (bytes.length > limit) throw Object.assign(new Error(), { code: 'max-size' })
      return bytes
    }

    function elapsed() {
      return Math.round(performance.now() - started)
    }

    function unavailable(reason: string) {
      const ms = elapsed()
      log.warn({ endpoint, reason, ms }, 'WeChat did not answer properly')
      observe({ appid, endpoint, errcode: null, reason, ms })
      return new AppError('wechat_unavailable', { cause: new Unanswered(endpoint, reason) })
    }
  }
  return ask
}

/** A text of WeChat's for the log: what we sent (secrets, tokens, codes) and phones are masked, should it quote them. */
function withoutOurs(text: string, sent: unknown[]): string {
  // What is so short is no secret, and would be found in the rid.
  const values = sent.filter(value => typeof value === 'string' && value.length > 3) as string[]
  const quoted = values.flatMap(value => [value, encodeURIComponent(value)])
  return maskPhones(quoted.reduce((masked, value) => masked.replaceAll(value, '****'), text))
}

export interface Ask {
  (request: Request & { image: true }): Promise<Buffer>
  (request: Request): Promise<Record<string, unknown>>
}
