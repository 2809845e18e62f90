import { delayAfter, parseRetryAfter, SCHEDULE } from '../../src/tasks/retries.ts'

const MINUTE = 60
const HOUR = 3600

test.each(SCHEDULE.map((seconds, index) => [index + 1, seconds]))(
  'after %i failures it is tried again in %i seconds, or up to a fifth more',
  (failures, seconds) => {
    expect(delayAfter(failures, 0, SCHEDULE, () => 0)).toBe(seconds)
    expect(delayAfter(failures, 0, SCHEDULE, () => 1)).toBeCloseTo(seconds * 1.2)
  },
)

test('the tenth failure is the last', () => {
  expect(SCHEDULE.slice(0, 6)).toEqual([5, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR])
  expect(delayAfter(9)).not.toBeNull()
  expect(delayAfter(10)).toBeNull()
})

test.each([
  ['later than planned', 600, 600],
  ['sooner than planned', 1, 5],
  ['in a year', 31_536_000, 86_400],
])('a subscriber that wants to be asked %s', (_what, retryAfter, seconds) => {
  expect(delayAfter(1, retryAfter, SCHEDULE, () => 0)).toBe(seconds)
})

test.each([
  [null, 0],
  ['120', 120],
  [' 7 ', 7],
  ['0', 0],
  ['-5', 0],
  ['1.5', 0],
  ['soon', 0],
  ['2030', 2030],
  ['99999999999999999999', 0],
  ['Mon, 23 Nov 2026 12:01:00 GMT', 60],
  ['Mon, 23 Nov 2026 11:00:00 GMT', 0],
  ['Monday, nonsense', 0],
])('Retry-After: %j is %i seconds', (header, seconds) => {
  expect(parseRetryAfter(header, Date.UTC(2026, 10, 23, 12))).toBe(seconds)
})
