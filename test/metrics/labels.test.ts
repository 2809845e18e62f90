import fc from 'fast-check'
import { parseConfig } from '../../src/config.ts'
import type { Database } from '../../src/db/database.ts'
import { createLog } from '../../src/log.ts'
import { definitionOf, type Name, names, PREFIX } from '../../src/metrics/catalogue.ts'
import { errcodeOf, routeOf } from '../../src/metrics/labels.ts'
import { createMetrics } from '../../src/metrics/metrics.ts'
import { ENDPOINTS } from '../../src/wechat/http.ts'
import { parse } from './samples.ts'

// WeChat, its network and callers say what they want; how many series there are is not theirs to say.

const APPID = 'wx0123456789abcdef'
const config = parseConfig({ JWT_SECRET: 'x'.repeat(32), WECHAT_APPS: JSON.stringify({ [APPID]: 'secret' }) })
/** No database: what it says of itself is not looked at here. */
const away: Database = {
  pool: {} as Database['pool'],
  one: () => Promise.reject(new Error('away')),
  all: () => Promise.reject(new Error('away')),
  close: async () => {},
}
const create = () =>
  createMetrics({ config, db: away, log: createLog('silent'), pace: { answerMs: 0, databaseMs: 0 } })

/** What a metric's labels say that they may not. */
function strays(samples: ReturnType<typeof parse>) {
  const allowed = (name: string, label: string, value: string) => {
    const metric = names.find(known => name.replace(PREFIX, '').replace(/_(bucket|sum|count)$/, '') === known)
    if (metric === undefined) return !name.startsWith(PREFIX)
    const values = definitionOf(metric as Name).labels[label]
    if (values === 'appids') return [...Object.keys(config.wechat.apps), 'other'].includes(value)
    return values === undefined ? label === 'le' : values === 'version' || values.includes(value)
  }
  return samples.flatMap(({ name, labels }) =>
    Object.entries(labels)
      .filter(([label, value]) => !allowed(name, label, value))
      .map(([label, value]) => `${name} ${label} ${value}`),
  )
}

const call = fc.record({
  appid: fc.oneof(fc.constant(APPID), fc.string()),
  endpoint: fc.constantFrom(...ENDPOINTS),
  errcode: fc.oneof(
    fc.constant(null),
    fc.integer(),
    fc.integer({ min: 89400, max: 89700 }),
    fc.constantFrom(0, 40029),
  ),
  reason: fc.oneof(
    fc.string(),
    fc.constantFrom('timeout', 'HTTP 502', 'HTTP 999', 'CERT_HAS_EXPIRED', '__proto__'),
  ),
  ms: fc.nat(),
})

test('whatever WeChat answers, labels say what is in the lists and nothing else', () =>
  fc.assert(
    fc.asyncProperty(fc.array(call, { maxLength: 50 }), async calls => {
      const metrics = create()
      for (const told of calls) metrics.apiCall(told)
      const samples = parse(await metrics.scrape())
      expect(strays(samples)).toEqual([])
      const answers = samples.filter(({ name }) => name === `${PREFIX}api_answers_total`)
      expect(answers.reduce((sum, { value }) => sum + value, 0)).toBe(calls.length)
    }),
    { numRuns: 50 },
  ))

test('a flood of errcodes makes no more series than there are in the list', async () => {
  const metrics = create()
  for (let errcode = -5_000; errcode < 100_000; errcode += 1)
    metrics.apiCall({ appid: APPID, endpoint: 'token', errcode, ms: 1 })
  for (let n = 0; n < 5_000; n++)
    metrics.apiCall({ appid: `wx${n}`, endpoint: 'token', errcode: null, reason: `E${n}`, ms: 1 })
  const { length } = parse(await metrics.scrape()).filter(({ name }) => name === `${PREFIX}api_answers_total`)
  expect(length).toBeLessThan(140)
})

test.each([
  [0, '', '0'],
  [40029, '', '40029'],
  [40164, '', '40164'],
  [-1, '', '-1'],
  [89503, '', '895xx'],
  [89600, '', 'other'],
  [12345, '', 'other'],
  [null, 'timeout', 'timeout'],
  [null, 'HTTP 502', 'HTTP 5xx'],
  [null, 'HTTP 999', 'other'],
  [null, 'ERR_TLS_CERT_ALTNAME_INVALID', 'certificate'],
  [null, 'constructor', 'other'],
  [null, '', 'other'],
])('errcode %p, %p is %s', (errcode, reason, expected) => {
  expect(errcodeOf(errcode, reason)).toBe(expected)
})

test('any path is of one class', () =>
  fc.assert(
    fc.property(fc.oneof(fc.webPath(), fc.string()), path => {
      const known: readonly string[] = definitionOf('http_request_duration_seconds').labels.route as string[]
      expect(known).toContain(routeOf(path))
    }),
  ))
