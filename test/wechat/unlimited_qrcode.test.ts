import type { RequestListener } from 'node:http'
import type { Env } from '../../src/config.ts'
import { type Fault, SIMULATOR_APP_SECRET } from '../../src/simulator/index.ts'
import type { Fetch } from '../../src/wechat/http.ts'
import { decodeImage, isCodeOf } from '../simulator/images.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { everythingOf } from '../support/errors.ts'
import { startSimulator, type TestSimulator } from '../support/simulator.ts'
import { APPID, createClient, failure, reasons, startServer, type TestClient } from './harness.ts'

let db: TestDatabase
let simulator: TestSimulator
const open: { close(): Promise<void> }[] = []

beforeAll(async () => {
  db = await createDatabase()
})
beforeEach(async () => {
  simulator = await startSimulator()
  await db.rows('delete from auth_private.wechat_access_tokens')
})
afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
  await simulator.close()
})
afterAll(() => db.drop())

const platformFetch = globalThis.fetch as unknown as Fetch
const fetches: [string, Fetch | undefined][] = [
  ['node-fetch', undefined],
  ['the platform fetch', platformFetch],
]

function client(options: { env?: Env; url?: string; fetch?: Fetch | undefined } = {}): TestClient {
  const { fetch, ...rest } = options
  const made = createClient({ db, url: simulator.url, ...rest, ...(fetch && { fetch }) })
  open.push(made)
  return made
}

/** A WeChat of the test's own: tokens are given, everything else is answered by `listener`. */
async function wechatLike(listener: RequestListener): Promise<string> {
  const server = await startServer((req, res) => {
    if (!req.url!.startsWith('/cgi-bin/')) return listener(req, res)
    res.end(JSON.stringify({ access_token: 'an-access-token', expires_in: 7200 }))
  })
  open.push(server)
  return server.url
}

const ask = (wechat: TestClient) => wechat.unlimitedQrcode(APPID, { scene: 'a-scene' })
const JPEG = Buffer.from('ffd8ffe000104a46494600010101', 'hex')
const PNG = Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex')

describe.each(fetches)('by %s', (_name, fetch) => {
  test('the image of a code, byte by byte as it came', async () => {
    const parameters = { page: 'pages/index/index', scene: 'id=7', width: 300 }
    const text = `wxacode://${APPID}/pages/index/index?scene=id%3D7&env_version=release`
    for (const [is_hyaline, format] of [
      [false, 'jpeg'],
      [true, 'png'],
    ] as const) {
      const image = decodeImage(await client({ fetch }).unlimitedQrcode(APPID, { ...parameters, is_hyaline }))
      expect([image.format, image.width, image.height]).toEqual([format, 300, 300])
      expect(isCodeOf(text, image)).toBe(true)
    }
  })

  test('an image has 4 MB at most, whoever fetches it', async () => {
    for (const [length, isRead] of [
      [4_000_000, true],
      [4_000_001, false],
    ] as const) {
      const body = Buffer.alloc(length)
      JPEG.copy(body)
      const wechat = client({ url: await wechatLike((_req, res) => res.end(body)), fetch })
      if (isRead) expect((await ask(wechat)).equals(body)).toBe(true)
      else expect((await failure(ask(wechat))).code).toBe('wechat_unavailable')
      expect(reasons(wechat)).toEqual(isRead ? [] : ['max-size'])
    }
  })

  test('1 MB is the limit for what should be JSON', async () => {
    const padding = 'x'.repeat(1_000_000)
    const body = JSON.stringify({ openid: 'o-1', padding })
    const url = await wechatLike((_req, res) => res.end(body))
    const wechat = client({ url, fetch })
    expect((await failure(wechat.code2session(APPID, 'a-code'))).code).toBe('wechat_unavailable')
    expect(reasons(wechat)).toEqual(['max-size'])
  })
})

describe('the bytes say what a body is, not its content type', () => {
  const types = ['image/jpeg', 'image/png', 'application/json; encoding=utf-8', 'text/html', undefined]

  test.each(types)('%s', async type => {
    const answers: [body: Buffer | string, code: string | undefined][] = [
      [JPEG, undefined],
      [PNG, undefined],
      ['{"errcode":41030,"errmsg":"invalid page"}', 'validation_failed'],
      ['{"errcode":-1}', 'wechat_unavailable'],
      ['{"errcode":0,"errmsg":"ok"}', 'wechat_unavailable'],
      ['<html>', 'wechat_unavailable'],
    ]
    for (const [body, code] of answers) {
      const url = await wechatLike((_req, res) => {
        if (type) res.setHeader('content-type', type)
        res.end(body)
      })
      if (code === undefined) expect((await ask(client({ url }))).equals(body as Buffer)).toBe(true)
      else expect((await failure(ask(client({ url })))).code).toBe(code)
    }
  })
})

const bodies: [string, Buffer | string, reason: string][] = [
  ['an empty body', '', 'nonsense'],
  ['HTML', '<!doctype html><title>502</title>', 'nonsense'],
  ['JSON that is cut', '{"errcode":41030,"errm', 'nonsense'],
  ['a list', '[{"errcode":41030}]', 'nonsense'],
  ['null', 'null', 'nonsense'],
  ['a string of JSON', '"ok"', 'nonsense'],
  ['an errcode that is nonsense', '{"errcode":"x"}', 'nonsense'],
  ['an object of nothing', '{}', 'no image'],
  ['ok without an image', '{"errcode":0,"errmsg":"ok"}', 'no image'],
  ['the image in base64', JPEG.toString('base64'), 'nonsense'],
  ['the beginning of a JPEG', JPEG.subarray(0, 2), 'nonsense'],
  ['the beginning of a PNG', PNG.subarray(0, 7), 'nonsense'],
  ['a PNG spoilt by text mode', Buffer.from('89504e470a1a0a', 'hex'), 'nonsense'],
  ['a GIF', Buffer.from('GIF89a'), 'nonsense'],
  ['an image after a space', Buffer.concat([Buffer.from(' '), JPEG]), 'nonsense'],
  ['an image that was read as text', Buffer.from(JPEG.toString()), 'nonsense'],
  ['5 MB of spaces', ' '.repeat(5_000_000), 'max-size'],
]

