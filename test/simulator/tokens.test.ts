import { APP, type Harness, OTHER, START, startSimulator } from './harness.ts'

let h: Harness
beforeEach(async () => {
  h = await startSimulator()
})
afterEach(() => h.close())

/**
 * One step of a token's life, at a second of the test's clock. `get` and `stable` ask for a token: a name heard before
 * must be the same token again, a new name a new one. `use` names a token and what WeChat says to it.
 */
type Step =
  | { at: number; get: string }
  | { at: number; stable: string; force?: boolean; expiresIn?: number }
  | { at: number; use: string; errcode: number }

/** The code in `use` is nonsense: a good token gets as far as "invalid code". */
const GOOD = 40029

const rows: [fact: string, steps: Step[]][] = [
  [
    'token: a new one each time, the one before lives five more minutes',
    [
      { at: 0, get: 'a' },
      { at: 100, get: 'b' },
      { at: 399, use: 'a', errcode: GOOD },
      { at: 400, use: 'a', errcode: 40001 },
      { at: 7299, use: 'b', errcode: GOOD },
      { at: 7300, use: 'b', errcode: 42001 },
    ],
  ],
  [
    'token: the last but one dies at once',
    [
      { at: 0, get: 'a' },
      { at: 1, get: 'b' },
      { at: 2, get: 'c' },
      { at: 2, use: 'a', errcode: 40001 },
      { at: 2, use: 'b', errcode: GOOD },
      { at: 2, use: 'c', errcode: GOOD },
    ],
  ],
  [
    'an expired token stays expired when a new one comes',
    [
      { at: 0, get: 'a' },
      { at: 7200, get: 'b' },
      { at: 7200, use: 'a', errcode: 42001 },
    ],
  ],
  [
    'stable_token: the same until its last five minutes, then a new one, both valid for five minutes',
    [
      { at: 0, stable: 'a', expiresIn: 7200 },
      { at: 1000, stable: 'a', expiresIn: 6200 },
      { at: 6900, stable: 'a', expiresIn: 300 },
      { at: 6901, stable: 'b', expiresIn: 7200 },
      { at: 6902, stable: 'b', expiresIn: 7199 },
      { at: 7200, use: 'a', errcode: GOOD },
      { at: 7201, use: 'a', errcode: 42001 },
      { at: 7201, use: 'b', errcode: GOOD },
    ],
  ],
  [
    'force_refresh: a new token, the old one lives five more minutes',
    [
      { at: 0, stable: 'a' },
      { at: 10, stable: 'b', force: true, expiresIn: 7200 },
      { at: 11, stable: 'b' },
      { at: 309, use: 'a', errcode: GOOD },
      { at: 310, use: 'a', errcode: 40001 },
    ],
  ],
  [
    'force_refresh: two forced calls kill a leaked token',
    [
      { at: 0, stable: 'leaked' },
      { at: 10, stable: 'b', force: true },
      { at: 39, stable: 'b', force: true },
      { at: 39, use: 'leaked', errcode: GOOD },
      { at: 40, stable: 'c', force: true },
      { at: 40, use: 'leaked', errcode: 40001 },
      { at: 40, use: 'b', errcode: GOOD },
    ],
  ],
  [
    'the two kinds are isolated: neither replaces the other',
    [
      { at: 0, get: 'a' },
      { at: 0, stable: 'b' },
      { at: 1, stable: 'c', force: true },
      { at: 31, stable: 'd', force: true },
      { at: 31, use: 'a', errcode: GOOD },
      { at: 32, get: 'e' },
      { at: 33, get: 'f' },
      { at: 33, use: 'd', errcode: GOOD },
      { at: 34, stable: 'd' },
    ],
  ],
]

test.each(rows)('%s', async (_fact, steps) => {
  const start = h.clock.now
  const tokens: Record<string, string> = {}
  for (const step of steps) {
    h.clock.now = start + step.at * 1000
    if ('use' in step) {
      const { body } = await h.phone(tokens[step.use]!, { code: 'x' })
      expect([step, body.errcode]).toEqual([step, step.errcode])
      continue
    }
    const name = 'get' in step ? step.get : step.stable
    const answer = 'get' in step ? { access_token: await h.token() } : (await h.stable(step.force)).body
    if (name in tokens) expect([step, answer.access_token]).toEqual([step, tokens[name]])
    else expect(Object.values(tokens)).not.toContain(answer.access_token)
    if ('expiresIn' in step) expect([step, answer.expires_in]).toEqual([step, step.expiresIn])
    tokens[name] = answer.access_token
  }
})

test('success carries a token of at most 512 characters and its seconds, without errcode, as JSON', async () => {
  const query = { ...APP, grant_type: 'client_credential' }
  for (const answer of [await h.get('/cgi-bin/token', query), await h.stable()]) {
    expect(answer).toEqual({
      status: 200,
      type: 'application/json',
      body: { access_token: expect.stringMatching(/^[\w-]{100,512}$/), expires_in: 7200 },
    })
  }
})

test('force_refresh works 20 times a day, and again on the next day in Beijing', async () => {
  const seen = new Set<string>()
  const see = async (force: boolean) => seen.add((await h.stable(force)).body.access_token).size
  for (let count = 1; count <= 20; count += 1) {
    expect(await see(true)).toBe(count)
    h.clock.now += 30_000
  }
  expect(await see(true)).toBe(20)
  h.clock.now = START + 12 * 3_600_000 - 1 // a millisecond before midnight
  expect(await see(false)).toBe(21) // the 20th has expired meanwhile
  expect(await see(true)).toBe(21)
  h.clock.now += 1
  expect(await see(true)).toBe(22)
})

test('every app has its own tokens', async () => {
  const [a, b] = [await h.stable(), await h.stable(false, OTHER)]
  expect(a.body.access_token).not.toBe(b.body.access_token)
  const code = await h.phoneCode({ phone: '13800138000', appid: OTHER.appid })
  expect((await h.phone(b.body.access_token, { code })).body.phone_info.watermark.appid).toBe(OTHER.appid)
})

test('killTokens makes tokens of both kinds invalid, and stable_token gives another one', async () => {
  const dead = [await h.token(), (await h.stable()).body.access_token]
  h.simulator.killTokens()
  for (const token of dead) expect((await h.phone(token, { code: 'x' })).body.errcode).toBe(40001)
  const alive = (await h.stable()).body.access_token
  expect(dead).not.toContain(alive)
  expect((await h.phone(alive, { code: 'x' })).body.errcode).toBe(GOOD)
})

test('tokenLifeSeconds shortens what is announced and what is kept', async () => {
  await h.close()
  h = await startSimulator({ tokenLifeSeconds: 60 })
  const { access_token, expires_in } = (await h.stable()).body
  expect(expires_in).toBe(60)
  h.clock.now += 60_000
  expect((await h.phone(access_token, { code: 'x' })).body.errcode).toBe(42001)
})

test('a clock that ticks while a token is issued takes nothing from its announced life', async () => {
  await h.close()
  let now = START
  h = await startSimulator({ now: () => now++ })
  expect((await h.stable()).body.expires_in).toBe(7200)
  expect((await h.get('/cgi-bin/token', { ...APP, grant_type: 'client_credential' })).body.expires_in).toBe(
    7200,
  )
})
