import { createDecipheriv, createHmac } from 'node:crypto'
import { sign } from '../../src/simulator/push_cipher.ts'
import { type Answer, APP, type Harness, OTHER, START, startSimulator } from './harness.ts'

// What WeChat documents (doc), and what its users report (seen), statement by statement: each as the simulator shows it to
// somebody who knows only the wire.

let h: Harness
let good: string
beforeEach(async () => {
  h = await startSimulator()
  good = await h.token()
})
afterEach(() => h.close())

const GRANT = { grant_type: 'client_credential' }
const MOBILE = { phone: '13800138000' }
const SECOND = 1_000
const MINUTE = 60_000
const HOUR = 3_600_000
const RID = / rid: [0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}$/

const legacy = (app = APP) => h.get('/cgi-bin/token', { ...app, ...GRANT })
const fault = (endpoint: string, body: object) => h.post('/faults', { endpoint, fault: body })
const errcode = async (answer: Promise<Answer>) => (await answer).body.errcode
const redeem = async (code: string, token = good) => h.phone(token, { code })
const freshPhone = async (input: object = MOBILE) => redeem(await h.phoneCode(input))
/** Whether a token is still good: nonsense in the code is then all that is wrong. */
const isGood = async (token: string) => (await errcode(h.phone(token, { code: 'x' }))) === 40029
const stableToken = async (force = false) => (await h.stable(force)).body.access_token as string
const qr = (body: object) => h.qrcode(good, { scene: 'a', ...body })
const signed = (openid: string, key: string, more: object = {}) => ({
  ...{ access_token: good, openid, sig_method: 'hmac_sha256' },
  ...{ signature: createHmac('sha256', key).update('').digest('hex'), ...more },
})
const session = async (openid: string, more: object = {}) =>
  (await h.login(await h.loginCode({ openid, ...more }))).body

type Row = [statement: string, look: () => Promise<unknown>, expected: unknown]

const common: Row[] = [
  ['doc: an error is HTTP 200', async () => (await h.login('x')).status, 200],
  [
    'doc: it has errcode, and errmsg with a rid at its end',
    async () => (await h.login('x')).body,
    { errcode: 40029, errmsg: expect.stringMatching(RID) },
  ],
  [
    'seen: the first group of the rid is the time in Unix seconds',
    async () => Number.parseInt(/rid: (\w{8})/.exec((await h.login('x')).body.errmsg)![1]!, 16),
    START / 1000,
  ],
  [
    'seen: a hint may stand before the rid',
    async () => {
      await h.post('/settings', { hints: true })
      return (await h.login('x')).body.errmsg
    },
    expect.stringMatching(/^invalid code hint: \[[\w-]{8}\] rid: /),
  ],
  [
    'doc: success of jscode2session has no errcode',
    async () => Object.keys(await session('o1')),
    ['openid', 'session_key'],
  ],
  ['seen: jscode2session is text/plain', async () => (await h.login('x')).type, 'text/plain'],
  ['seen: token is application/json', async () => (await legacy()).type, 'application/json'],
  ['seen: getuserphonenumber is application/json', async () => (await freshPhone()).type, 'application/json'],
  ['seen: a code image is image/jpeg', async () => (await qr({})).type, 'image/jpeg'],
  [
    'seen: a refused code image is JSON with an encoding',
    async () => (await qr({ scene: '' })).type,
    'application/json; encoding=utf-8',
  ],
  ['doc: 41001 access_token missing', async () => errcode(h.post('/wxa/getwxacodeunlimit', {})), 41001],
  ['doc: 40014 invalid access_token', async () => errcode(h.phone('nonsense', {})), 40014],
  ['doc: 40001 not latest', async () => errcode(h.phone(`86_${'x'.repeat(128)}`, {})), 40001],
  [
    'seen: the text of 40001',
    async () => (await h.phone(`86_${'x'.repeat(128)}`, {})).body.errmsg,
    expect.stringMatching(
      /^invalid credential, access_token is invalid or not latest, could get access_token by getStableAccessToken, more details at https:\/\/mmbizurl.cn\/s\/JtxxFh33r rid: /,
    ),
  ],
  [
    'doc: 42001 access_token expired',
    async () => {
      h.clock.now += 2 * HOUR
      return errcode(h.phone(good, {}))
    },
    42001,
  ],
  ['doc: 43002 require POST', async () => errcode(h.phone(good, null, { method: 'GET', body: null })), 43002],
  ['doc: 44002 empty post data', async () => errcode(h.phone(good, '')), 44002],
  ['doc: 47001 data format error', async () => errcode(h.phone(good, '{')), 47001],
  [
    'doc: 48001 api unauthorized',
    async () => {
      await h.post('/apps', { appid: APP.appid, unauthorized: ['getuserphonenumber'] })
      return [await errcode(h.phone(good, { code: 'x' })), (await qr({})).status]
    },
    [48001, 200],
  ],
]