describe('what is neither an image nor an errcode is wechat_unavailable', () => {
  test.each(bodies)('%s', async (_name, body, reason) => {
    let answer: Buffer | string = body
    const wechat = client({ url: await wechatLike((_req, res) => res.end(answer)) })
    expect(await failure(ask(wechat))).toMatchObject({ code: 'wechat_unavailable', wechat: undefined })
    expect(reasons(wechat)).toEqual([reason])
    // It is not the call's end: the same client goes on.
    answer = JPEG
    expect(await ask(wechat)).toEqual(JPEG)
  })

  test.each<[string, RequestListener]>([
    ['an image with HTTP 500', (_req, res) => res.writeHead(500).end(JPEG)],
    ['an image with HTTP 201', (_req, res) => res.writeHead(201).end(JPEG)],
    ['a redirect to an image', (_req, res) => res.writeHead(302, { location: '/elsewhere' }).end()],
    ['a reset', req => req.socket.resetAndDestroy()],
    [
      'an image that is cut',
      (_req, res) => {
        res.writeHead(200, { 'content-length': '1000' })
        res.write(JPEG, () => res.destroy())
      },
    ],
  ])('%s', async (_name, listener) => {
    const wechat = client({ url: await wechatLike(listener) })
    expect((await failure(ask(wechat))).code).toBe('wechat_unavailable')
  })

  test('an image that does not end within the time limit', async () => {
    const url = await wechatLike((_req, res) => res.write(JPEG))
    const wechat = client({ url, env: { WECHAT_TIMEOUT_MS: '500' } })
    expect((await failure(ask(wechat))).code).toBe('wechat_unavailable')
    while (reasons(wechat).length === 0) await new Promise(resolve => setImmediate(resolve))
    expect(reasons(wechat)).toEqual(['timeout'])
  })
})

describe('the access token', () => {
  test('that has died is replaced, and the same request sent again', async () => {
    const wechat = client()
    await ask(wechat)
    simulator.killTokens()
    expect(decodeImage(await ask(wechat)).format).toBe('jpeg')
    expect(simulator.callCounts).toMatchObject({ stable_token: 2, getwxacodeunlimit: 3 })
  })

  test.each([40001, 40014, 41001, 42001])('refused with %i twice: wechat_misconfigured', async errcode => {
    const wechat = client()
    for (let times = 0; times < 2; times += 1) simulator.failNext('getwxacodeunlimit', { errcode })
    expect(await failure(ask(wechat))).toMatchObject({ code: 'wechat_misconfigured', wechat: { errcode } })
    expect(simulator.callCounts.getwxacodeunlimit).toBe(2)
  })

  test('is that of the phone number, fetched once', async () => {
    const wechat = client()
    await failure(wechat.phoneNumber(APPID, 'a-code'))
    await ask(wechat)
    expect(simulator.callCounts.stable_token).toBe(1)
  })
})

test('an app that is not configured: WeChat is not asked', async () => {
  const error = await failure(client().unlimitedQrcode('wx00000000000000ff', { scene: 'a' }))
  expect(error.code).toBe('wechat_misconfigured')
  expect(simulator.calls).toEqual([])
})

describe('neither log nor error tell token, secret, scene or phones', () => {
  const SCENE = 'invitation=13912345678'
  const faults: [string, Fault][] = [
    ['an errcode', { errcode: 41030, errmsg: `invalid ${SCENE} for +8613912345678` }],
    ['nonsense', { status: 200, body: `<html>${SCENE}` }],
    ['HTTP 500', { status: 500, body: SCENE }],
    ['a reset', { reset: true }],
    ['time-out', { hang: 60_000 }],
  ]
  test.each(faults)('%s', async (_name, fault) => {
    for (const [, fetch] of fetches) {
      const wechat = client({ fetch, env: { WECHAT_TIMEOUT_MS: '500' } })
      // What may pass is tried three times.
      const times = 'reset' in fault || ('status' in fault && fault.status >= 500) ? 3 : 1
      for (let n = 0; n < times; n++) simulator.failNext('getwxacodeunlimit', fault)
      const error = await failure(wechat.unlimitedQrcode(APPID, { scene: SCENE }))
      const { access_token: token } = await db.row<{ access_token: string }>(
        'select access_token from auth_private.wechat_access_tokens',
      )
      const told = `${wechat.logged.join('')}\n${everythingOf(error)}`
      const found = [SIMULATOR_APP_SECRET, token, SCENE, '13912345678'].filter(text => told.includes(text))
      expect(found).toEqual([])
    }
  })

  test('what is too short for a secret does not hide the rid', async () => {
    const body = { errcode: 40129, errmsg: 'invalid scene rid: 6b033e3e-a612e14f-63de7727' }
    simulator.failNext('getwxacodeunlimit', { status: 200, body })
    const wechat = client()
    await failure(wechat.unlimitedQrcode(APPID, { scene: 'e' }))
    expect(wechat.logged.join('')).toContain('invalid scene rid: 6b033e3e-a612e14f-63de7727')
  })
})
