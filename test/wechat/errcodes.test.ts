import { catalogue, type ErrorCode } from '../../src/errors.ts'
import type { Endpoint } from '../../src/simulator/index.ts'
import { codeOfErrcode, deadTokenErrcodes, ridOf } from '../../src/wechat/errcodes.ts'
import { loginCode, phoneCode } from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { startSimulator, type TestSimulator } from '../support/simulator.ts'
import { APPID, createClient, failure, type TestClient } from './harness.ts'

/** The contract's table of errors and WeChat's pages: every errcode, and what it is called here. */
const table: [errcode: number, code: ErrorCode, what: string][] = [
  [-1, 'wechat_unavailable', 'system busy'],
  [45009, 'wechat_unavailable', 'daily quota'],
  [45011, 'wechat_unavailable', 'minute quota'],
  [40029, 'wechat_code_invalid', 'invalid code'],
  [40163, 'wechat_code_invalid', 'code been used'],
  [40226, 'wechat_user_blocked', 'code blocked'],
  [40097, 'validation_failed', 'invalid args'],
  [40129, 'validation_failed', 'invalid scene'],
  [40169, 'validation_failed', 'invalid length for scene'],
  [41030, 'validation_failed', 'invalid page'],
  [40001, 'wechat_misconfigured', 'invalid credential'],
  [40002, 'wechat_misconfigured', 'invalid grant_type'],
  [40013, 'wechat_misconfigured', 'invalid appid'],
  [40014, 'wechat_misconfigured', 'invalid access_token'],
  [40125, 'wechat_misconfigured', 'invalid appsecret'],
  [40164, 'wechat_misconfigured', 'invalid ip 1.2.3.4 ipv6 ::ffff:1.2.3.4, not in whitelist'],
  [40243, 'wechat_misconfigured', 'appsecret frozen'],
  [41001, 'wechat_misconfigured', 'access_token missing'],
  [41002, 'wechat_misconfigured', 'appid missing'],
  [41004, 'wechat_misconfigured', 'appsecret missing'],
  [41008, 'wechat_misconfigured', 'missing code'],
  [42001, 'wechat_misconfigured', 'access_token expired'],
  [43002, 'wechat_misconfigured', 'require POST method'],
  [44002, 'wechat_misconfigured', 'empty post data'],
  [47001, 'wechat_misconfigured', 'data format error'],
  [48001, 'wechat_misconfigured', 'api unauthorized'],
  [48004, 'wechat_misconfigured', 'api forbidden'],
  [50004, 'wechat_misconfigured', 'forbidden'],
  [50007, 'wechat_misconfigured', 'account frozen'],
  [89500, 'wechat_misconfigured', 'first of 895xx'],
  [89503, 'wechat_misconfigured', 'an administrator must confirm this ip'],
  [89506, 'wechat_misconfigured', 'ip refused twice'],
  [89507, 'wechat_misconfigured', 'ip refused once'],
  [89599, 'wechat_misconfigured', 'last of 895xx'],
  [89499, 'wechat_unavailable', 'unknown: just before 895xx'],
  [89600, 'wechat_unavailable', 'unknown: just after 895xx'],
  [1, 'wechat_unavailable', 'unknown'],
  [99999, 'wechat_unavailable', 'unknown'],
]

const rid = '674055ab-1b2c3d4e-0f1e2d3c'

let db: TestDatabase
let simulator: TestSimulator
let client: TestClient

beforeAll(async () => {
  db = await createDatabase()
  simulator = await startSimulator()
  client = createClient({ db, url: simulator.url })
})
/** As if nobody had ever fetched a token, nor forced one. */
async function forgetTokens() {
  await client.close()
  await simulator.close()
  await db.rows('delete from auth_private.wechat_access_tokens')
  simulator = await startSimulator()
  client = createClient({ db, url: simulator.url })
}
afterAll(async () => {
  await client.close()
  await simulator.close()
  await db.drop()
})

const errmsgs: [form: string, tail: string, rid: string | undefined][] = [
  ['a rid', ` rid: ${rid}`, rid],
  ['a hint and a rid', ` hint: [aBcD1234] rid: ${rid}`, rid],
  ['no rid', '', undefined],
]

describe('jscode2session', () => {
  test.each(table)('%i is %s (%s)', async (errcode, code, what) => {
    for (const [, tail, rid] of errmsgs) {
      simulator.failNext('jscode2session', { status: 200, body: { errcode, errmsg: what + tail } })
      const error = await failure(client.code2session(APPID, 'a-code'))
      expect([error.code, error.wechat]).toEqual([code, { errcode, rid }])
      expect(error.message).not.toContain(what)
    }
  })
})

describe('getuserphonenumber', () => {
  test.each(table)('%i is %s (%s)', async (errcode, code, what) => {
    // A refused token is replaced once; the second refusal is the outcome.
    await forgetTokens()
    for (let left = deadTokenErrcodes.has(errcode) ? 2 : 1; left > 0; left -= 1)
      simulator.failNext('getuserphonenumber', {
        status: 200,
        body: { errcode, errmsg: `${what} rid: ${rid}` },
      })
    const before = simulator.callCounts.getuserphonenumber
    const error = await failure(client.phoneNumber(APPID, 'a-code'))
    expect([error.code, error.wechat]).toEqual([code, { errcode, rid }])
    expect(simulator.callCounts.getuserphonenumber - before).toBe(deadTokenErrcodes.has(errcode) ? 2 : 1)
    // Nothing is left to spoil the next call.
    expect(await client.phoneNumber(APPID, await phoneCode(simulator, '13800138000'))).toBeDefined()
  })
})

