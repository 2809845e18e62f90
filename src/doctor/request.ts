// Before: src/doctor/reach.ts, src/doctor/public_url.ts. After: somebody's server.
import http from 'node:http'
import https from 'node:https'
import { isIP } from 'node:net'
import type { TLSSocket } from 'node:tls'

export const LIMIT_MS = 4_000
/** What we look for is smaller, and what others say is not read. */
const MAX_BYTES = 20_000

export interface Answer {
  status: number
  text: string
  ms: number
  /** As it was resolved. */
  address: string
  /** Unix milliseconds: the Date of the answer (NaN: it has none), and when it came. */
  date: number
  at: number
  /** Unix milliseconds at which the certificate ends; NaN: there is none. */
  validTo: number
}

export type Stage = 'name' | 'connection' | 'TLS' | 'answer'

/** There was no answer; `stage`: at what it failed. */
export class Unanswered extends Error {
  readonly stage: Stage
  /** A code such as ECONNREFUSED, or that nothing came. */
  readonly why: string

  constructor(stage: Stage, { code, message }: Error & { code?: string }) {
    const why = code === 'ETIMEDOUT' ? `nothing within ${LIMIT_MS / 1000} s` : (code ?? message)
    super(`${stage}: ${why}`)
    this.stage = stage
    this.why = why
  }
}

/** GETs a URL, with no secret, and without a proxy of the environment, as the service does. Raises Unanswered. */
export function get(url: URL): Promise<Answer> {
  const isTls = url.protocol === 'https:'
  const { request } = isTls ? https : http
  const host = url.hostname.replace(/^\[|\]$/g, '')
  let stage: Stage = isIP(host) ? 'connection' : 'name'
  const started = Date.now()
  return new Promise((resolve, reject) => {
    const req = request(url, { agent: false })
    const fail = (error: Error) => {
      clearTimeout(timer)
      req.destroy()
      reject(new Unanswered(stage, error))
    }
    const timer = setTimeout(() => fail(Object.assign(new Error(), { code: 'ETIMEDOUT' })), LIMIT_MS)
    req.on('error', fail)
    req.on('socket', socket => {
      socket.once('lookup', error => {
        if (!error) stage = 'connection'
      })
      socket.once('connect', () => {
        stage = isTls ? 'TLS' : 'answer'
      })
      socket.once('secureConnect', () => {
        stage = 'answer'
      })
    })
    req.on('response', response => {
      const at = Date.now()
      // While there is a socket: it may be gone once the body was read.
      const address = response.socket.remoteAddress ?? host
      const validTo = isTls
        ? Date.parse((response.socket as TLSSocket).getPeerCertificate().valid_to)
        : Number.NaN
      const date = Date.parse(response.headers.date ?? '')
      readText(response).then(text => {
        clearTimeout(timer)
        req.destroy()
        resolve({ status: response.statusCode!, text, ms: at - started, address, date, at, validTo })
      }, fail)
    })
    req.end()
  })
}

async function readText(response: http.IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of response.setEncoding('utf8')) {
    text += chunk
    if (text.length > MAX_BYTES) break
  }
  return text
}