const phones: Row[] = [
  ['doc: the code is single use', async () => twice(await h.phoneCode(MOBILE), redeem), [0, 40029]],
  [
    'doc: the code lives five minutes',
    async () => {
      const code = await h.phoneCode(MOBILE)
      h.clock.now += 5 * MINUTE
      return errcode(redeem(code))
    },
    40029,
  ],
  [
    'seen: the code has 64 hex characters',
    async () => h.phoneCode(MOBILE),
    expect.stringMatching(/^[0-9a-f]{64}$/),
  ],
  [
    'doc: with openid WeChat checks whose code it is',
    async () => {
      const code = await h.phoneCode({ ...MOBILE, openid: 'o1' })
      return [
        await errcode(h.phone(good, { code, openid: 'o2' })),
        await errcode(h.phone(good, { code, openid: 'o1' })),
      ]
    },
    [40029, 0],
  ],
  [
    'seen: one user got a format error for openid',
    async () => {
      await h.post('/settings', { refuse_openid: true })
      return errcode(h.phone(good, { code: await h.phoneCode(MOBILE), openid: 'o1' }))
    },
    47001,
  ],
  ['seen: a form is 47001', async () => errcode(h.phone(good, 'code=x')), 47001],
  ['seen: a mistyped key is 47001', async () => errcode(h.phone(good, { Code: 'x' })), 47001],
  [
    'seen: access_token in the body is 47001',
    async () => errcode(h.phone(good, { code: 'x', access_token: good })),
    47001,
  ],
  [
    'doc: success',
    async () => (await freshPhone()).body,
    {
      ...{ errcode: 0, errmsg: 'ok' },
      phone_info: {
        ...{ phoneNumber: '13800138000', purePhoneNumber: '13800138000', countryCode: '86' },
        watermark: { timestamp: START / 1000, appid: APP.appid },
      },
    },
  ],
  ...(['string', 'number', 'plus'] as const).map(
    (form, at): Row => [
      `open: countryCode as ${form}`,
      async () => {
        await h.post('/settings', { country_code: form })
        return (await freshPhone()).body.phone_info.countryCode
      },
      ['86', 86, '+86'][at],
    ],
  ),
  [
    'doc: outside the mainland phoneNumber has the area code, purePhoneNumber has not',
    async () => (await freshPhone({ phone: '+85251234567' })).body.phone_info,
    expect.objectContaining({ phoneNumber: '+85251234567', purePhoneNumber: '51234567' }),
  ],
  ['seen: a login code is 40029', async () => errcode(redeem(await h.loginCode({ openid: 'o1' }))), 40029],
  [
    "seen: another app's code is 40029",
    async () => errcode(redeem(await h.phoneCode({ ...MOBILE, appid: OTHER.appid }))),
    40029,
  ],
  [
    "doc: another app's code is 40013",
    async () => {
      await h.post('/settings', { other_app_errcode: 40013 })
      return errcode(redeem(await h.phoneCode({ ...MOBILE, appid: OTHER.appid })))
    },
    40013,
  ],
  [
    'open: -1 may burn the code, or not',
    async () => {
      const [kept, burnt] = [await h.phoneCode(MOBILE), await h.phoneCode(MOBILE)]
      await fault('getuserphonenumber', { errcode: -1 })
      const before = await twice(kept, redeem)
      await h.post('/faults', { endpoint: 'getuserphonenumber', fault: { errcode: -1 }, after: true })
      return [before, await twice(burnt, redeem)]
    },
    [
      [-1, 0],
      [-1, 40029],
    ],
  ],
  [
    'doc: a tap costs 0.03 yuan, in real time 0.04, exchanged or not, after 1,000 for nothing',
    async () => {
      for (let tap = 0; tap < 1_000; tap += 1) h.simulator.control.phoneCode(MOBILE)
      const before = h.simulator.control.quotas().apps[0]!.used.phone_taps
      await h.phoneCode(MOBILE)
      await freshPhone({ ...MOBILE, realtime: true })
      return [before.cost_cny, h.simulator.control.quotas().apps[0]!.used.phone_taps]
    },
    [0, { taps: 1_002, exchanged: 1, charged: 2, cost_cny: 0.07 }],
  ],
  [
    'doc: a quota that is used up is told to the client, errno 1400001',
    async () => {
      await h.post('/quotas', { limits: { phone_taps: 1 } })
      return [await h.post('/phone-codes', MOBILE), await h.post('/phone-codes', MOBILE)]
    },
    [
      expect.objectContaining({ status: 200 }),
      expect.objectContaining({ status: 400, body: { errno: 1400001, error: expect.any(String) } }),
    ],
  ],
]

