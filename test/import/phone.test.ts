import fc from 'fast-check'
import { maskPhone, parsePhone } from '../../src/import/phone.ts'
import { ROUNDS } from '../support/rounds.ts'

const AMBIGUOUS = { fault: 'phone_ambiguous' }
const UNUSABLE = { fault: 'phone_unusable' }
const is = (phone: string) => ({ phone })

/** What a phone is where nothing was said of bare numbers, where they are of the mainland, and where they are international. */
test.each<[string | null, unknown, unknown?, unknown?]>([
  [null, undefined],
  ['', undefined],
  ['   ', undefined],
  // GoTrue: the digits of E.164.
  ['8613800138000', is('+8613800138000')],
  ['85291234567', is('+85291234567')],
  ['886912345678', is('+886912345678')],
  ['6591234567', is('+6591234567')],
  ['16502530000', AMBIGUOUS, is('+8616502530000'), is('+16502530000')],
  ['12025550123', is('+12025550123')],
  // MemFire: mainland numbers national, others with plus.
  ['13800138000', AMBIGUOUS, is('+8613800138000'), UNUSABLE],
  ['138 0013 8000', AMBIGUOUS, is('+8613800138000'), UNUSABLE],
  ['19912345678', AMBIGUOUS, is('+8619912345678'), UNUSABLE],
  ['13125550123', AMBIGUOUS, is('+8613125550123'), is('+13125550123')],
  ['+85291234567', is('+85291234567')],
  // Files.
  ['+8613800138000', is('+8613800138000')],
  ['+86 138-0013-8000', is('+8613800138000')],
  [' +8613800138000 ', is('+8613800138000')],
  ['008613800138000', is('+8613800138000')],
  ['0013800138000', UNUSABLE],
  ['+13800138000', is('+13800138000')],
  // National numbers of other countries, cut ones, and what spreadsheets make of numbers.
  ['013800138000', UNUSABLE],
  ['91234567', UNUSABLE],
  ['2025550123', UNUSABLE],
  ['1380013800', UNUSABLE],
  ['861380013800', UNUSABLE],
  ['8.6138E+12', UNUSABLE],
  ['+', UNUSABLE],
  ['+86', UNUSABLE],
  ['+86138001380001234', UNUSABLE],
  ['１３８００１３８０００', UNUSABLE],
  ['none', UNUSABLE],
  ['13800138000;13900139000', UNUSABLE],
  ['13800138000\u0000', UNUSABLE],
])('%j', (text, unsaid, china = unsaid, international = unsaid) => {
  expect([undefined, 'china' as const, 'international' as const].map(kind => parsePhone(text, kind))).toEqual(
    [unsaid, china, international],
  )
})

test.each([
  ['+8613800138000', '+86138****8000'],
  ['13800138000', '138****8000'],
  ['12345678', '****'],
  ['123456789', '1****6789'],
  ['x', '****'],
])('%s is shown as %s', (phone, masked) => expect(maskPhone(phone)).toBe(masked))

const digits = (min: number, max: number) =>
  fc.string({ unit: fc.constantFrom(...'0123456789'), minLength: min, maxLength: max })
const kinds = fc.constantFrom(undefined, 'china' as const, 'international' as const)

test('whatever stands there becomes E.164, none, or a fault', () => {
  const anything = fc.oneof(
    fc.string(),
    digits(0, 20),
    digits(0, 17).map(text => `+${text}`),
    fc.string({ unit: fc.constantFrom(...'+0123456789 ()-'), maxLength: 24 }),
  )
  fc.assert(
    fc.property(anything, kinds, (text, kind) => {
      const parsed = parsePhone(text, kind)
      if (parsed === undefined) expect(text.trim()).toBe('')
      else if ('phone' in parsed) {
        expect(parsed.phone).toMatch(/^\+[1-9][0-9]{4,14}$/)
        // A country code stands there, or was said.
        const bare = text.replace(/[^0-9]/g, '').replace(/^0+/, '')
        expect(bare[0] === parsed.phone[1] || (kind === 'china' && parsed.phone.startsWith('+86'))).toBe(true)
      } else expect(['phone_ambiguous', 'phone_unusable']).toContain(parsed.fault)
    }),
    { numRuns: 300 * ROUNDS },
  )
})

test('a mainland mobile number keeps its meaning through every form in which it is kept', () => {
  fc.assert(
    fc.property(digits(8, 8), fc.constantFrom('138', '159', '186', '199'), (rest, start) => {
      const phone = { phone: `+86${start}${rest}` }
      for (const form of [`+86${start}${rest}`, `86${start}${rest}`, `0086${start}${rest}`])
        expect(parsePhone(form, undefined)).toEqual(phone)
      expect(parsePhone(`${start}${rest}`, 'china')).toEqual(phone)
      expect(parsePhone(`${start}${rest}`, undefined)).toEqual(AMBIGUOUS)
    }),
    { numRuns: 100 * ROUNDS },
  )
})
