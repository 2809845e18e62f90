import http from 'node:http'
import https from 'node:https'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import nodeFetch from 'node-fetch'
import { AppError } from '../errors.ts'
import { type Logger, maskPhones } from '../log.ts'
import { Status } from './answers.ts'
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
  },
) => Promise<{ status: number; text(): Promise<string> }>

/** Larger than any JSON that WeChat sends. */
const MAX_ANSWER_BYTES = 1_000_000

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
      size: MAX_ANSWER_BYTES,
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

export interface Request {
  /** For logs and metrics. */
  endpoint: 'stable_token' | 'token' | 'jscode2session' | 'getuserphonenumber'
  method: 'GET' | 'POST'
  /** Holds secrets, as WeChat wants it: never logged, never in an error. */
  url: string
  body?: object
  signal: AbortSignal
}

/** Sends requests to WeChat and reads its JSON; `ask` answers what is not an error. */
export function createAsk(fetch: Fetch, log: Logger) {
  /**
   * The parsed body of WeChat's answer. Raises the catalogue's error for an errcode (with it and its rid), and
   * `wechat_unavailable` for time-outs, resets, other statuses and bodies that are no JSON object.
   */
  return async function ask({
    endpoint,
    method,
    url,
    body,
    signal,
  }: Request): Promise<Record<string, unknown>> {
    const started = performance.now()
    const text = await read().catch((error: unknown) => {
      // The error of fetch quotes the URL, in which the secret or the access token is: only its kind goes on.
      const { code, type, name } = error as { code?: string; type?: string; name: string }
      const reason = signal.aborted ? 'timeout' : (code ?? type ?? name)
      throw unavailable(reason)
    })
    const answer = parseJson(text)
    const status = Status.safeParse(answer)
    if (!status.success) throw unavailable('nonsense')
    const { errcode, errmsg } = status.data
    const ms = Math.round(performance.now() - started)
    if (errcode !== 0) {
      const text = withoutOurs(errmsg, [...new URL(url).searchParams.values(), ...Object.values(body ?? {})])
      log.warn({ endpoint, errcode, errmsg: text.slice(0, 500), ms }, 'WeChat answered with an error')
      throw fromErrcode(errcode, errmsg)
    }
    log.debug({ endpoint, ms }, 'WeChat answered')
    return answer as Record<string, unknown>

    async function read() {
      // With a signal that is aborted already node-fetch destroys the body unheard, which would end the process.
      signal.throwIfAborted()
      const response = await fetch(url, {
        method,
        ...(body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
        signal,
        redirect: 'error',
      })
      // An unread body would keep its connection for ever.
      const text = await response.text()
      if (response.status !== 200) throw Object.assign(new Error(), { code: `HTTP ${response.status}` })
      return text
    }

    function unavailable(reason: string) {
      const ms = Math.round(performance.now() - started)
      log.warn({ endpoint, reason, ms }, 'WeChat did not answer properly')
      return new AppError('wechat_unavailable', { cause: new Error(`WeChat ${endpoint}: ${reason}`) })
    }
  }
}

/** A text of WeChat's for the log: what we sent (secrets, tokens, codes) and phones are masked, should it quote them. */
function withoutOurs(text: string, sent: unknown[]): string {
  const values = sent.filter(value => typeof value === 'string' && value !== '') as string[]
  const quoted = values.flatMap(value => [value, encodeURIComponent(value)])
  return maskPhones(quoted.reduce((masked, value) => masked.replaceAll(value, '****'), text))
}

export type Ask = ReturnType<typeof createAsk>

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // Undefined is no answer.
  }
}
