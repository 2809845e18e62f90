import { randomBytes } from 'node:crypto'
import http from 'node:http'

interface WxRequest {
  url: string
  data?: string | object
  method?: string
  dataType?: string
  header?: Record<string, string>
  timeout?: number
  success?(response: { statusCode: number; data: unknown; header: Record<string, string> }): void
  fail?(error: { errMsg: string }): void
}

export interface SentRequest {
  method: string
  path: string
  header: Record<string, string>
  /** What was sent along. */
  body: unknown
  status: number | undefined
  /** `x-sb-error-code` of the answer. */
  code: string | undefined
  data: unknown
}

/** What a mini program hears of a socket. */
type SocketEvent = 'onOpen' | 'onMessage' | 'onError' | 'onClose'

/**
 * `wx` of a mini program, as far as MemFire's SDK uses it: `wx.request` over Node's HTTP, with its `dataType: json`
 * (what does not parse stays text) and its headers as an object, `wx.connectSocket` up to the answer, and the phone's storage.
 * `requests` tells what was sent. `networkTimeout` is that of app.json, in milliseconds.
 */
export function createWx({ networkTimeout = 60_000 } = {}) {
  const requests: SentRequest[] = []
  const note = (method: string, url: string, header: Record<string, string>, body?: unknown): SentRequest => {
    const { pathname, search } = new URL(url)
    const sent = {
      method,
      path: pathname + search,
      header,
      body,
      status: undefined,
      code: undefined,
      data: undefined,
    }
    requests.push(sent)
    return sent
  }
  const request = (options: WxRequest) => {
    const { url, data, method = 'GET', header = {}, timeout = networkTimeout, success, fail } = options
    const body = data === undefined ? undefined : typeof data === 'string' ? data : JSON.stringify(data)
    const sent = note(method, url, header, data)
    // Node by itself would send the body of a DELETE without its length.
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }
    // As wx.request has it, unless it is told otherwise.
    const isTyped = Object.keys(header).some(name => name.toLowerCase() === 'content-type')
    const type = body === undefined || isTyped ? {} : { 'content-type': 'application/json' }
    const outgoing = http.request(url, { method, headers: { ...header, ...length, ...type } }, response => {
      const chunks: Buffer[] = []
      response.on('data', chunk => chunks.push(chunk))
      response.on('end', () => {
        sent.status = response.statusCode
        sent.code = response.headers['x-sb-error-code'] as string | undefined
        sent.data = parse(Buffer.concat(chunks).toString('utf8'))
        success?.({
          statusCode: response.statusCode!,
          data: sent.data,
          header: Object.fromEntries(
            Object.entries(response.headers).map(([name, value]) => [name, String(value)]),
          ),
        })
      })
    })
    const timer = setTimeout(() => outgoing.destroy(new Error('timeout')), timeout)
    outgoing.on('error', error => fail?.({ errMsg: `request:fail ${error.message}` }))
    outgoing.on('close', () => clearTimeout(timer))
    outgoing.end(body)
  }
  /** Nobody here speaks WebSocket, so what is left to tell is that it failed. */
  const connectSocket = ({ url, header = {} }: { url: string; header?: Record<string, string> }) => {
    const target = url.replace(/^ws/, 'http')
    const sent = note('GET', target, header)
    const listeners: Partial<Record<SocketEvent, (event: object) => void>> = {}
    const listen = (event: SocketEvent) => (callback: (event: object) => void) => {
      listeners[event] = callback
    }
    const fail = (errMsg: string) => {
      listeners.onError?.({ errMsg })
      listeners.onClose?.({ code: 1006, reason: errMsg })
    }
    const upgrade = {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': randomBytes(16).toString('base64'),
    }
    const outgoing = http.get(target, { headers: { ...header, ...upgrade } }, response => {
      sent.status = response.statusCode
      sent.code = response.headers['x-sb-error-code'] as string | undefined
      response.resume().on('end', () => fail(`Unexpected response code: ${response.statusCode}`))
    })
    outgoing.on('error', error => fail(error.message))
    return {
      onOpen: listen('onOpen'),
      onMessage: listen('onMessage'),
      onError: listen('onError'),
      onClose: listen('onClose'),
      send() {},
      close: () => outgoing.destroy(),
    }
  }
  const storage = new Map<string, unknown>()
  return {
    request,
    connectSocket,
    requests,
    getStorageSync: (key: string) => storage.get(key) ?? '',
    setStorageSync: (key: string, value: unknown) => void storage.set(key, value),
    removeStorageSync: (key: string) => void storage.delete(key),
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
