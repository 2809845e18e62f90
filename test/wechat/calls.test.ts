import { readFile } from 'node:fs/promises'
import fc from 'fast-check'
import { AppError } from '../../src/errors.ts'
import { createCalls, mayAskAgain, RETRIES } from '../../src/wechat/calls.ts'
import { fromErrcode } from '../../src/wechat/errcodes.ts'
import { type Ask, ENDPOINTS, type Endpoint, type Request, Unanswered } from '../../src/wechat/http.ts'
import { failure } from './harness.ts'

const request = (endpoint: Endpoint, signal = new AbortController().signal): Request => ({
  appid: 'wx00000000000000aa',
  endpoint,
  method: 'POST',
  url: 'http://wechat.test',
  signal,
})
const unanswered = (reason: string) =>
  new AppError('wechat_unavailable', { cause: new Unanswered('jscode2session', reason) })
/** Answers after some failures; how often it was asked. */
function failing(failures: AppError[]) {
  const seen = { asked: 0 }
  const once = (async () => {
    const error = failures[seen.asked++]
    if (error) throw error
    return { ok: true }
  }) as unknown as Ask
  return { once, seen }
}
const limits = { calls: 100, queue: 100 }
const codes = ENDPOINTS.filter(endpoint => RETRIES[endpoint] === 'unsent')
const others = ENDPOINTS.filter(endpoint => RETRIES[endpoint] === 'harmless')

test('the interfaces whose requests are not repeated take a code, or nobody knows what', () => {
  expect(codes).toEqual(['jscode2session', 'getuserphonenumber', 'other'])
})

describe.each(ENDPOINTS)('%s', endpoint => {
  test.each(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'ECONNECTTIMEOUT'])(
    'is asked again after %s: nothing was sent',
    async reason => {
      const { once, seen } = failing([unanswered(reason)])
      expect(await createCalls(once, limits).ask(request(endpoint))).toEqual({ ok: true })
      expect(seen.asked).toBe(2)
    },
  )

  test('is asked three times at most', async () => {
    const { once, seen } = failing(Array(9).fill(unanswered('ECONNREFUSED')))
    expect((await failure(createCalls(once, limits).ask(request(endpoint)))).code).toBe('wechat_unavailable')
    expect(seen.asked).toBe(3)
  })

  test('is not asked again once the time is up', async () => {
    const limit = new AbortController()
    const { once, seen } = failing(Array(9).fill(unanswered('ECONNREFUSED')))
    const late = new AppError('wechat_unavailable')
    setTimeout(() => limit.abort(late), 20)
    expect(await failure(createCalls(once, limits).ask(request(endpoint, limit.signal)))).toBe(late)
    expect(seen.asked).toBe(1)
  })
})

const passing = [unanswered('ECONNRESET'), unanswered('HTTP 502'), fromErrcode(-1, 'system error')]
const lasting = [
  unanswered('timeout'),
  unanswered('nonsense'),
  unanswered('HTTP 404'),
  unanswered('max-size'),
  fromErrcode(45009, ''),
  fromErrcode(45011, ''),
  fromErrcode(40001, ''),
  fromErrcode(40029, ''),
  fromErrcode(40164, ''),
]
const named = (errors: AppError[]) =>
  errors.map(
    error =>
      [String((error.cause as Unanswered | undefined)?.reason ?? error.wechat?.errcode), error] as const,
  )

test.each(codes.flatMap(endpoint => named([...passing, ...lasting]).map(row => [endpoint, ...row] as const)))(
  '%s is asked once after %s: the code may be spent',
  async (endpoint, _name, error) => {
    const { once, seen } = failing([error])
    expect(await failure(createCalls(once, limits).ask(request(endpoint)))).toBe(error)
    expect(seen.asked).toBe(1)
  },
)
test.each(others.flatMap(endpoint => named(passing).map(row => [endpoint, ...row] as const)))(
  '%s is asked again after %s',
  async (endpoint, _name, error) => {
    expect(mayAskAgain({ endpoint }, error)).toBe(true)
  },
)
test.each(others.flatMap(endpoint => named(lasting).map(row => [endpoint, ...row] as const)))(
  '%s is asked once after %s',
  async (endpoint, _name, error) => {
    expect(mayAskAgain({ endpoint }, error)).toBe(false)
  },
)