async function twice(code: string, use: (code: string) => Promise<Answer>): Promise<number[]> {
  return [(await errcode(use(code))) ?? 0, (await errcode(use(code))) ?? 0]
}

const logins: Row[] = [
  ['seen: a used code is 40163', async () => twice(await h.loginCode({ openid: 'o1' }), h.login), [0, 40163]],
  [
    'doc: the code lives five minutes',
    async () => {
      const code = await h.loginCode({ openid: 'o1' })
      h.clock.now += 5 * MINUTE
      return errcode(h.login(code))
    },
    40029,
  ],
  ['seen: 41002', async () => errcode(h.get('/sns/jscode2session', { secret: 'x' })), 41002],
  ['seen: 41004', async () => errcode(h.get('/sns/jscode2session', { appid: 'x' })), 41004],
  [
    'seen: 41008 missing code',
    async () => errcode(h.get('/sns/jscode2session', { ...APP, grant_type: 'authorization_code' })),
    41008,
  ],
  ['seen: 40013 invalid appid', async () => errcode(h.login('x', { ...APP, appid: 'wx0' })), 40013],
  ['seen: 40125 invalid appsecret', async () => errcode(h.login('x', { ...APP, secret: 'x' })), 40125],
  [
    'doc: unionid only when the app is bound to an Open Platform account; first without, later with',
    async () => {
      const alice = { unionid: 'u1' }
      await h.post('/apps', { appid: APP.appid, open_platform: false })
      const without = await session('o1', alice)
      await h.post('/apps', { appid: APP.appid, open_platform: true })
      return [without.unionid, (await session('o1', alice)).unionid]
    },
    [undefined, 'u1'],
  ],
  [
    'doc: 45011 after 100 sign-ins a minute of one user',
    async () => {
      for (let count = 0; count < 100; count += 1) await session('o1')
      const over = await h.loginCode({ openid: 'o1' })
      const refused = [await errcode(h.login(over)), (await session('o2')).openid]
      h.clock.now += MINUTE
      return [...refused, (await h.login(over)).body.openid]
    },
    [45011, 'o2', 'o1'],
  ],
  [
    'doc: 40226 code blocked',
    async () => {
      await fault('jscode2session', { errcode: 40226 })
      return (await h.login('x')).body.errmsg
    },
    expect.stringMatching(/^code blocked rid: /),
  ],
]

