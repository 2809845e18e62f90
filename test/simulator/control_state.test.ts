import { APP, type Harness, OTHER, START, startSimulator } from './harness.ts'

// Tokens, clock, apps, quotas, settings, calls and reset: what can be done from outside to what WeChat knows.

let h: Harness
beforeEach(async () => {
  h = await startSimulator()
})
afterEach(() => h.close())

const MOBILE = { phone: '13800138000' }
const use = async (token: string) => (await h.phone(token, { code: 'x' })).body.errcode
const stableToken = async (force = false) => (await h.stable(force)).body.access_token as string

/** A token of each kind of each app. */
async function four() {
  return {
    [`token ${APP.appid}`]: await h.token(),
    [`stable_token ${APP.appid}`]: await stableToken(),
    [`token ${OTHER.appid}`]: await h.token(OTHER),
    [`stable_token ${OTHER.appid}`]: (await h.stable(false, OTHER)).body.access_token as string,
  }
}

test.each([
  ['kill', 40001],
  ['expire', 42001],
] as const)('tokens/%s: all, those of an app, those of a kind', async (verb, errcode) => {
  for (const which of [
    {},
    { appid: OTHER.appid },
    { kind: 'token' },
    { kind: 'stable_token', appid: APP.appid },
  ]) {
    await h.post('/reset', {})
    const tokens = Object.entries(await four())
    const { body } = await h.post(`/tokens/${verb}`, which)
    const expected = tokens.filter(([name]) =>
      Object.values(which).every(part => name.split(' ').includes(part)),
    )
    expect(Object.values(body)).toEqual([expected.length])
    const ended = []
    for (const [name, token] of tokens) if ((await use(token)) === errcode) ended.push(name)
    expect(ended).toEqual(expected.map(([name]) => name))
    expect(Object.values((await h.post(`/tokens/${verb}`, which)).body)).toEqual([0])
    const next = await four()
    for (const [name, token] of expected) expect(next[name]).not.toBe(token)
  }
})

test('a stuck stable_token is given out dead until force_refresh, and no longer', async () => {
  const dead = await stableToken()
  h.simulator.killTokens({ stuck: true })
  expect([await stableToken(), await use(dead)]).toEqual([dead, 40001])
  h.clock.now += 60_000
  expect((await h.stable()).body).toEqual({ access_token: dead, expires_in: 7140 })
  const forced = await stableToken(true)
  expect([await use(forced), await use(dead), await stableToken()]).toEqual([40029, 40001, forced])
})

test('a stuck stable_token goes when its announced time is over', async () => {
  const dead = await stableToken()
  await h.post('/tokens/kill', { stuck: true })
  h.clock.now += 7_200_000 - 300_000 + 1
  expect(await use(await stableToken())).toBe(40029)
  expect(await use(dead)).toBe(40001)
})

test('whoever forces too soon stays with the dead token', async () => {
  const first = await stableToken(true)
  await h.post('/tokens/kill', { stuck: true })
  h.clock.now += 29_999
  expect(await stableToken(true)).toBe(first)
  h.clock.now += 1
  expect(await use(await stableToken(true))).toBe(40029)
})

test('the clock: codes and tokens end by it, and it goes forward only', async () => {
  const [code, token] = [await h.loginCode({ openid: 'o1' }), await h.token()]
  expect((await h.post('/clock', { advance_seconds: 7200 })).body).toEqual({
    ...{ now: new Date(START + 7_200_000).toISOString(), ahead_seconds: 7200 },
  })
  expect([(await h.login(code)).body.errcode, await use(token)]).toEqual([40029, 42001])
  h.clock.now += 1_000
  expect((await h.get('/clock')).body.now).toBe(new Date(START + 7_201_000).toISOString())
  expect((await h.post('/clock', { advance_seconds: -1 })).status).toBe(400)
  await h.post('/clock', { advance_seconds: 315_360_000 - 7200 })
  expect((await h.post('/clock', { advance_seconds: 1 })).body.error).toContain('POST /reset sets it right')
  await h.post('/reset', {})
  expect((await h.get('/clock')).body).toEqual({
    now: new Date(START + 1_000).toISOString(),
    ahead_seconds: 0,
  })
})

const NEW = { appid: 'wx00000000000000cc', secret: 'c'.repeat(32) }

