import { once } from 'node:events'
import http, { type RequestListener } from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import tls from 'node:tls'
import { jest } from '@jest/globals'
import { createFetch } from '../../src/wechat/http.ts'
import { selfSigned } from './certificate.ts'
import { APPID, createClient } from './harness.ts'

/** Shorter than the answers of these servers take. */
const CONNECT_LIMIT_MS = 150
const SLOW_MS = 600

const trusted = tls.getCACertificates('default')
const pair = selfSigned()
const servers: http.Server[] = []

beforeAll(() => tls.setDefaultCACertificates([...trusted, pair.cert]))
afterAll(() => tls.setDefaultCACertificates(trusted))
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.close()
    server.closeAllConnections()
    if (server.listening) await once(server, 'close')
  }
})

async function start(scheme: 'http' | 'https', listener: RequestListener) {
  const server = scheme === 'http' ? http.createServer(listener) : https.createServer(pair, listener)
  servers.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, url: `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}/` }
}

describe.each([
  ['http', 'connection'],
  ['https', 'secureConnection'],
] as const)('%s', (scheme, connection) => {
  const get = async (fetch: ReturnType<typeof createFetch>, url: string) => {
    const signal = new AbortController().signal
    const response = await fetch(url, { method: 'GET', signal, redirect: 'error' })
    return Buffer.from(await response.arrayBuffer()).toString()
  }

  test('the limit is for connecting: an answer may take longer, and so may one on the same connection', async () => {
    const { url } = await start(scheme, (_req, res) => setTimeout(() => res.end('an answer'), SLOW_MS))
    const fetch = createFetch(CONNECT_LIMIT_MS)
    expect(await get(fetch, url)).toBe('an answer')
    expect(await get(fetch, url)).toBe('an answer')
  })

  test('requests one after another share a connection', async () => {
    const { server, url } = await start(scheme, (_req, res) => res.end('an answer'))
    let connections = 0
    server.on(connection, () => {
      connections += 1
    })
    const fetch = createFetch(10_000)
    for (let times = 0; times < 5; times += 1) await get(fetch, url)
    expect(connections).toBe(1)
  })
})

test('a call that has ended leaves no timer behind', async () => {
  jest.useFakeTimers()
  try {
    const wechat = createClient({
      db: { webUrl: 'postgres://127.0.0.1:1/nobody_asks_it' },
      url: 'http://wechat.test',
      fetch: async () => Response.json({ openid: 'o-1' }),
    })
    expect(await wechat.code2session(APPID, 'a-code')).toEqual({ openid: 'o-1' })
    expect(jest.getTimerCount()).toBe(0)
  } finally {
    jest.useRealTimers()
  }
})
