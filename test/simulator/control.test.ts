import { APP, type Harness, OTHER, startSimulator } from './harness.ts'

let h: Harness
beforeAll(async () => {
  h = await startSimulator()
})
afterAll(() => h.close())

const LOGIN = '/login-codes'
const PHONE = '/phone-codes'

const refused: [fact: string, path: string, body: unknown, error: string][] = [
  ['no body', LOGIN, '', 'the body must be a JSON object'],
  ['malformed JSON', LOGIN, '{"openid":', 'the body must be a JSON object'],
  ['an array', PHONE, [], 'the body must be a JSON object'],
  ['a form', PHONE, 'phone=13800138000', 'the body must be a JSON object'],
  ['no openid', LOGIN, {}, 'openid'],
  ['empty openid', LOGIN, { openid: '' }, 'openid'],
  ['openid no string', LOGIN, { openid: 1 }, 'openid'],
  ['mistyped key', LOGIN, { openid: 'o1', unionId: 'u1' }, 'unionId'],
  ['unknown app', LOGIN, { openid: 'o1', appid: 'wx0' }, `knows only ${APP.appid}, ${OTHER.appid}`],
  ['no phone', PHONE, {}, 'phone'],
  ['no digits', PHONE, { phone: '' }, 'must be digits'],
  ['spaces', PHONE, { phone: '138 0013 8000' }, 'must be digits'],
  ['unknown country', PHONE, { phone: '+9991234567' }, 'give national digits and country_code'],
  ['two country codes', PHONE, { phone: '+85251234567', country_code: '86' }, '86 contradicts +852'],
  ['country code in letters', PHONE, { phone: '51234567', country_code: 'HK' }, 'country calling code'],
  ['camel case', PHONE, { phone: '51234567', countryCode: '852' }, 'countryCode'],
  ['unknown app', PHONE, { phone: '13800138000', appid: 'wx0' }, 'knows only'],
]

test.each(refused)('%s on %s is 400 and says what helps', async (_fact, path, body, error) => {
  const answer = await h.post(path, body)
  expect(answer.status).toBe(400)
  expect(Object.keys(answer.body)).toEqual(['error'])
  expect(answer.body.error).toContain(error)
  expect(answer.body.error).toContain(`POST ${path} takes JSON {`)
})

test('a code is answered as JSON and nothing else', async () => {
  for (const answer of [await h.post(LOGIN, { openid: 'o1' }), await h.post(PHONE, { phone: '1' })]) {
    expect(answer).toMatchObject({ status: 200, body: { code: expect.any(String) } })
    expect(Object.keys(answer.body)).toEqual(['code'])
    expect(answer.type).toContain('application/json')
  }
})

test('the first app is the default, any other can be named', async () => {
  const [first, second] = [
    await h.loginCode({ openid: 'o1' }),
    await h.loginCode({ openid: 'o2', appid: OTHER.appid }),
  ]
  expect((await h.login(first, APP)).body.openid).toBe('o1')
  expect((await h.login(second, OTHER)).body.openid).toBe('o2')
})

test('control calls are not counted as calls of WeChat', async () => {
  const before = h.simulator.calls.length
  await h.loginCode({ openid: 'o1' })
  expect(h.simulator.calls.length).toBe(before)
})