test('a new app is one, and what is not said of a known one stays', async () => {
  expect((await h.stable(false, NEW)).body.errcode).toBe(40013)
  await h.post('/apps', { ...NEW, frozen: true })
  expect((await h.stable(false, NEW)).body.errcode).toBe(40243)
  const { status, body } = await h.post('/apps', { appid: NEW.appid, unauthorized: ['getwxacodeunlimit'] })
  expect({ status, body }).toEqual({
    status: 200,
    body: {
      ...{ appid: NEW.appid, allowed_ips: null, frozen: true },
      ...{ unauthorized: ['getwxacodeunlimit'], open_platform: true },
    },
  })
  const { apps } = (await h.get('/apps')).body
  expect(apps.map(({ appid }: { appid: string }) => appid)).toEqual([APP.appid, OTHER.appid, NEW.appid])
  expect(JSON.stringify(apps)).not.toContain(NEW.secret)
  await h.post('/apps', { appid: NEW.appid, frozen: false, secret: 'another' })
  expect((await h.stable(false, NEW)).body.errcode).toBe(40125)
  expect((await h.stable(false, { ...NEW, secret: 'another' })).body.expires_in).toBe(7200)
})

test.each<[allowed: string[], isAllowed: boolean]>([
  [['127.0.0.1'], true],
  [['203.0.113.1', '127.0.0.0/8'], true],
  [['0.0.0.0/0'], true],
  [['127.0.0.2', '::1', '2001:db8::/32'], false],
  [[], false],
])('addresses allowed: %j', async (allowed_ips, isAllowed) => {
  await h.post('/apps', { appid: APP.appid, allowed_ips })
  expect((await h.stable()).body.errcode).toBe(isAllowed ? undefined : 40164)
  await h.post('/apps', { appid: APP.appid, allowed_ips: null })
  expect((await h.stable()).body.errcode).toBeUndefined()
})

test('quotas: off, changed, and what is used by whom', async () => {
  const { body } = await h.post('/quotas', { limits: { stable_token_minute: 1, phone_taps: 0 } })
  expect(body.limits).toMatchObject({ stable_token_minute: 1, stable_token_day: 500_000, phone_taps: 0 })
  const ask = async () => (await h.stable()).body.errcode
  expect([await ask(), await ask()]).toEqual([undefined, 45011])
  await h.post('/quotas', { enforced: false })
  expect([await ask(), (await h.post('/phone-codes', MOBILE)).status]).toEqual([undefined, 200])
  await h.post('/quotas', { enforced: true, limits: { stable_token_minute: null } })
  expect(await ask()).toBeUndefined()
  for (const openid of ['o1', 'o2', 'o2']) await h.login(await h.loginCode({ openid }))
  expect((await h.get('/quotas')).body.apps).toMatchObject([
    {
      appid: APP.appid,
      used: {
        ...{ token_day: 0, stable_token_minute: 3, stable_token_day: 3, jscode2session_user_minute: 2 },
        phone_taps: { taps: 1, exchanged: 0, charged: 0, cost_cny: 0 },
      },
    },
    { appid: OTHER.appid, used: { stable_token_minute: 0 } },
  ])
})

test('without quotas from the start', async () => {
  const free = await startSimulator({ quotas: false })
  try {
    await free.post('/quotas', { limits: { token_day: 0 } })
    expect(await free.token()).toMatch(/^86_/)
    expect((await free.get('/quotas')).body.enforced).toBe(false)
  } finally {
    await free.close()
  }
})

test('settings are shown, and hold for what comes after', async () => {
  await h.post('/settings', { token_life_seconds: 600 })
  expect((await h.stable()).body.expires_in).toBe(600)
  expect((await h.get('/settings')).body).toMatchObject({ token_life_seconds: 600, hints: false })
})

test('calls: the last ones, of one endpoint, and never what is secret', async () => {
  const code = await h.loginCode({ openid: 'o1' })
  const { session_key } = (await h.login(code)).body
  const token = await h.token()
  await h.phone(token, { code: await h.phoneCode(MOBILE) })
  const { body } = await h.get('/calls', { limit: '2' })
  expect(body).toEqual({
    counts: expect.objectContaining({ jscode2session: 1, token: 1, getuserphonenumber: 1, stable_token: 0 }),
    calls: ['token', 'getuserphonenumber'].map(endpoint => ({
      ...{ at: new Date(START).toISOString(), endpoint, appid: APP.appid },
      ...{ errcode: 0, ms: expect.any(Number), fault: null },
    })),
  })
  const all = JSON.stringify((await h.get('/calls')).body)
  for (const hidden of [code, token, session_key, APP.secret, 'o1', '138']) expect(all).not.toContain(hidden)
  expect((await h.get('/calls', { endpoint: 'token' })).body.calls).toHaveLength(1)
  expect((await h.get('/calls', {}, { method: 'DELETE' })).body).toEqual({ forgotten: 3 })
  expect([h.simulator.calls.length, h.simulator.callCounts.token]).toEqual([0, 0])
})

