import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Express } from 'express'
import { createSimulator, type SimulatorOptions, simulatorApp } from '../../src/simulator/index.ts'

/** Two apps, so that what must not leak from one to the other can be tried. */
export const APP = { appid: 'wx00000000000000aa', secret: 'a'.repeat(32) }
export const OTHER = { appid: 'wx00000000000000bb', secret: 'b'.repeat(32) }

export const START = Date.UTC(2026, 0, 1, 4) // noon in Beijing

export interface Answer {
  status: number
  type: string | null
  // biome-ignore lint/suspicious/noExplicitAny: bodies are compared, not computed with
  body: any
}

/** A simulator of two apps on a free port, with a clock that only `clock.now` moves (ms). */
export async function startSimulator(options: SimulatorOptions = {}) {
  const clock = { now: START }
  const apps = { [APP.appid]: APP.secret, [OTHER.appid]: OTHER.secret }
  const simulator = createSimulator({ apps, now: () => clock.now, ...options })
  return { simulator, clock, ...(await listen(simulatorApp(simulator))) }
}

/** Any application with a simulator at its root, on a free port, and short ways of calling it. */
export async function listen(app: Express) {
  // A connection that the server closes just when it is used again would fail a test on a slow machine.
  const server = createServer({ keepAliveTimeout: 60_000 }, app).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  async function request(path: string, init?: RequestInit): Promise<Answer> {
    const response = await fetch(base + path, init)
    const type = response.headers.get('content-type')
    const bytes = Buffer.from(await response.arrayBuffer())
    const body = type?.startsWith('image/') ? bytes : parse(bytes.toString())
    return { status: response.status, type, body }
  }
  const get = (path: string, query: Record<string, string> = {}, init?: RequestInit) =>
    request(`${path}?${new URLSearchParams(query)}`, init)
  const post = (path: string, body: unknown, init?: RequestInit) =>
    request(path, { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body), ...init })

  const token = async (app = APP): Promise<string> =>
    (await get('/cgi-bin/token', { ...app, grant_type: 'client_credential' })).body.access_token
  const stable = (force_refresh?: boolean, app = APP) =>
    post('/cgi-bin/stable_token', { ...app, grant_type: 'client_credential', force_refresh })
  const login = (js_code: string, app = APP, init?: RequestInit) =>
    get('/sns/jscode2session', { ...app, js_code, grant_type: 'authorization_code' }, init)
  const phone = (access_token: string, body: unknown, init?: RequestInit) =>
    post(`/wxa/business/getuserphonenumber?access_token=${access_token}`, body, init)
  const qrcode = (access_token: string, body: unknown, init?: RequestInit) =>
    post(`/wxa/getwxacodeunlimit?access_token=${access_token}`, body, init)
  const loginCode = async (input: object): Promise<string> => (await post('/login-codes', input)).body.code
  const phoneCode = async (input: object): Promise<string> => (await post('/phone-codes', input)).body.code

  async function close(): Promise<void> {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  }
  return { base, get, post, token, stable, login, phone, qrcode, loginCode, phoneCode, close }
}

export type Harness = Awaited<ReturnType<typeof startSimulator>>

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