describe('getwxacodeunlimit', () => {
  const scene = 'a'
  const parameters = new Map([
    [40097, /scene, page, version, width or colour/],
    [40129, /^scene has a character/],
    [40169, /^scene has a length/],
    [41030, /^page is not one that WeChat knows/],
    [85096, /^page holds scancode_time/],
  ])
  const rows = [...table, [85096, 'validation_failed', 'scancode_time'] as const]

  test.each(rows)('%i is %s (%s)', async (errcode, code, what) => {
    await forgetTokens()
    // An image is drawn again where WeChat is busy.
    const times = errcode === -1 ? 3 : deadTokenErrcodes.has(errcode) ? 2 : 1
    for (let left = times; left > 0; left -= 1)
      simulator.failNext('getwxacodeunlimit', {
        status: 200,
        body: { errcode, errmsg: `${what} rid: ${rid}` },
      })
    const before = simulator.callCounts.getwxacodeunlimit
    const error = await failure(client.unlimitedQrcode(APPID, { scene }))
    expect([error.code, error.wechat]).toEqual([code, { errcode, rid }])
    expect(error.message).toMatch(parameters.get(errcode) ?? catalogue[code].message)
    expect(simulator.callCounts.getwxacodeunlimit - before).toBe(times)
    expect(await client.unlimitedQrcode(APPID, { scene })).toBeDefined()
  })

  test('85096 is about a parameter here only', () => {
    expect(codeOfErrcode(85096)).toBe('wechat_unavailable')
  })
})

describe.each<[Endpoint, 'stable' | 'legacy']>([
  ['stable_token', 'stable'],
  ['token', 'legacy'],
])('%s', (endpoint, kind) => {
  let fresh: TestClient
  beforeEach(async () => {
    await db.rows('delete from auth_private.wechat_access_tokens')
    fresh = createClient({ db, url: simulator.url, env: { WECHAT_TOKEN_KIND: kind } })
  })
  afterEach(() => fresh.close())

  // There is no code, user or parameter that these could mean.
  const ofApp = table.map(([errcode, code]) => [
    errcode,
    code === 'wechat_unavailable' ? code : 'wechat_misconfigured',
  ])

  test.each(ofApp as [number, ErrorCode][])('%i is %s', async (errcode, code) => {
    const before = { ...simulator.callCounts }
    // What may pass is tried three times: no code is in it.
    const times = errcode === -1 ? 3 : 1
    for (let n = 0; n < times; n++) simulator.failNext(endpoint, { errcode })
    const error = await failure(fresh.phoneNumber(APPID, 'a-code'))
    expect([error.code, error.wechat]).toEqual([
      code,
      { errcode, rid: expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{8}){2}$/) },
    ])
    // The code is not sent without a token.
    expect(simulator.callCounts).toEqual({ ...before, [endpoint]: before[endpoint] + times })
  })
})

test('a string is as good as a number, and an errmsg that is none does not hide the errcode', async () => {
  for (const body of [
    { errcode: '40029', errmsg: 'invalid code' },
    { errcode: 40029 },
    { errcode: 40029, errmsg: null },
    { errcode: 40029, errmsg: 7 },
  ]) {
    simulator.failNext('jscode2session', { status: 200, body })
    const error = await failure(client.code2session(APPID, 'a-code'))
    expect([body, error.code, error.wechat]).toEqual([
      body,
      'wechat_code_invalid',
      { errcode: 40029, rid: undefined },
    ])
  }
})

test('errcode 0 and no errcode both mean success', async () => {
  for (const body of [{ openid: 'o-1' }, { openid: 'o-1', errcode: 0, errmsg: 'ok' }]) {
    simulator.failNext('jscode2session', { status: 200, body })
    expect(await client.code2session(APPID, 'a-code')).toEqual({ openid: 'o-1' })
  }
})

test('the table holds every errcode that the source names', () => {
  const named = table.map(([errcode]) => errcode)
  for (let errcode = -10; errcode < 100_000; errcode += 1) {
    const code = codeOfErrcode(errcode)
    const in895xx = errcode >= 89500 && errcode <= 89599
    if (code !== 'wechat_unavailable' && !in895xx) expect(named).toContain(errcode)
  }
})

test.each([
  ['invalid code rid: 674055ab-1b2c3d4e-0f1e2d3c', '674055ab-1b2c3d4e-0f1e2d3c'],
  ['rid: 674055ab', '674055ab'],
  ['rid: ', undefined],
  ['', undefined],
  ['arid 674055ab', undefined],
])('the rid of %j is %j', (errmsg, rid) => {
  expect(ridOf(errmsg)).toBe(rid)
})

test('a code of another kind is invalid: what WeChat itself says of it', async () => {
  const error = await failure(client.phoneNumber(APPID, await loginCode(simulator, 'o-2')))
  expect([error.code, error.wechat?.errcode]).toEqual(['wechat_code_invalid', 40029])
})
