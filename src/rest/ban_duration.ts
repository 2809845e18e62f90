import { z } from 'zod'

const seconds = new Map([
  ['h', 3_600],
  ['m', 60],
  ['s', 1],
  ['ms', 1e-3],
  ['us', 1e-6],
  ['µs', 1e-6], // U+00B5
  ['μs', 1e-6], // U+03BC
  ['ns', 1e-9],
])
const NUMBER = String.raw`(?:\d{1,9}(?:\.\d{0,9})?|\.\d{1,9})`
const UNIT = 'h|ms|m|s|us|µs|μs|ns'
const A_THOUSAND_YEARS = 1_000 * 365.25 * 24 * 3_600

/** Go's duration, as GoTrue takes it: 24h, 1h30m, 1.5h; or none. As seconds; 0: no ban. */
export const BanDuration = z
  .string('is not a string')
  .regex(
    new RegExp(`^(?:none|\\+?(?:0|(?:${NUMBER}(?:${UNIT}))+))$`),
    'is neither none nor a duration such as 24h or 1h30m',
  )
  .transform(text =>
    [...text.matchAll(new RegExp(`(${NUMBER})(${UNIT})`, 'g'))].reduce(
      (sum, [, number, unit]) => sum + Number(number) * seconds.get(unit!)!,
      0,
    ),
  )
  .refine(sum => sum <= A_THOUSAND_YEARS, 'is more than a thousand years')