const tokens: Row[] = [
  [
    'doc: expires_in is at most 7200, the token at most 512 characters',
    async () => (await legacy()).body,
    { expires_in: 7200, access_token: expect.stringMatching(/^.{1,512}$/) },
  ],
  [
    'doc: token again is a new one, the last one dies after five minutes',
    async () => {
      const next = await h.token()
      h.clock.now += 5 * MINUTE - SECOND
      const overlap = await isGood(good)
      h.clock.now += SECOND
      return [next !== good, overlap, await isGood(good), await isGood(next)]
    },
    [true, true, false, true],
  ],
  [
    'seen: it dies at once',
    async () => {
      await h.post('/settings', { legacy_overlap_seconds: 0 })
      await h.token()
      return errcode(h.phone(good, { code: 'x' }))
    },
    40001,
  ],
  [
    'doc: stable_token again is the same',
    async () => new Set([await stableToken(), await stableToken()]).size,
    1,
  ],
  [
    'doc: in its last five minutes a new one, both valid for five minutes; expires_in may be small',
    async () => {
      const old = await stableToken()
      h.clock.now += 2 * HOUR - 5 * MINUTE
      const least = (await h.stable()).body.expires_in
      h.clock.now += SECOND
      const next = await stableToken()
      h.clock.now += 5 * MINUTE - SECOND
      return [least, next !== old, await isGood(old), await isGood(next)]
    },
    [300, true, true, true],
  ],
  [
    'doc: force_refresh 30 s apart, otherwise no new token; two forced calls kill a leaked one',
    async () => {
      const leaked = await stableToken()
      const once = await stableToken(true)
      const soon = await stableToken(true)
      h.clock.now += 30 * SECOND
      const again = await stableToken(true)
      return [once !== leaked, soon === once, again !== once, await isGood(leaked), await isGood(once)]
    },
    [true, true, true, false, true],
  ],
  [
    'doc: force_refresh 20 times a day',
    async () => {
      const seen = new Set<string>()
      for (let count = 0; count < 21; count += 1) {
        seen.add(await stableToken(true))
        h.clock.now += 30 * SECOND
      }
      return seen.size
    },
    20,
  ],
  [
    'doc: the two kinds are isolated',
    async () => {
      const stable = await stableToken()
      await h.token()
      await h.token()
      return [await isGood(stable), await isGood(good)]
    },
    [true, false],
  ],
  [
    'doc: 2,000 tokens a day',
    async () => {
      for (let count = 1; count < 2_000; count += 1) await legacy()
      const over = await errcode(legacy())
      h.clock.now = START + 12 * HOUR // midnight in Beijing
      return [over, await errcode(legacy(OTHER)), await errcode(legacy())]
    },
    [45009, undefined, undefined],
  ],
  [
    'doc: 10,000 and 500,000 stable tokens, 5,000 code images; a minute 45011, a day 45009, an image 45009',
    async () => {
      const { limits } = h.simulator.control.quotas()
      const errcodes = []
      for (const limit of ['stable_token_minute', 'stable_token_day', 'getwxacodeunlimit_minute'] as const) {
        h.simulator.control.setQuotas({ limits: { ...limits, [limit]: 0 } })
        errcodes.push(await errcode(limit.startsWith('stable') ? h.stable() : qr({})))
      }
      return [
        limits.stable_token_minute,
        limits.stable_token_day,
        limits.getwxacodeunlimit_minute,
        ...errcodes,
      ]
    },
    [10_000, 500_000, 5_000, 45011, 45009, 45009],
  ],
  ['doc: token 40002', async () => errcode(h.get('/cgi-bin/token', { ...APP, grant_type: 'x' })), 40002],
  ['doc: token 40013', async () => errcode(legacy({ ...APP, appid: 'wx0' })), 40013],
  ['doc: token 40125', async () => errcode(legacy({ ...APP, secret: 'x' })), 40125],
  ['doc: stable_token 41002', async () => errcode(h.post('/cgi-bin/stable_token', { ...GRANT })), 41002],
  ['doc: stable_token 43002', async () => errcode(h.get('/cgi-bin/stable_token')), 43002],
  [
    'seen: the text of 40164 names the address in both forms',
    async () => {
      await h.post('/apps', { appid: APP.appid, allowed_ips: ['203.0.113.7'] })
      return [(await legacy()).body.errmsg, await errcode(h.stable()), await errcode(legacy(OTHER))]
    },
    [
      expect.stringMatching(/^invalid ip 127\.0\.0\.1 ipv6 ::ffff:127\.0\.0\.1, not in whitelist rid: /),
      40164,
      undefined,
    ],
  ],
  [
    'doc: 40243 the secret is frozen',
    async () => {
      await h.post('/apps', { appid: APP.appid, frozen: true })
      return [await errcode(legacy()), await errcode(h.stable()), await isGood(good)]
    },
    [40243, 40243, true],
  ],
  ...[40001, 50004, 50007, 89503, 89506, 89507, 48004, 50002, -1].map(
    (code): Row => [
      `doc: ${code}, out of the blue, has a text of its own`,
      async () => {
        await fault('token', { errcode: code })
        return (await legacy()).body
      },
      { errcode: code, errmsg: expect.not.stringContaining('simulated') },
    ],
  ),
]

