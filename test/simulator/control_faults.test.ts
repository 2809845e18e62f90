import type { Fault } from '../../src/simulator/index.ts'
import { APP, type Harness, OTHER, startSimulator } from './harness.ts'

// POST /faults: which calls a fault befalls, and what is refused. What each kind does: faults.test.ts and document.test.ts.

const MOBILE = { phone: '13800138000' }
const BUSY = { errcode: -1 }

let h: Harness
/** What the dice show next. */
let dice: number[]
beforeEach(async () => {
  dice = []
  h = await startSimulator({ random: () => dice.shift() ?? 0.5 })
})
afterEach(() => h.close())

const plan = (body: object) => h.post('/faults', { endpoint: 'jscode2session', fault: BUSY, ...body })
/** What so many sign-ins with nonsense come to: 40029 is the usual answer. */
async function logins(count: number, app = APP): Promise<number[]> {
  const errcodes: number[] = []
  for (let made = 0; made < count; made += 1) errcodes.push((await h.login('x', app)).body.errcode)
  return errcodes
}

test('a number of times', async () => {
  await plan({ times: 2 })
  expect(await logins(3)).toEqual([-1, -1, 40029])
})

test('always, until it is removed', async () => {
  const { id } = (await plan({ times: 'always' })).body
  expect(await logins(2)).toEqual([-1, -1])
  expect((await h.get('/faults')).body.faults).toMatchObject([{ id, times: 'always', struck: 2 }])
  expect((await h.get(`/faults/${id}`, {}, { method: 'DELETE' })).body).toEqual({ removed: 1 })
  expect(await logins(1)).toEqual([40029])
  expect((await h.get(`/faults/${id}`, {}, { method: 'DELETE' })).body.error).toContain(
    `there is no fault ${id}`,
  )
})

test('those with a number of times come before those that stay', async () => {
  await plan({ times: 'always' })
  await plan({ fault: { errcode: 45011 } })
  expect(await logins(2)).toEqual([45011, -1])
})

test('by the dice', async () => {
  dice = [0.09, 0.1, 0.99]
  await plan({ times: 'always', probability: 0.1 })
  expect(await logins(3)).toEqual([-1, 40029, 40029])
})

test('a probability of 0 never comes', async () => {
  dice = [0]
  await plan({ times: 'always', probability: 0 })
  expect(await logins(1)).toEqual([40029])
})

test('every endpoint', async () => {
  await plan({ endpoint: '*', times: 2 })
  expect((await h.stable()).body.errcode).toBe(-1)
  expect(await logins(2)).toEqual([-1, 40029])
})

test('of one app, whether it is named in the query, in the body or by its token', async () => {
  const [mine, theirs] = [await h.token(), await h.token(OTHER)]
  await plan({ endpoint: '*', appid: OTHER.appid, times: 'always' })
  expect([await logins(1), await logins(1, OTHER)]).toEqual([[40029], [-1]])
  expect((await h.stable()).body.errcode).toBeUndefined()
  expect((await h.stable(false, OTHER)).body.errcode).toBe(-1)
  const code = await h.phoneCode(MOBILE)
  expect((await h.phone(theirs, { code })).body.errcode).toBe(-1)
  expect((await h.phone(mine, { code })).body.errcode).toBe(0)
  expect((await h.post('/cgi-bin/stable_token', 'null')).body.errcode).toBe(47001)
  expect((await h.post('/cgi-bin/stable_token', { appid: 1 })).body.errcode).toBe(47001)
})

test('failNext is the same list', async () => {
  h.simulator.failNext('*', { status: 503, body: 'x', contentType: 'text/plain' }, { times: Infinity })
  h.simulator.failNext('token', { phoneInfo: { countryCode: 86, watermark: undefined } }, { after: true })
  expect((await h.get('/faults')).body.faults).toMatchObject([
    { endpoint: '*', times: 'always', fault: { status: 503, body: 'x', content_type: 'text/plain' } },
    {
      endpoint: 'token',
      times: 1,
      after: true,
      fault: { phone_info: { countryCode: 86 }, without: ['watermark'] },
    },
  ])
  h.simulator.control.clearFaults()
  expect(h.simulator.control.faults()).toEqual({ faults: [] })
})

/** The same answer, with the code spent or not. */
async function phoneAfter(fault: object, more: object = {}) {
  const [token, code] = [await h.token(), await h.phoneCode(MOBILE)]
  await h.post('/faults', { endpoint: 'getuserphonenumber', fault, ...more })
  const first = await h.phone(token, { code }).catch((error: Error) => error.name)
  return { first, second: (await h.phone(token, { code })).body.errcode }
}

