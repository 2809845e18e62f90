// Before: src/doctor/context.ts. After: WeChat's host, or a simulator.
import http from 'node:http'
import https from 'node:https'
import { isIP, type Socket } from 'node:net'
import { Trouble } from './finding.ts'

const LIMIT_MS = 4_000
/** The simulator's page is smaller, and what others say is not read. */
const MAX_BYTES = 20_000

/** An answer of some kind from WeChat's host. */
export interface Reached {
  ms: number
  /** As it was resolved. */
  address: string
  isSimulator: boolean
  /** The Date of the answer, and when it came: Unix milliseconds. */
  date: number
  at: number
}

type Stage = 'name' | 'connection' | 'TLS' | 'answer'

/** Asks for `/`, with no secret. Raises Trouble, which says how far it came. */
export function reach(baseUrl: string): Promise<Reached> {
  const url = new URL(`${baseUrl}/`)
  const { request } = url.protocol === 'https:' ? https : http
  const host = url.hostname.replace(/^\[|\]$/g, '')
  let stage: Stage = isIP(host) ? 'connection' : 'name'
  const started = Date.now()
  return new Promise((resolve, reject) => {
    const req = request(url, { agent: false })
    const fail = (error: Error) => {
      clearTimeout(timer)
      req.destroy()
      reject(troubleOf(stage, url, error))
    }
    const late = () => fail(Object.assign(new Error(), { code: 'ETIMEDOUT' }))
    const timer = setTimeout(late, LIMIT_MS)
    req.on('error', fail)
    req.on('socket', socket => {
      socket.once('lookup', error => {
        if (!error) stage = 'connection'
      })
      socket.once('connect', () => {
        stage = url.protocol === 'https:' ? 'TLS' : 'answer'
      })
      socket.once('secureConnect', () => {
        stage = 'answer'
      })
    })
    req.on('response', response => {
      const at = Date.now()
      // As it is gone once the body was read.
      const address = (response.socket as Socket).remoteAddress ?? host
      readText(response).then(text => {
        clearTimeout(timer)
        req.destroy()
        const isSimulator = text.startsWith('{"name":"WeChat simulator of postgraphile-wechat"')
        resolve({ ms: at - started, address, isSimulator, date: Date.parse(response.headers.date ?? ''), at })
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

function troubleOf(stage: Stage, { host, protocol }: URL, error: Error & { code?: string }): Trouble {
  const code = error.code ?? error.message
  const why = code === 'ETIMEDOUT' ? `nothing within ${LIMIT_MS / 1000} s` : code
  const words: Record<Stage, [text: string, help: string]> = {
    name: [
      `the name of ${host} cannot be resolved: ${why}`,
      'Look at the DNS of this machine or container, and compare WECHAT_API_URL.',
    ],
    connection: [
      `no connection to ${host}: ${why}`,
      'Let this machine out to it: firewall, security group, NAT. A proxy of the environment (HTTPS_PROXY) is not used.',
    ],
    TLS: [
      `no TLS with ${host}: ${why}`,
      'Something in between answers in its place, or its certificate is not trusted: NODE_EXTRA_CA_CERTS names one that is.',
    ],
    answer: [
      `${host} takes the connection, and no answer comes: ${why}`,
      protocol === 'https:'
        ? 'Try again; where it stays so, something in between holds answers up.'
        : 'Is WECHAT_API_URL right? WeChat itself speaks https.',
    ],
  }
  return new Trouble(...words[stage], `${host} is not reached`)
}
