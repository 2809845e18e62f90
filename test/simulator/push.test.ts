import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fieldsOf } from '../../src/push/body.ts'
import { decrypt } from '../../src/push/cipher.ts'
import { isSigned } from '../../src/push/signature.ts'
import { APP, type Harness, OTHER, START, startSimulator } from './harness.ts'

// What the simulator sends, as WeChat does: held against src/push, which is written on its own.

const TOKEN = 'AAAAA'
const KEY = Buffer.alloc(32, 'k')
const PATH = '/push-events'

interface Received {
  query: Record<string, string>
  type: string | undefined
  body: string
}

let answers: [status: number, body: string][] = []
let received: Received[] = []
const service = createServer(async (req: IncomingMessage, res) => {
  const { searchParams } = new URL(req.url!, 'http://service')
  const chunks: Buffer[] = []
  for await (const chunk of req) chunks.push(chunk as Buffer)
  received.push({
    query: Object.fromEntries(searchParams),
    type: req.headers['content-type'],
    body: Buffer.concat(chunks).toString(),
  })
  const [status, body] = answers.shift() ?? [200, 'success']
  res.writeHead(status).end(body)
})

let url: string
let h: Harness
let bare: Harness
beforeAll(async () => {
  await new Promise<void>(resolve => service.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(service.address() as AddressInfo).port}/wechat/push`
  h = await startSimulator({ push: { token: TOKEN, aesKey: KEY, url } })
  bare = await startSimulator({ push: { token: TOKEN } })
})
beforeEach(() => {
  answers = []
  received = []
})
afterAll(async () => {
  await h.close()
  await bare.close()
  service.closeAllConnections()
  service.close()
})

const revoke = { event: 'user_authorization_revoke', openid: 'o-1', revoke_info: '8' }

test('a plain push, in JSON', async () => {
  expect(await h.post(PATH, revoke)).toMatchObject({
    status: 200,
    body: { attempts: 1, status: 200, body: 'success' },
  })
  const [{ query, type, body }] = received as [Received]
  expect(isSigned(query.signature, [TOKEN, query.timestamp, query.nonce])).toBe(true)
  expect(type).toBe('application/json')
  expect(JSON.parse(body)).toEqual({
    ToUserName: expect.stringMatching(/^gh_/),
    FromUserName: 'o-1',
    CreateTime: START / 1000,
    MsgType: 'event',
    Event: 'user_authorization_revoke',
    OpenID: 'o-1',
    AppID: APP.appid,
    RevokeInfo: '8',
  })
})

test('a plain push, in XML', async () => {
  await h.post(PATH, { ...revoke, revoke_info: ['6', '8'], format: 'xml', appid: OTHER.appid })
  const [{ type, body }] = received as [Received]
  expect(type).toBe('text/xml')
  expect(body).toMatch(/^<xml>.*<\/xml>$/)
  expect(body).toContain(`<AppID><![CDATA[${OTHER.appid}]]></AppID>`)
  expect(body).toContain('<RevokeInfo><![CDATA[6]]></RevokeInfo><RevokeInfo><![CDATA[8]]></RevokeInfo>')
})

test.each(['json', 'xml'])('an encrypted push, in %s', async format => {
  await h.post(PATH, { ...revoke, format, encrypted: true })
  const [{ query, body }] = received as [Received]
  const encrypted = /Encrypt(?:":"|><!\[CDATA\[)([^"\]]+)/.exec(body)![1]!
  expect(body).not.toContain('user_authorization_revoke')
  expect(query.encrypt_type).toBe('aes')
  expect(isSigned(query.msg_signature, [TOKEN, query.timestamp, query.nonce, encrypted])).toBe(true)
  const opened = decrypt(KEY, encrypted)
  expect(opened).toMatchObject({
    appid: APP.appid,
    message: expect.stringContaining('user_authorization_revoke'),
  })
})

test.each<[what: string, answers: [number, string][], attempts: number, status: number]>([
  ['an empty answer is one', [[200, '']], 1, 200],
  [
    'what fails is repeated',
    [
      [503, ''],
      [200, 'success'],
    ],
    2,
    200,
  ],
  [
    'another text is none',
    [
      [200, 'ok'],
      [200, 'ok'],
      [200, 'success'],
    ],
    3,
    200,
  ],
  [
    'three times in all',
    [
      [503, ''],
      [503, ''],
      [503, 'no'],
      [200, 'success'],
    ],
    3,
    503,
  ],
])('%s', async (_what, list, attempts, status) => {
  answers = [...list]
  expect((await h.post(PATH, revoke)).body).toMatchObject({ attempts, status })
  expect(new Set(received.map(({ body }) => body)).size).toBe(1)
})

test('a service that is not there', async () => {
  const { body } = await h.post(PATH, { ...revoke, url: 'http://127.0.0.1:9/' })
  expect(body).toMatchObject({
    attempts: 3,
    status: null,
    body: expect.stringMatching(/bad port|ECONNREFUSED/),
  })
})

test('keys with a space before them, as in some samples: the service trims them', async () => {
  await h.post(PATH, { ...revoke, spaced_keys: true, plugin_id: 'wxplugin', open_pid: 'p-1' })
  const [{ body }] = received as [Received]
  expect(Object.keys(JSON.parse(body)).filter(key => !key.startsWith(' '))).toEqual(['ToUserName'])
  expect(fieldsOf(body)).toMatchObject({
    ...{ Event: 'user_authorization_revoke', OpenID: 'o-1', RevokeInfo: '8' },
    ...{ PluginID: 'wxplugin', OpenPID: 'p-1' },
  })
})

test('the three events of the duty to delete, and any other', async () => {
  const events = [
    'user_info_modified',
    'user_authorization_revoke',
    'user_authorization_cancellation',
    'other',
  ]
  for (const event of events) await h.post(PATH, { event, openid: 'o-1' })
  expect(received.map(({ body }) => JSON.parse(body).Event)).toEqual(events)
})

test('the check of an address: a signed GET, whose echostr comes back', async () => {
  answers = [[200, 'success']]
  const check = async () => (await h.post('/push-checks', {})).body
  expect(await check()).toMatchObject({ echoed: false, status: 200, body: 'success' })
  const [{ query, body }] = received as [Received]
  expect(isSigned(query.signature, [TOKEN, query.timestamp, query.nonce])).toBe(true)
  expect([query.echostr, body]).toEqual([expect.stringMatching(/^\d+$/), ''])
})

test('token, key and address can be told while it runs', async () => {
  const own = await startSimulator()
  try {
    const key = KEY.toString('base64').slice(0, 43)
    const told = await own.post('/push-config', { token: 'BBBBB', aes_key: key, url })
    expect(told.body).toEqual({ url, encrypted: true })
    expect((await own.post(PATH, { ...revoke, encrypted: true })).body.attempts).toBe(1)
    const [{ query, body }] = received as [Received]
    expect(isSigned(query.signature, ['BBBBB', query.timestamp, query.nonce])).toBe(true)
    expect(decrypt(KEY, JSON.parse(body).Encrypt)?.message).toContain('user_authorization_revoke')
  } finally {
    await own.close()
  }
})

test.each<[fact: string, of: () => Harness, body: object, error: string]>([
  ['spaces in XML', () => h, { ...revoke, format: 'xml', spaced_keys: true }, 'spaced_keys'],
  ['no event', () => h, { openid: 'o-1' }, 'event'],
  ['no openid', () => h, { event: 'x' }, 'openid'],
  ['another format', () => h, { ...revoke, format: 'yaml' }, 'format'],
  ['a mistyped key', () => h, { ...revoke, revokeInfo: '8' }, 'revokeInfo'],
  ['an unknown app', () => h, { ...revoke, appid: 'wx0' }, 'knows only'],
  ['no web address', () => h, { ...revoke, url: 'file:///etc/passwd' }, 'url'],
  ['no address at all', () => bare, revoke, 'url: where the push should go'],
  ['no key', () => bare, { ...revoke, url: 'http://127.0.0.1:9/', encrypted: true }, 'WECHAT_PUSH_AES_KEY'],
])('%s is 400 and says what helps', async (_fact, of, body, error) => {
  const answer = await of().post(PATH, body)
  expect(answer.status).toBe(400)
  expect(answer.body.error).toContain(error)
  expect(answer.body.error).toContain(`POST ${PATH} takes JSON {`)
  expect(received).toEqual([])
})

test('without a token none are sent', async () => {
  const without = await startSimulator()
  try {
    expect((await without.post(PATH, revoke)).body.error).toContain('WECHAT_PUSH_TOKEN')
  } finally {
    await without.close()
  }
})
