import { CodeStore } from '../../src/simulator/codes.ts'
import { APP, type Harness, OTHER, START, startSimulator } from './harness.ts'

let h: Harness
beforeEach(async () => {
  h = await startSimulator()
})
afterEach(() => h.close())

const MINUTES = 60_000
const MOBILE = { phone: '13800138000' }

test('login codes have 32 characters, phone codes 64 hex characters', async () => {
  expect(await h.loginCode({ openid: 'o1' })).toMatch(/^\w{32}$/)
  expect(await h.phoneCode(MOBILE)).toMatch(/^[0-9a-f]{64}$/)
})

test.each([
  ['with a unionid', { openid: 'o1', unionid: 'u1' }],
  ['without one where the login code has none', { openid: 'o1' }],
])('jscode2session: text/plain, no errcode, %s', async (_fact, user) => {
  const answer = await h.login(await h.loginCode(user))
  expect(answer).toEqual({
    status: 200,
    type: 'text/plain',
    body: { ...user, session_key: expect.any(String) },
  })
  expect(answer.body.session_key).toMatch(/^[A-Za-z0-9+/]{22}==$/)
})

test('every login has its own session_key', async () => {
  const keys = [await h.loginCode({ openid: 'o1' }), await h.loginCode({ openid: 'o1' })].map(
    async code => (await h.login(code)).body.session_key,
  )
  expect(new Set(await Promise.all(keys)).size).toBe(2)
})

const phones: [fact: string, input: object, numbers: string[]][] = [
  ['mainland, national digits', MOBILE, ['13800138000', '13800138000', '86']],
  ['mainland, E.164', { phone: '+8613800138000' }, ['13800138000', '13800138000', '86']],
  [
    'Hong Kong, national digits',
    { phone: '51234567', country_code: '852' },
    ['+85251234567', '51234567', '852'],
  ],
  [
    'country code with plus',
    { phone: '51234567', country_code: '+852' },
    ['+85251234567', '51234567', '852'],
  ],
  ['Hong Kong, E.164', { phone: '+85251234567' }, ['+85251234567', '51234567', '852']],
  [
    'E.164 with its own country code',
    { phone: '+85251234567', country_code: '852' },
    ['+85251234567', '51234567', '852'],
  ],
  ['+1', { phone: '+12025550123' }, ['+12025550123', '2025550123', '1']],
  ['leading zero kept', { phone: '+390612345678' }, ['+390612345678', '0612345678', '39']],
  ['nonsense in China', { phone: '000' }, ['000', '000', '86']],
  ['nonsense abroad', { phone: '7', country_code: '999' }, ['+9997', '7', '999']],
]

test.each(phones)(
  'getuserphonenumber: %s',
  async (_fact, input, [phoneNumber, purePhoneNumber, countryCode]) => {
    const code = await h.phoneCode(input)
    h.clock.now += MINUTES // the watermark tells when the user tapped
    const watermark = { timestamp: START / 1000, appid: APP.appid }
    expect(await h.phone(await h.token(), { code })).toEqual({
      status: 200,
      type: 'application/json',
      body: {
        errcode: 0,
        errmsg: 'ok',
        phone_info: { phoneNumber, purePhoneNumber, countryCode, watermark },
      },
    })
  },
)

/** What WeChat says (errcode, 0 for success) to each redemption in turn. */
const redemptions: [fact: string, attempts: () => Promise<unknown[]>, expected: number[]][] = [
  ['login code: used', async () => twice(await h.loginCode({ openid: 'o1' }), login), [0, 40163]],
  ['phone code: used', async () => twice(await h.phoneCode(MOBILE), phone), [0, 40029]],
  [
    'login code: good for five minutes',
    async () => late(await h.loginCode({ openid: 'o1' }), -1, login),
    [0],
  ],
  ['login code: expired', async () => late(await h.loginCode({ openid: 'o1' }), 0, login), [40029]],
  ['phone code: good for five minutes', async () => late(await h.phoneCode(MOBILE), -1, phone), [0]],
  ['phone code: expired', async () => late(await h.phoneCode(MOBILE), 0, phone), [40029]],
  [
    'login code: not a phone code, and unspent by the attempt',
    async () => each(await h.loginCode({ openid: 'o1' }), phone, login),
    [40029, 0],
  ],
  [
    'phone code: not a login code, and unspent by the attempt',
    async () => each(await h.phoneCode(MOBILE), login, phone),
    [40029, 0],
  ],
  [
    "login code: another app's",
    async () =>
      each(await h.loginCode({ openid: 'o1', appid: OTHER.appid }), login, code => login(code, OTHER)),
    [40029, 0],
  ],
  [
    "phone code: another app's",
    async () => each(await h.phoneCode({ ...MOBILE, appid: OTHER.appid }), phone, code => phone(code, OTHER)),
    [40029, 0],
  ],
  [
    'phone code of an openid: another openid, then its own',
    async () => each(await h.phoneCode({ ...MOBILE, openid: 'o1' }), from('o2'), from('o1')),
    [40029, 0],
  ],
  [
    'phone code of an openid: none sent',
    async () => each(await h.phoneCode({ ...MOBILE, openid: 'o1' }), phone),
    [0],
  ],
  ['phone code without openid: any sent', async () => each(await h.phoneCode(MOBILE), from('o2')), [0]],
]

test.each(redemptions)('%s', async (_fact, attempts, expected) => {
  expect(await attempts()).toEqual(expected)
})

type Redeem = (code: string) => Promise<{ body: { errcode?: number } }>

const login = (code: string, app = APP) => h.login(code, app)
const phone = async (code: string, app = APP) => h.phone(await h.token(app), { code })
const from = (openid: string) => async (code: string) => h.phone(await h.token(), { code, openid })
const twice = (code: string, redeem: Redeem) => each(code, redeem, redeem)

async function each(code: string, ...redeems: Redeem[]): Promise<number[]> {
  const errcodes: number[] = []
  for (const redeem of redeems) errcodes.push((await redeem(code)).body.errcode ?? 0)
  return errcodes
}

/** Redeems a code five minutes and `ms` milliseconds after it was minted. */
function late(code: string, ms: number, redeem: Redeem): Promise<number[]> {
  h.clock.now += 5 * MINUTES + ms
  return each(code, redeem)
}

test('of simultaneous redemptions of one code exactly one succeeds', async () => {
  const [token, code] = [await h.token(), await h.phoneCode(MOBILE)]
  const answers = await Promise.all(Array.from({ length: 20 }, () => h.phone(token, { code })))
  const errcodes = answers.map(({ body }) => body.errcode).sort()
  expect(errcodes).toEqual([0, ...Array(19).fill(40029)])
})

test('expired codes are swept when new ones are minted', () => {
  let now = START
  const codes = new CodeStore<string>(() => now, 16)
  for (let count = 0; count < 10; count += 1) codes.mint('app', 'old')
  now += 5 * MINUTES - 1
  const young = codes.mint('app', 'young')
  expect(codes.size).toBe(11)
  now += 1
  codes.mint('app', 'new')
  expect(codes.size).toBe(2)
  expect(codes.find(young, 'app')?.value).toBe('young')
})
