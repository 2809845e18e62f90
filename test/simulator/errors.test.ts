import { type Answer, APP, type Harness, OTHER, START, startSimulator } from './harness.ts'

let h: Harness
beforeAll(async () => {
  h = await startSimulator()
})
afterAll(() => h.close())

const GRANT = { grant_type: 'client_credential' }
const LOGIN = { grant_type: 'authorization_code', js_code: 'x' }
const NOT_LATEST =
  'invalid credential, access_token is invalid or not latest, could get access_token by getStableAccessToken, ' +
  'more details at https://mmbizurl.cn/s/JtxxFh33r'
const UNKNOWN_TOKEN = `86_${'x'.repeat(128)}`

const token = (query: Record<string, string>) => () => h.get('/cgi-bin/token', query)
const stable = (body: unknown, init?: RequestInit) => () => h.post('/cgi-bin/stable_token', body, init)
const login = (query: Record<string, string>) => () => h.get('/sns/jscode2session', query)
const phone = (body: unknown, init?: RequestInit) => async () => h.phone(await h.token(), body, init)

const FORM = { headers: { 'content-type': 'application/x-www-form-urlencoded' } }
const JSON_TYPE = { headers: { 'content-type': 'application/json' } }
const GET = { method: 'GET', body: null }
const UNDECODABLE = { headers: { 'content-encoding': 'nonsense' } }

const rows: [fact: string, request: () => Promise<Answer>, errcode: number, text: string][] = [
  ['token: no appid', token({ secret: APP.secret, ...GRANT }), 41002, 'appid missing'],
  ['token: no secret', token({ appid: APP.appid, ...GRANT }), 41004, 'appsecret missing'],
  ['token: no grant_type', token(APP), 40002, 'invalid grant_type'],
  ['token: wrong grant_type', token({ ...APP, grant_type: 'x' }), 40002, 'invalid grant_type'],
  ['token: unknown appid', token({ ...APP, appid: 'wx0', ...GRANT }), 40013, 'invalid appid'],
  [
    'token: object property as appid',
    token({ ...APP, appid: '__proto__', ...GRANT }),
    40013,
    'invalid appid',
  ],
  ['token: wrong secret', token({ ...APP, secret: OTHER.secret, ...GRANT }), 40125, 'invalid appsecret'],

  ['stable: GET', () => h.get('/cgi-bin/stable_token', { ...APP, ...GRANT }), 43002, 'require POST method'],
  ['stable: PUT', stable({ ...APP, ...GRANT }, { method: 'PUT' }), 43002, 'require POST method'],
  ['stable: no body', stable(''), 44002, 'empty post data'],
  ['stable: malformed JSON', stable('{"appid":', JSON_TYPE), 47001, 'data format error'],
  ['stable: form', stable(`appid=${APP.appid}&secret=${APP.secret}`, FORM), 47001, 'data format error'],
  ['stable: array', stable([]), 47001, 'data format error'],
  [
    'stable: force_refresh no boolean',
    stable({ ...APP, ...GRANT, force_refresh: 1 }),
    47001,
    'data format error',
  ],
  ['stable: no appid', stable({ secret: APP.secret, ...GRANT }), 41002, 'appid missing'],
  ['stable: no secret', stable({ appid: APP.appid, ...GRANT }), 41004, 'appsecret missing'],
  ['stable: no grant_type', stable(APP), 40002, 'invalid grant_type'],
  ['stable: unknown appid', stable({ ...APP, appid: 'wx0', ...GRANT }), 40013, 'invalid appid'],
  ['stable: wrong secret', stable({ ...APP, secret: 'x', ...GRANT }), 40125, 'invalid appsecret'],

  ['login: no appid', login({ secret: APP.secret, ...LOGIN }), 41002, 'appid missing'],
  ['login: no secret', login({ appid: APP.appid, ...LOGIN }), 41004, 'appsecret missing'],
  ['login: wrong grant_type', login({ ...APP, ...LOGIN, ...GRANT }), 40002, 'invalid grant_type'],
  ['login: unknown appid', login({ ...APP, appid: 'wx0', ...LOGIN }), 40013, 'invalid appid'],
  ['login: wrong secret', login({ ...APP, secret: 'x', ...LOGIN }), 40125, 'invalid appsecret'],
  ['login: no js_code', login({ ...APP, grant_type: 'authorization_code' }), 41008, 'missing code'],
  ['login: unknown js_code', login({ ...APP, ...LOGIN }), 40029, 'invalid code'],

  [
    'phone: no token',
    () => h.post('/wxa/business/getuserphonenumber', { code: 'x' }),
    41001,
    'access_token missing',
  ],
  ['phone: empty token', () => h.phone('', { code: 'x' }), 41001, 'access_token missing'],
  ['phone: no token at all', () => h.phone('nonsense', { code: 'x' }), 40014, 'invalid access_token'],
  ['phone: unknown token', () => h.phone(UNKNOWN_TOKEN, { code: 'x' }), 40001, NOT_LATEST],
  ['phone: GET', phone('', GET), 43002, 'require POST method'],
  ['phone: no body', phone(''), 44002, 'empty post data'],
  ['phone: malformed JSON', phone('{"code":', JSON_TYPE), 47001, 'data format error'],
  ['phone: JSON null', phone('null', JSON_TYPE), 47001, 'data format error'],
  ['phone: form', phone('code=x', FORM), 47001, 'data format error'],
  ['phone: mistyped key', phone({ cod: 'x' }), 47001, 'data format error'],
  ['phone: code no string', phone({ code: 1 }), 47001, 'data format error'],
  ['phone: access_token in the body', phone({ code: 'x', access_token: 'y' }), 47001, 'data format error'],
  ['phone: too long', phone({ code: 'x'.repeat(200_000) }), 47001, 'data format error'],
  ['phone: undecodable', phone({ code: 'x' }, UNDECODABLE), 47001, 'data format error'],
  ['phone: unknown code', phone({ code: 'x' }), 40029, 'invalid code'],
]

test.each(rows)('%s', async (fact, request, errcode, text) => {
  const { status, type, body } = await request()
  expect({ status, type, errcode: body.errcode }).toEqual({
    status: 200,
    type: fact.startsWith('login') ? 'text/plain' : 'application/json',
    errcode,
  })
  expect(Object.keys(body)).toEqual(['errcode', 'errmsg'])
  const [message, rid] = body.errmsg.split(' rid: ')
  expect(message).toBe(text)
  expect(rid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}$/)
  expect(Number.parseInt(rid.slice(0, 8), 16)).toBe(START / 1000)
})

test('the rest of a rid differs from call to call', async () => {
  const rids = await Promise.all([1, 2, 3].map(async () => (await token({})()).body.errmsg.split('rid: ')[1]))
  expect(new Set(rids).size).toBe(3)
})

test('an unknown path is 404 with a small JSON body', async () => {
  expect(await h.get('/cgi-bin/unknown')).toMatchObject({
    status: 404,
    body: { error: expect.stringContaining('GET /cgi-bin/unknown') },
  })
})