const images: Row[] = [
  [
    'doc: scene takes these characters',
    async () => (await qr({ scene: "0aZ!#$&'()*+,/:;=?@-._~" })).type,
    'image/jpeg',
  ],
  ['doc: no % in scene', async () => errcode(qr({ scene: 'a%20' })), 40129],
  ['doc: at most 32 of them', async () => errcode(qr({ scene: 'a'.repeat(33) })), 40169],
  ['doc: no leading slash', async () => errcode(qr({ page: '/p' })), 41030],
  ['doc: no query', async () => errcode(qr({ page: 'p?a=1' })), 41030],
  ['doc: no scancode_time', async () => errcode(qr({ page: 'p/scancode_time' })), 85096],
  ['doc: width from 280', async () => errcode(qr({ width: 279 })), 40097],
  ['doc: width to 1280', async () => errcode(qr({ width: 1281 })), 40097],
  ['doc: booleans are strict', async () => errcode(qr({ is_hyaline: 1 })), 47001],
  ['doc: env_version is one of three', async () => errcode(qr({ env_version: 'beta' })), 40097],
  [
    'doc: check_path, which is the default, wants a published page',
    async () => {
      await h.post('/settings', { pages: ['pages/index'] })
      const type = async (body: object) => (await qr(body)).type
      return [
        await type({ page: 'pages/index' }),
        await errcode(qr({ page: 'p' })),
        await type({ page: 'p', check_path: false }),
      ]
    },
    ['image/jpeg', 41030, 'image/jpeg'],
  ],
]

const sessions: Row[] = [
  [
    'doc: the signature is hmac_sha256(session_key, "")',
    async () => (await h.get('/wxa/checksession', signed('o1', (await session('o1')).session_key))).body,
    { errcode: 0, errmsg: 'ok' },
  ],
  [
    'doc: 87009 invalid signature',
    async () => {
      const { session_key } = await session('o1')
      return Promise.all(
        [
          signed('o1', 'x'),
          signed('o2', session_key),
          signed('o1', session_key, { signature: '' }),
          signed('o1', session_key, { sig_method: 'sha1' }),
        ].map(query => errcode(h.get('/wxa/checksession', query))),
      )
    },
    [87009, 87009, 87009, 87009],
  ],
  [
    'doc: a reset gives a new session_key, and the old one is none',
    async () => {
      const { session_key } = await session('o1')
      const { body } = await h.get('/wxa/resetusersessionkey', signed('o1', session_key))
      const check = (key: string) => errcode(h.get('/wxa/checksession', signed('o1', key)))
      return [body.errcode, body.openid, await check(session_key), await check(body.session_key)]
    },
    [0, 'o1', 87009, 0],
  ],
  [
    'doc: encryptedData is AES-128-CBC under the session_key, with a watermark; a new sign-in breaks it',
    async () => {
      const { session_key } = await session('o1')
      const { encryptedData, iv } = (await h.post('/encrypted-phones', { ...MOBILE, openid: 'o1' })).body
      const open = (key: string) => {
        const cipher = createDecipheriv('aes-128-cbc', Buffer.from(key, 'base64'), Buffer.from(iv, 'base64'))
        return JSON.parse(cipher.update(encryptedData, 'base64', 'utf8') + cipher.final('utf8'))
      }
      const next = (await session('o1')).session_key
      expect(() => open(next)).toThrow()
      return open(session_key)
    },
    {
      ...{ phoneNumber: '13800138000', purePhoneNumber: '13800138000', countryCode: '86' },
      watermark: { timestamp: START / 1000, appid: APP.appid },
    },
  ],
  [
    'doc: the official vector of the signature of pushes',
    async () => sign(['AAAAA', '1714036504', '1514711492']),
    'f464b24fc39322e44b38aa78f5edd27bd1441696',
  ],
]

describe.each([
  ['common', common],
  ['getuserphonenumber', phones],
  ['jscode2session', logins],
  ['access tokens', tokens],
  ['getwxacodeunlimit', images],
  ['sessions and pushes', sessions],
])('%s', (_part, rows) => {
  test.each(rows)('%s', async (_statement, look, expected) => {
    expect(await look()).toEqual(expected)
  })
})
