import { once } from 'node:events'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import tls from 'node:tls'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { type Node, startNode, startSimulator, type TestSimulator } from '../support/service.ts'
import { startSilence, type Way } from '../support/way.ts'
import { selfSigned } from '../wechat/certificate.ts'
import { doctor, PRODUCTION } from './harness.ts'

// SITE_URL, and what stands before the service: a proxy that ends TLS and passes everything on to a node.

const DAY_MS = 86_400_000
const trusted = tls.getCACertificates('default')
const pair = selfSigned()
const ending = selfSigned(new Date(Date.now() + 3.5 * DAY_MS))

let db: TestDatabase
let simulator: TestSimulator
let node: Node
const ways: Way[] = []
beforeAll(async () => {
  db = await createDatabase()
  simulator = await startSimulator()
  node = await startNode({ db, wechatUrl: simulator.url })
})
afterEach(async () => {
  tls.setDefaultCACertificates(trusted)
  for (const way of ways.splice(0)) await way.close()
})
afterAll(async () => {
  await node.close()
  await simulator.close()
  await db.drop()
})

/** `to`: where a path goes; undefined: nothing is answered. */
async function startProxy(to: ((path: string) => string) | undefined, keys = pair): Promise<string> {
  const server = https.createServer(keys, async (req, res) => {
    if (!to) return
    const answer = await fetch(to(req.url!))
    res.writeHead(answer.status).end(await answer.text())
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  ways.push({
    url: '',
    async close() {
      server.closeAllConnections()
      server.close()
    },
  })
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}`
}
const toNode = (path: string) => node.url + path

const examine = async (SITE_URL: string) =>
  (await doctor({ ...PRODUCTION, DATABASE_URL: db.webUrl, WECHAT_API_URL: simulator.url, SITE_URL })).of(
    'public_url',
  )

test('it answers, by a certificate that is trusted', async () => {
  tls.setDefaultCACertificates([...trusted, pair.cert])
  const url = await startProxy(toNode)
  expect(await examine(url)).toEqual([`ok: ${new URL(url).host} answers, as mini programs see it`])
})

test('a certificate that nobody trusts, or that ends soon', async () => {
  expect(await examine(await startProxy(toNode))).toEqual([
    expect.stringMatching(
      /^warning: no TLS with 127\.0\.0\.1:\d+: DEPTH_ZERO_SELF_SIGNED_CERT → .*whole chain/,
    ),
  ])
  tls.setDefaultCACertificates([...trusted, ending.cert])
  expect(await examine(await startProxy(toNode, ending))).toEqual([
    expect.stringMatching(
      /^warning: 127\.0\.0\.1:\d+ answers, and its certificate ends in 3 days → Renew it/,
    ),
  ])
})

test('another service, a proxy that finds none, and one that passes on less than all', async () => {
  tls.setDefaultCACertificates([...trusted, pair.cert])
  for (const to of [
    (path: string) => `${simulator.url}${path}`,
    (path: string) => `${node.url}/auth/v1${path}`,
  ])
    expect(await examine(await startProxy(to))).toEqual([
      expect.stringMatching(
        /^warning: what answers at .* is not this service \(status 404 for \/health\/live\) → /,
      ),
    ])
})

test('no way to it', async () => {
  expect(await examine('https://auth.invalid')).toEqual([
    expect.stringMatching(/^warning: the name of auth\.invalid cannot be resolved: E\w+ → Compare SITE_URL/),
  ])
  expect(await examine('https://127.0.0.1:9')).toEqual([
    expect.stringMatching('^warning: no connection to 127.0.0.1:9: ECONNREFUSED → Is the proxy running'),
  ])
  const silent = await startSilence('https://127.0.0.1:1')
  ways.push(silent)
  expect(await examine(silent.url)).toEqual([
    expect.stringMatching('^warning: no TLS .*: nothing within 4 s → '),
  ])
  tls.setDefaultCACertificates([...trusted, pair.cert])
  expect(await examine(await startProxy(undefined))).toEqual([
    expect.stringMatching(
      '^warning: .* takes the connection, and no answer comes: nothing within 4 s → Does the proxy',
    ),
  ])
})
