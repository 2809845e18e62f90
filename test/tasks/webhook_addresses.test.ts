import { once } from 'node:events'
import http from 'node:http'
import https from 'node:https'
import type { AddressInfo, LookupFunction } from 'node:net'
import type { JobHelpers } from 'graphile-worker'
import { Webhook } from 'standardwebhooks'
import type { Failure } from '../../src/tasks/deliveries.ts'
import { createSender } from '../../src/tasks/webhook.ts'
import { selfSigned } from '../wechat/certificate.ts'

// Where deliveries may go: by the address that is connected to, whatever it is called.

const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
const delivery = {
  id: '1',
  event_id: '2',
  attempts: 0,
  type: 'user.created',
  user_id: 'somebody',
  data: {},
  created_at: new Date(),
}
const helpers = {} as JobHelpers

const hits: string[] = []
let server: http.Server
let tls: https.Server
let port: number
let tlsPort: number

beforeAll(async () => {
  const listener: http.RequestListener = (req, res) => {
    hits.push(req.url!)
    req.resume()
    if (req.url === '/redirect') res.writeHead(302, { location: `http://127.0.0.1:${port}/target` }).end()
    else res.writeHead(204).end()
  }
  server = http.createServer(listener)
  tls = https.createServer(selfSigned(), listener)
  for (const one of [server, tls]) await once(one.listen(0, '127.0.0.1'), 'listening')
  port = (server.address() as AddressInfo).port
  tlsPort = (tls.address() as AddressInfo).port
})
beforeEach(() => hits.splice(0))
afterAll(() => {
  for (const one of [server, tls]) {
    one.closeAllConnections()
    one.close()
  }
})

const send = (url: string, { allowPrivate = false, lookup = undefined as LookupFunction | undefined } = {}) =>
  createSender({ allowPrivate, requestMs: 10_000, lookup })(
    { id: 'webhook', url, secret: SECRET },
    delivery,
    helpers,
  ) as Promise<Failure | undefined>

/** Knows one name, and answers these addresses, one set after the other. */
function names(...answers: string[][]) {
  let asked = 0
  const lookup: LookupFunction = (_name, options, callback) => {
    const addresses = answers[Math.min(asked++, answers.length - 1)]!.map(address => ({
      address,
      family: address.includes(':') ? 6 : 4,
    }))
    if (addresses.length === 0) callback(Object.assign(new Error(), { code: 'ENOTFOUND' }), '')
    else if (options.all) callback(null, addresses)
    else callback(null, addresses[0]!.address, addresses[0]!.family)
  }
  return { lookup, asked: () => asked }
}

describe('an address that is not public is refused', () => {
  test.each([
    '127.0.0.1',
    '127.1',
    '127.255.255.254',
    '2130706433',
    '0x7f000001',
    '0x7f.1',
    '0177.0.0.1',
    '017700000001',
    '127.0.0.1.',
    '①②⑦.⓪.⓪.①',
    '127%2e0%2e0%2e1',
    '0.0.0.0',
    '0',
    '10.1.2.3',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.0.1',
    '169.254.169.254',
    '0xa9fea9fe',
    '100.64.0.1',
    '100.100.100.200',
    '168.63.129.16',
    '192.0.0.192',
    '198.18.0.1',
    '224.0.0.1',
    '240.0.0.1',
    '255.255.255.255',
    '[::1]',
    '[::]',
    '[0:0:0:0:0:0:0:1]',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    '[0:0:0:0:0:ffff:a9fe:a9fe]',
    '[64:ff9b::7f00:1]',
    '[2002:7f00:1::]',
    '[fe80::1]',
    '[fc00::1]',
    '[fd00:ec2::254]',
    '[fec0::1]',
    '[ff02::1]',
    '[2001:db8::1]',
    'localhost',
    'LOCALHOST',
  ])('%s', async host => {
    for (const [scheme, where] of [
      ['http', port],
      ['https', tlsPort],
    ] as const) {
      const failure = await send(`${scheme}://${host}:${where}/`)
      expect(failure?.reason).toMatch(/^refused: [0-9a-f.:]+ is not a public address$/)
    }
    expect(hits).toEqual([])
  })

  test.each([
    ['a name that leads there', [['127.0.0.1']], '127.0.0.1'],
    ['a name that leads there by IPv6', [['::1']], '::1'],
    ['a name that leads there by a mapped address', [['::ffff:127.0.0.1']], '::ffff:127.0.0.1'],
    ['a name that leads there among others', [['8.8.8.8', '127.0.0.1']], '127.0.0.1'],
    ['a name that leads to metadata', [['168.63.129.16']], '168.63.129.16'],
  ])('%s', async (_what, answers, address) => {
    for (const [scheme, where] of [
      ['http', port],
      ['https', tlsPort],
    ] as const) {
      const { lookup } = names(...answers)
      expect(await send(`${scheme}://receiver.test:${where}/`, { lookup })).toEqual({
        reason: `refused: ${address} is not a public address`,
      })
    }
    expect(hits).toEqual([])
  })

  test('a name that leads elsewhere the second time: what was looked up is what is connected to', async () => {
    const rebinding = names([], ['127.0.0.1'])
    const sender = createSender({ allowPrivate: false, requestMs: 10_000, lookup: rebinding.lookup })
    const to = { id: 'webhook', url: `http://receiver.test:${port}/`, secret: SECRET }
    expect(await sender(to, delivery, helpers)).toEqual({ reason: 'ENOTFOUND' })
    expect(rebinding.asked()).toBe(1)
    expect(await sender(to, delivery, helpers)).toEqual({
      reason: 'refused: 127.0.0.1 is not a public address',
    })
    // Once for each connection: there is no other answer that could differ.
    expect(rebinding.asked()).toBe(2)
    expect(hits).toEqual([])
  })
})

test('an IPv4-compatible address, which no system routes, leads nowhere', async () => {
  expect(await send(`http://[::127.0.0.1]:${port}/`)).toMatchObject({ reason: expect.any(String) })
  expect(hits).toEqual([])
})

describe('where private addresses are allowed', () => {
  test.each(['127.0.0.1', 'localhost', '127.1', '[::ffff:127.0.0.1]'])('%s is told', async host => {
    expect(await send(`http://${host}:${port}/here`, { allowPrivate: true })).toBeUndefined()
    expect(hits).toEqual(['/here'])
  })

  test('a name that leads there is told', async () => {
    const { lookup } = names(['127.0.0.1'])
    expect(await send(`http://receiver.test:${port}/`, { allowPrivate: true, lookup })).toBeUndefined()
  })

  test('a certificate that nobody vouches for is a failure', async () => {
    const failure = await send(`https://127.0.0.1:${tlsPort}/`, { allowPrivate: true })
    expect(failure?.reason).toMatch(/CERT/)
    expect(hits).toEqual([])
  })

  test('a redirect is not followed', async () => {
    expect(await send(`http://127.0.0.1:${port}/redirect`, { allowPrivate: true })).toMatchObject({
      status: 302,
    })
    expect(hits).toEqual(['/redirect'])
  })
})

test.each(['http://256.256.256.256/', 'http://[::::]/', 'http://1.2.3.4.5/'])(
  'what is no URL for the client is a failure: %s',
  async url => {
    expect(await send(url)).toEqual({ reason: 'ERR_INVALID_URL' })
  },
)

test('a secret is as the library understands it', () => {
  expect(() => new Webhook(SECRET)).not.toThrow()
})
