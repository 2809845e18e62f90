import type { Call, Endpoint, Fault } from '../../src/simulator/index.ts'
import { APP, type Harness, START, startSimulator } from './harness.ts'

let h: Harness
let told: Call[]
beforeEach(async () => {
  told = []
  h = await startSimulator({ onCall: call => told.push({ ...call }) })
})
afterEach(() => h.close())

/** Redeems a fresh phone code twice, the first time with `fault`: what came of it, what came of the second time. */
async function redeemTwice(fault: Fault, after: boolean) {
  const [token, code] = [await h.token(), await h.phoneCode({ phone: '13800138000' })]
  h.simulator.failNext('getuserphonenumber', fault, { after })
  const first = await h.phone(token, { code }).catch(error => error.cause?.code ?? error.name)
  const second = await h.phone(token, { code })
  return { first, second: second.body.errcode }
}

const wechat = (errcode: number, errmsg: RegExp) =>
  expect.objectContaining({ status: 200, body: { errcode, errmsg: expect.stringMatching(errmsg) } })
const http = (status: number, body: unknown) => expect.objectContaining({ status, body })

const rows: [fact: string, fault: Fault, first: unknown][] = [
  ['an errcode', { errcode: -1 }, wechat(-1, /^system error rid: /)],
  [
    'an errcode with a text',
    { errcode: 40164, errmsg: 'invalid ip' },
    wechat(40164, /^invalid ip rid: \w{8}-/),
  ],
  ['another status', { status: 502, body: '<html>' }, http(502, '<html>')],
  ['nonsense', { status: 200, body: { nonsense: true } }, http(200, { nonsense: true })],
  ['a torn connection', { reset: true }, 'ECONNRESET'],
]

test.each(rows)('%s, before the code is spent', async (_fact, fault, expected) => {
  const { first, second } = await redeemTwice(fault, false)
  typeof expected === 'string'
    ? expect(first).toBe(expected)
    : expect(first).toMatchObject(expected as object)
  expect(second).toBe(0)
})

test.each(rows)('%s, after the code is spent', async (_fact, fault, expected) => {
  const { first, second } = await redeemTwice(fault, true)
  typeof expected === 'string'
    ? expect(first).toBe(expected)
    : expect(first).toMatchObject(expected as object)
  expect(second).toBe(40029)
})

test.each([
  ['before a phone code is spent', 'getuserphonenumber', false, 0],
  ['after a phone code is spent', 'getuserphonenumber', true, 40029],
  ['before a login code is spent', 'jscode2session', false, 0],
  ['after a login code is spent', 'jscode2session', true, 40163],
] as const)('a hang longer than its caller waits, %s', async (_fact, endpoint, after, second) => {
  const token = await h.token()
  const phoneCode = await h.phoneCode({ phone: '13800138000' })
  const loginCode = await h.loginCode({ openid: 'o1' })
  const redeem = (init?: RequestInit) =>
    endpoint === 'jscode2session' ? h.login(loginCode, APP, init) : h.phone(token, { code: phoneCode }, init)
  h.simulator.failNext(endpoint, { hang: 300 }, { after })
  await expect(redeem({ signal: AbortSignal.timeout(100) })).rejects.toThrow('aborted due to timeout')
  await new Promise(resolve => setTimeout(resolve, 300)) // an answer would have come meanwhile
  expect((await redeem()).body.errcode ?? 0).toBe(second)
})

test('a hang shorter than its caller waits only delays the answer', async () => {
  const [token, code] = [await h.token(), await h.phoneCode({ phone: '13800138000' })]
  h.simulator.failNext('getuserphonenumber', { hang: 200 })
  const start = performance.now()
  expect((await h.phone(token, { code })).body.errcode).toBe(0)
  expect(performance.now() - start).toBeGreaterThan(190)
})

test('phoneInfo changes, adds and removes fields of the next phone answer only', async () => {
  const token = await h.token()
  const redeem = async () =>
    (await h.phone(token, { code: await h.phoneCode({ phone: '13800138000' }) })).body
  h.simulator.failNext('getuserphonenumber', {
    phoneInfo: { countryCode: 86, phoneNumber: undefined, watermark: { timestamp: 1, appid: 'wx0' } },
  })
  expect(await redeem()).toEqual({
    errcode: 0,
    errmsg: 'ok',
    phone_info: {
      purePhoneNumber: '13800138000',
      countryCode: 86,
      watermark: { timestamp: 1, appid: 'wx0' },
    },
  })
  expect((await redeem()).phone_info).toMatchObject({ countryCode: '86', phoneNumber: '13800138000' })
})

test('faults of one endpoint are taken in order and leave the others alone', async () => {
  h.simulator.failNext('token', { errcode: 45009 })
  h.simulator.failNext('token', { errcode: 45011 })
  h.simulator.failNext('stable_token', { errcode: 89503 })
  h.simulator.failNext('jscode2session', { errcode: 40226 })
  const ask = async () =>
    (await h.get('/cgi-bin/token', { ...APP, grant_type: 'client_credential' })).body.errcode
  expect(await ask()).toBe(45009)
  expect((await h.login('x')).body.errcode).toBe(40226)
  expect((await h.login('x')).body.errcode).toBe(40029)
  expect(await ask()).toBe(45011)
  expect(await ask()).toBeUndefined()
  expect((await h.stable()).body.errcode).toBe(89503)
  expect((await h.stable()).body.errcode).toBeUndefined()
})

test('every call is kept, counted and told, with its app and errcode', async () => {
  const call = (endpoint: Endpoint, appid: string | null, errcode: number | null): Call => ({
    ...{ endpoint, appid, errcode, at: START, ms: expect.any(Number), fault: null },
  })
  const expected: Call[] = [
    call('token', APP.appid, 0),
    call('stable_token', APP.appid, 0),
    call('jscode2session', null, 40125),
    call('jscode2session', APP.appid, 40029),
    call('getuserphonenumber', APP.appid, 40029),
    { ...call('getuserphonenumber', null, null), fault: 'status' },
  ]
  const token = await h.token()
  await h.stable()
  await h.login('x', { ...APP, secret: 'x' })
  await h.login('x')
  await h.phone(token, { code: 'x' })
  h.simulator.failNext('getuserphonenumber', { status: 500, body: '' })
  await h.phone(token, { code: 'x' })
  expect(h.simulator.calls).toEqual(expected)
  expect(told).toEqual(expected)
  expect(h.simulator.callCounts).toEqual({
    token: 1,
    stable_token: 1,
    jscode2session: 2,
    checksession: 0,
    resetusersessionkey: 0,
    getuserphonenumber: 2,
    getwxacodeunlimit: 0,
  })
})

test('a call is counted on its arrival, before it is answered', async () => {
  h.simulator.failNext('jscode2session', { hang: 60_000 })
  const gone = new AbortController()
  const pending = h.login('x', APP, { signal: gone.signal })
  while (h.simulator.callCounts.jscode2session === 0) await new Promise(resolve => setTimeout(resolve, 5))
  expect(h.simulator.calls).toMatchObject([
    { endpoint: 'jscode2session', appid: null, errcode: null, ms: null },
  ])
  expect(told).toEqual([])
  gone.abort()
  await expect(pending).rejects.toThrow('aborted')
})