test.each<[fact: string, fault: object, first: object, second: number]>([
  [
    'half of the answer',
    { truncate: true },
    { body: expect.stringMatching(/^\{"errcode":0,.*[^}]$/) },
    40029,
  ],
  ['nothing of it', { truncate: 0 }, { body: '' }, 40029],
  ['more of it than there is', { truncate: 100_000 }, { body: { errcode: 0 } }, 40029],
  ['an empty answer', { empty: true }, { status: 200, type: 'application/json', body: '' }, 0],
  [
    'a text of another type',
    { status: 500, body: 'no', content_type: 'text/x' },
    { type: 'text/x', body: 'no' },
    0,
  ],
  ['a list', { status: 404, body: [1] }, { status: 404, body: [1] }, 0],
  [
    'a hint',
    { errcode: 40029, hint: true },
    { body: { errmsg: expect.stringMatching(/ hint: \[\S{8}\] rid: /) } },
    0,
  ],
  ['no watermark', { phone_info: {}, without: ['watermark'] }, { body: { errcode: 0 } }, 40029],
])('%s', async (_fact, fault, first, second) => {
  const answers = await phoneAfter(fault)
  expect(answers.first).toMatchObject(first)
  expect(answers.second).toBe(second)
})

test('an answer that is torn in the middle has spent the code', async () => {
  expect(await phoneAfter({ truncate: 10, tear: true })).toEqual({ first: 'TypeError', second: 40029 })
  expect(await phoneAfter({ truncate: 100_000, tear: true })).toEqual({ first: 'TypeError', second: 40029 })
})

test('huge answers are as long as was said, and stop when nobody reads them', async () => {
  const ask = () => h.login('x', APP)
  for (const huge of [26, 1_000_001]) {
    await plan({ fault: { huge } })
    expect(Buffer.byteLength(JSON.stringify((await ask()).body))).toBe(huge)
  }
  await plan({ fault: { huge: 1_000_000_000 } })
  const gone = new AbortController()
  const response = await fetch(`${h.base}/sns/jscode2session`, { signal: gone.signal })
  await response.body!.getReader().read()
  gone.abort()
  expect(await logins(1)).toEqual([40029])
})

/** Signs in, and leaves as soon as WeChat has heard of it. */
async function leave(code: string): Promise<void> {
  const gone = new AbortController()
  const left = h.login(code, APP, { signal: gone.signal }).catch((error: Error) => error.name)
  while (h.simulator.calls.length === 0) await new Promise(resolve => setTimeout(resolve, 5))
  gone.abort()
  expect(await left).toBe('AbortError')
}

test('latency: whoever leaves meanwhile has spent his code all the same', async () => {
  const code = await h.loginCode({ openid: 'o1' })
  await plan({ fault: { latency: 300 } })
  await leave(code)
  while (h.simulator.calls[0]!.ms === null) await new Promise(resolve => setTimeout(resolve, 10))
  expect((await h.login(code)).body.errcode).toBe(40163)
  expect(h.simulator.calls[0]).toMatchObject({ fault: 'latency', errcode: 0 })
})

test('a hang without an end ends with its sender', async () => {
  const code = await h.loginCode({ openid: 'o1' })
  await plan({ fault: { hang: true } })
  await leave(code)
  while (h.simulator.calls[0]!.ms === null) await new Promise(resolve => setTimeout(resolve, 10))
  expect((await h.login(code)).body.openid).toBe('o1')
})

test.each<[fact: string, body: object, error: string]>([
  ['no endpoint', { endpoint: undefined }, 'endpoint: '],
  ['an endpoint that is none', { endpoint: 'getPhoneNumber' }, 'getuserphonenumber'],
  ['no fault', { fault: undefined }, 'exactly one of errcode, status, latency, hang, reset'],
  ['a fault that is none', { fault: 'reset' }, 'exactly one of'],
  ['two faults', { fault: { errcode: -1, reset: true } }, 'exactly one of'],
  ['a mistyped member', { fault: { errcode: -1, message: 'x' } }, 'fault: Unrecognized key: "message"'],
  ['an errcode in a text', { fault: { errcode: '-1' } }, 'fault: errcode: '],
  ['a status that is none', { fault: { status: 101 } }, 'fault: status: '],
  [
    'a content type with a line break',
    { fault: { status: 200, content_type: 'a\r\nb: c' } },
    'must be a content type',
  ],
  ['a day of latency', { fault: { latency: 86_400_000 } }, 'fault: latency: '],
  ['reset: false', { fault: { reset: false } }, 'fault: reset: '],
  ['too much', { fault: { huge: 2_000_000_000 } }, 'fault: huge: '],
  ['never', { times: 0 }, 'times: '],
  ['a percentage', { probability: 10 }, 'probability: '],
  ['an unknown app', { appid: 'wx0' }, 'knows only'],
])('%s is 400 and says what helps', async (_fact, body, error) => {
  const answer = await plan(body)
  expect(answer.status).toBe(400)
  expect(answer.body.error).toContain(error)
  expect(answer.body.error).toContain('POST /faults takes JSON {')
  expect((await h.get('/faults')).body.faults).toEqual([])
})

test('a thousand faults are enough', async () => {
  for (let count = 0; count < 1_000; count += 1) h.simulator.failNext('token', BUSY as Fault)
  expect((await plan({})).body.error).toContain('DELETE /faults removes them')
})
