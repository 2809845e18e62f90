import fc from 'fast-check'
import { ROUNDS } from '../support/rounds.ts'
import { APP, type Harness, startSimulator } from './harness.ts'

// Whatever is sent to the simulator: never a 5xx of its own, never a connection that ends in nothing, and afterwards it answers as before.

let h: Harness
beforeAll(async () => {
  h = await startSimulator()
})
afterAll(() => h.close())

const operations = async () => (await h.get('/')).body.control as string[]

/** Values that mean something somewhere, so that random bodies get past the first check. */
const likely = fc.constantFrom<unknown>(
  ...[
    '',
    'o1',
    '13800138000',
    '+85251234567',
    '86',
    APP.appid,
    'stable_token',
    '*',
    'token',
    'always',
    '__proto__',
  ],
  ...['127.0.0.1', '10.0.0.0/8', '::/0', 'getuserphonenumber', 'xml', '\ud800', '页面', 'x'.repeat(2_000)],
  ...[0, 1, -1, 0.5, 300, 1e308, 2 ** 53, true, false, null, {}, []],
)
const names = fc.constantFrom(
  ...[
    'openid',
    'unionid',
    'appid',
    'phone',
    'country_code',
    'realtime',
    'endpoint',
    'after',
    'times',
    'probability',
  ],
  ...['kind', 'stuck', 'advance_seconds', 'secret', 'allowed_ips', 'frozen', 'unauthorized', 'open_platform'],
  ...[
    'enforced',
    'limits',
    'token_day',
    'phone_taps',
    'hints',
    'country_code',
    'pages',
    'token_life_seconds',
  ],
  ...[
    'fault',
    'errcode',
    'errmsg',
    'status',
    'body',
    'content_type',
    'truncate',
    'tear',
    'phone_info',
    'without',
  ],
  ...['format', 'encrypted', 'spaced_keys', 'revoke_info', '__proto__', 'constructor'],
)
const value: fc.Arbitrary<unknown> = fc.letrec(tie => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    likely,
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(names, tie('value'), { maxKeys: 4 }),
    fc.jsonValue({ maxDepth: 1 }),
  ),
})).value
const body = fc.oneof(
  { weight: 6, arbitrary: fc.dictionary(names, value, { maxKeys: 5 }).map(given => JSON.stringify(given)) },
  { weight: 1, arbitrary: value.map(given => JSON.stringify(given)) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 50 }) },
)

/** The simulator answers, and a sign-in works as it should. */
async function isWell(): Promise<void> {
  h.simulator.control.reset()
  expect((await h.login(await h.loginCode({ openid: 'o1' }))).body.openid).toBe('o1')
}

test('random bodies for every control endpoint: an answer, 200 or 400', async () => {
  const all = await operations()
  expect(all.length).toBeGreaterThan(20)
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...all), body, value, async (operation, sent, parameter) => {
      const [method, path] = operation.split(' ') as [string, string]
      const query = encodeURI(JSON.stringify(parameter ?? 1).toWellFormed()).replaceAll('#', '')
      const answer =
        method === 'POST'
          ? await h.post(path, sent)
          : await h.get(path.replace(':id', encodeURIComponent(query)), { limit: query }, { method })
      expect([200, 400]).toContain(answer.status)
      if (answer.status === 400) expect(answer.body.error).toMatch(/\S/)
    }),
    { numRuns: ROUNDS * 100 },
  )
  await isWell()
})

const MS = fc.integer({ min: 0, max: 20 })
const fault = fc.oneof(
  fc.record({
    errcode: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
    errmsg: fc.string(),
    hint: fc.boolean(),
  }),
  fc.record({
    ...{
      status: fc.integer({ min: 200, max: 599 }),
      body: fc.oneof(fc.string(), fc.dictionary(names, value)),
    },
    content_type: fc.constantFrom('text/html', 'application/json', 'nonsense', 'a; b="', '/'),
  }),
  fc.record({ latency: MS }),
  fc.record({ hang: MS }),
  fc.record({ truncate: fc.oneof(fc.integer({ min: 0, max: 500 }), fc.constant(true)), tear: fc.boolean() }),
  fc.record({ huge: fc.integer({ min: 26, max: 200_000 }) }),
  fc.constant({ reset: true }),
  fc.constant({ empty: true }),
  fc.record({ phone_info: fc.dictionary(names, value), without: fc.array(names, { maxLength: 3 }) }),
)
const plan = fc.record({
  ...{ endpoint: fc.constantFrom('*', 'token', 'jscode2session', 'getuserphonenumber', 'getwxacodeunlimit') },
  ...{ fault, after: fc.boolean(), times: fc.oneof(fc.constant('always'), fc.integer({ min: 1, max: 3 })) },
  probability: fc.double({ min: 0, max: 1, noNaN: true }),
})

test('random faults in all ways of being called: no 5xx that was not asked for', async () => {
  const calls = [
    () => h.get('/cgi-bin/token', { ...APP, grant_type: 'client_credential' }),
    async () => h.login(await h.loginCode({ openid: 'o1' })),
    () => h.phone('x', { code: 'x' }),
    () => h.post('/cgi-bin/stable_token', '{'),
    () => h.qrcode('x', {}),
    () => h.get('/wxa/checksession', { openid: 'o1' }),
  ]
  await fc.assert(
    fc.asyncProperty(fc.array(plan, { minLength: 1, maxLength: 3 }), async plans => {
      h.simulator.control.reset()
      for (const each of plans) expect(await h.post('/faults', each)).toMatchObject({ status: 200 })
      const asked = plans.flatMap(({ fault }) => (fault && 'status' in fault ? [fault.status] : []))
      for (const call of calls) {
        const answer = await call().catch((error: Error) => ({ torn: error.message }))
        // What is torn or reset is an error of the sender's; anything else is an answer.
        if ('torn' in answer) expect(answer.torn).toMatch(/fetch failed|terminated/)
        else expect([200, ...asked]).toContain(answer.status)
      }
      expect((await h.get('/faults')).status).toBe(200)
      expect((await h.get('/calls')).body.calls).toHaveLength(calls.length)
    }),
    { numRuns: ROUNDS * 20 },
  )
  await isWell()
})