test('reset brings everything back to the start', async () => {
  const shown = async () => {
    const paths = ['/apps', '/faults', '/quotas', '/settings', '/calls', '/clock']
    return Promise.all(paths.map(async path => (await h.get(path)).body))
  }
  const start = await shown()
  const [code, phone] = [await h.loginCode({ openid: 'o1' }), await h.phoneCode(MOBILE)]
  const token = await h.token()
  await h.post('/apps', { ...NEW })
  await h.post('/apps', { appid: APP.appid, frozen: true, secret: 'x' })
  await h.post('/faults', { endpoint: 'token', fault: { reset: true } })
  await h.post('/quotas', { enforced: false, limits: { phone_taps: 0 } })
  await h.post('/settings', { hints: true })
  await h.post('/clock', { advance_seconds: 10 })
  await h.post('/push-config', { token: 'AAAAA', url: 'http://127.0.0.1:9/' })
  const { calls } = h.simulator
  expect((await h.post('/reset', '')).body).toEqual({ reset: true })
  expect(await shown()).toEqual(start)
  expect(h.simulator.calls).toBe(calls)
  expect((await h.login(code)).body.errcode).toBe(40029)
  expect([await use(token), await h.phone(await h.token(), { code: phone })]).toMatchObject([
    40001,
    { body: { errcode: 40029 } },
  ])
  expect((await h.post('/push-checks', '')).body.error).toContain('POST /push-config')
})

const refused: [fact: string, path: string, body: unknown, error: string][] = [
  ['another kind', '/tokens/kill', { kind: 'access_token' }, 'kind: '],
  ['stuck for token', '/tokens/kill', { kind: 'token', stuck: true }, 'only a stable_token'],
  ['an unknown app', '/tokens/kill', { appid: 'wx0' }, 'knows only'],
  ['an unknown app', '/tokens/expire', { appid: 'wx0' }, 'knows only'],
  ['a list', '/tokens/expire', [], 'the body must be a JSON object'],
  ['no seconds', '/clock', {}, 'advance_seconds: '],
  ['no secret for a new app', '/apps', { appid: 'wx1' }, 'the app is new, and needs one'],
  ['a space in the appid', '/apps', { appid: 'wx 1', secret: 'x' }, 'appid: must be letters'],
  ['no address', '/apps', { appid: APP.appid, allowed_ips: ['example.com'] }, 'must be an IP address'],
  [
    'a network too small',
    '/apps',
    { appid: APP.appid, allowed_ips: ['10.0.0.0/33'] },
    'must be an IP address',
  ],
  ['an endpoint that is none', '/apps', { appid: APP.appid, unauthorized: ['x'] }, 'unauthorized: '],
  ['a limit that is none', '/quotas', { limits: { calls: 1 } }, 'limits: Unrecognized key: "calls"'],
  ['less than nothing', '/quotas', { limits: { token_day: -1 } }, 'limits: token_day: '],
  ['another errcode', '/settings', { other_app_errcode: 40163 }, 'must be 40029 or 40013'],
  ['a longer life than any', '/settings', { token_life_seconds: 7201 }, 'token_life_seconds: '],
  ['a mistyped setting', '/settings', { hint: true }, '"hint"'],
  ['something for nothing', '/reset', { all: true }, '"all"'],
  ['a short token', '/push-config', { token: 'AA' }, 'token: must be 3 to 32 letters'],
  ['a short key', '/push-config', { token: 'AAAAA', aes_key: 'x' }, 'must be an EncodingAESKey'],
]

test.each(refused)('%s on %s is 400 and says what helps', async (_fact, path, body, error) => {
  const answer = await h.post(path, body)
  expect(answer).toMatchObject({ status: 400, body: { error: expect.stringContaining(error) } })
  expect(answer.body.error).toContain(`POST ${path} takes `)
})

test('a function in the process refuses the same with the same words', () => {
  const { control } = h.simulator
  expect(() => control.loginCode({} as { openid: string })).toThrow('openid: ')
  expect(() => control.killTokens({ kind: 'token', stuck: true })).toThrow('only a stable_token')
  expect(control.killTokens()).toEqual({ killed: 0 })
})

test('what is not there is 404 and says what is', async () => {
  const nothing = await h.get('/wxa/msg_sec_check')
  expect(nothing.status).toBe(404)
  expect(nothing.body.error).toContain('no GET /wxa/msg_sec_check')
  expect(nothing.body.endpoints).toContain('POST /wxa/business/getuserphonenumber')
  expect((await h.get('/login-codes')).body.error).toContain('no GET /login-codes, but POST /login-codes')
  expect((await h.post('/sns/jscode2session', '')).body.error).toContain('but GET /sns/jscode2session')
  expect(await h.get('/faults/%ff', {}, { method: 'DELETE' })).toMatchObject({
    status: 400,
    body: { error: expect.any(String) },
  })
})