test('a request that WeChat counts is asked again only where it was not sent', async () => {
  const counted = { ...request('stable_token'), isCounted: true }
  for (const [failed, asked] of [
    ...passing.map(error => [error, 1] as const),
    [unanswered('ECONNREFUSED'), 2] as const,
  ]) {
    const { once, seen } = failing([failed])
    await createCalls(once, limits)
      .ask(counted)
      .catch(() => {})
    expect([failed, seen.asked]).toEqual([failed, asked])
  }
})

test('an app whose calls hang keeps no other app waiting', async () => {
  const { bounded, load } = createCalls(failing([]).once, { calls: 1, queue: 1 })
  const hang = Promise.withResolvers<void>()
  const hanging = [1, 2].map(() => bounded('wx-a', 'getuserphonenumber', () => hang.promise))
  const refused = await failure(bounded('wx-a', 'getuserphonenumber', async () => {}))
  expect(refused.code).toBe('wechat_unavailable')
  expect(await bounded('wx-b', 'getuserphonenumber', async () => 'done')).toBe('done')
  expect(load().getuserphonenumber).toEqual({ inFlight: 1, queued: 1 })
  hang.resolve()
  await Promise.all(hanging)
})

test('at any moment so many calls at most are in flight and so many wait, and none is forgotten', async () => {
  const scenario = fc.record({
    calls: fc.integer({ min: 1, max: 5 }),
    queue: fc.integer({ min: 1, max: 5 }),
    steps: fc.array(fc.boolean(), { maxLength: 60 }),
  })
  await fc.assert(
    fc.asyncProperty(scenario, async ({ calls, queue, steps }) => {
      const refused: Endpoint[] = []
      const { bounded, load } = createCalls(failing([]).once, { calls, queue }, endpoint =>
        refused.push(endpoint),
      )
      const running: (() => void)[] = []
      const all: Promise<unknown>[] = []
      const outcomes: string[] = []
      let begun = 0
      for (const isNew of steps) {
        if (isNew) {
          const work = () => new Promise<void>(resolve => running.push(resolve)).then(() => 'done')
          all.push(
            bounded('wx', 'getuserphonenumber', () => {
              begun++
              return work()
            }).then(
              outcome => outcomes.push(outcome),
              (error: AppError) => outcomes.push(`${error.code} ${error.retryAfter}`),
            ),
          )
        } else running.shift()?.()
        await new Promise(setImmediate)
        const { inFlight, queued } = load().getuserphonenumber
        expect(inFlight).toBeLessThanOrEqual(calls)
        expect(queued).toBeLessThanOrEqual(queue)
        expect(load().jscode2session).toEqual({ inFlight: 0, queued: 0 })
      }
      while (outcomes.length < all.length) {
        running.shift()?.()
        await new Promise(setImmediate)
      }
      expect(outcomes.filter(outcome => outcome === 'done')).toHaveLength(begun)
      expect(outcomes.filter(outcome => outcome === 'wechat_unavailable 2')).toHaveLength(refused.length)
      expect(begun + refused.length).toBe(all.length)
    }),
    { numRuns: 50 },
  )
})

test('docs/wechat.md says the same of every interface', async () => {
  const text = await readFile('docs/wechat.md', 'utf8')
  const rows = [...text.matchAll(/^\| `(\w+)` \| (\w+) \|/gm)].map(([, endpoint, rule]) => [endpoint, rule])
  expect(Object.fromEntries(rows)).toEqual(RETRIES)
})
