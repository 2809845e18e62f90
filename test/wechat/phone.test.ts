import fc from 'fast-check'
import type { PhoneInfo } from '../../src/wechat/answers.ts'
import { formatPhone, toE164 } from '../../src/wechat/phone.ts'

const E164 = /^\+[1-9][0-9]{4,14}$/

/** phoneNumber, purePhoneNumber, countryCode → E.164. */
const table: [what: string, parts: (string | undefined)[], phone: string | undefined][] = [
  ['mainland', ['13800138000', '13800138000', '86'], '+8613800138000'],
  ['mainland, code with a plus', ['13800138000', '13800138000', '+86'], '+8613800138000'],
  ['mainland, code with zeros', ['13800138000', '13800138000', '0086'], '+8613800138000'],
  ['mainland, code with spaces', ['13800138000', '13800138000', ' 86 '], '+8613800138000'],
  ['mainland, number with its code', ['+8613800138000', '13800138000', '86'], '+8613800138000'],
  ['mainland, every part with the code', ['+8613800138000', '+8613800138000', '86'], '+8613800138000'],
  ['mainland, no pure number', ['13800138000', undefined, '86'], '+8613800138000'],
  ['mainland, empty pure number', ['13800138000', '', '86'], '+8613800138000'],
  ['mainland, no other than pure', [undefined, '13800138000', '86'], '+8613800138000'],
  ['mainland, written in groups', ['138 0013 8000', '138-0013-8000', '86'], '+8613800138000'],
  ['mainland, range that is new', ['19900000000', '19900000000', '86'], '+8619900000000'],
  ['Hong Kong', ['+85251234567', '51234567', '852'], '+85251234567'],
  ['Hong Kong, code with a plus', ['+85251234567', '51234567', '+852'], '+85251234567'],
  ['Hong Kong, no plus at all', ['85251234567', '51234567', '852'], '+85251234567'],
  ['Hong Kong, no country code', ['+85251234567', '51234567', undefined], '+85251234567'],
  ['Hong Kong, empty country code', ['+85251234567', '51234567', ''], '+85251234567'],
  ['Macao', ['+85366123456', '66123456', '853'], '+85366123456'],
  ['Taiwan', ['+886912345678', '912345678', '886'], '+886912345678'],
  ['Taiwan, trunk prefix', ['0912345678', '0912345678', '886'], '+886912345678'],
  ['13800138000 is a mobile in China', ['13800138000', '13800138000', '86'], '+8613800138000'],
  ['13800138000 is +1 380 013 8000 in the US', ['13800138000', '13800138000', '1'], '+13800138000'],
  ['the US', ['+12025550123', '2025550123', '1'], '+12025550123'],
  ['Italian landline keeps its zero', ['+390612345678', '0612345678', '39'], '+390612345678'],
  ['Italian mobile has none', ['+393123456789', '3123456789', '39'], '+393123456789'],
  ['Hong Kong, number with spaces around', [' +85251234567 ', undefined, undefined], '+85251234567'],
  ['mainland, pure number with its code and spaces', [undefined, ' +8613800138000 ', '86'], '+8613800138000'],
  ['number alone, with its code', ['+8613800138000', undefined, undefined], '+8613800138000'],

  ['no country code', ['13800138000', '13800138000', undefined], undefined],
  ['country code of nothing but a plus', ['13800138000', '13800138000', '+'], undefined],
  ['country code with a plus behind', ['13800138000', '13800138000', '86+'], undefined],
  ['country code 0', ['13800138000', '13800138000', '0'], undefined],
  ['country code that does not exist', ['123456789', '123456789', '999'], undefined],
  ['country code in letters', ['13800138000', '13800138000', 'CN'], undefined],
  ['nothing', [undefined, undefined, undefined], undefined],
  ['nothing but a country code', [undefined, undefined, '86'], undefined],
  ['empty', ['', '', '86'], undefined],
  ['blank', ['  ', '  ', '86'], undefined],
  ['a plus', ['+', '+', '86'], undefined],
  ['too short', ['123', '123', '86'], undefined],
  ['too long', ['1380013800012345', '1380013800012345', '86'], undefined],
  ['mainland number with its code twice', ['8613800138000', '8613800138000', '86'], undefined],
  ['a link', ['tel:+8613800138000', undefined, undefined], undefined],
  ['letters', ['1380013800a', '1380013800a', '86'], undefined],
  ['vanity number', ['1-800-FLOWERS', '1-800-FLOWERS', '1'], undefined],
  ['extension', ['2025550123 ext. 5', '2025550123 ext. 5', '1'], undefined],
  ['two pluses', ['++8613800138000', '++8613800138000', '86'], undefined],
  ['a plus within', ['138+00138000', '138+00138000', '86'], undefined],
  ['full-width digits', ['１３８００１３８０００', '１３８００１３８０００', '86'], undefined],
  ['emoji', ['📱', '📱', '86'], undefined],
  ['null as a word', ['null', 'null', 'null'], undefined],
  ['exponent of a large number', ['1e+21', '1e+21', '86'], undefined],
  ['a list', ['13800138000,13900139000', '13800138000,13900139000', '86'], undefined],
  ['two lines', ['13800138000\n13900139000', '13800138000\n13900139000', '86'], undefined],
]

test.each(table)('%s', (_what, [phoneNumber, purePhoneNumber, countryCode], phone) => {
  expect(toE164({ phoneNumber, purePhoneNumber, countryCode })).toBe(phone)
})

const digits = (min: number, max: number) =>
  fc.string({ unit: fc.constantFrom(...'0123456789'), minLength: min, maxLength: max })
const country = fc.constantFrom('86', '+86', '852', '853', '886', '1', '39', '44', '49', '0086', '7')
const part = fc.option(
  fc.oneof(
    digits(0, 20),
    digits(0, 18).map(text => `+${text}`),
    fc.string({ unit: fc.constantFrom(...'0123456789+-() .') }),
    fc.string({ unit: 'binary' }),
  ),
  { nil: undefined },
)

const rounds = { numRuns: Math.max(2_000, Number(process.env.ROUNDS ?? 0)) }

test('whatever comes: an E.164 number or none, and no exception', () => {
  fc.assert(
    fc.property(part, part, fc.oneof(country, part), (phoneNumber, purePhoneNumber, countryCode) => {
      const phone = toE164({ phoneNumber, purePhoneNumber, countryCode })
      if (phone !== undefined) expect(phone).toMatch(E164)
    }),
    rounds,
  )
})

const mainland = digits(9, 9).map(rest => `13${rest}`)

test('every mainland mobile is itself, however its parts are written', () => {
  fc.assert(
    fc.property(mainland, fc.constantFrom('86', '+86', '0086'), fc.boolean(), (national, code, plus) => {
      const phoneNumber = plus ? `+86${national}` : national
      expect(toE164({ phoneNumber, purePhoneNumber: national, countryCode: code })).toBe(`+86${national}`)
    }),
    rounds,
  )
})

test('numbers of different countries never meet', () => {
  fc.assert(
    fc.property(digits(5, 12), country, country, (national, one, other) => {
      const [a, b] = [one, other].map(countryCode => toE164({ purePhoneNumber: national, countryCode }))
      const same = one.replace(/^(\+|00)/, '') === other.replace(/^(\+|00)/, '')
      if (a !== undefined && b !== undefined) expect(a === b).toBe(same)
    }),
    rounds,
  )
})

/** Of numbers that begin like a trunk prefix (0, 1 or 8, by country) nothing is promised: no subscriber has one. */
const e164 = fc
  .tuple(country, fc.constantFrom(...'2345679'), digits(6, 10))
  .map(([countryCode, first, rest]) => toE164({ countryCode, purePhoneNumber: first + rest }))
  .filter(phone => phone !== undefined)

describe('formatPhone', () => {
  test.each([
    ['+8613800138000', '13800138000', '8613800138000'],
    ['+85251234567', '+85251234567', '85251234567'],
    ['+13800138000', '+13800138000', '13800138000'],
    ['+886912345678', '+886912345678', '886912345678'],
  ])('%s is %s for WeChat and %s for GoTrue', (phone, wechat, gotrue) => {
    expect(formatPhone(phone, 'e164')).toBe(phone)
    expect(formatPhone(phone, 'wechat')).toBe(wechat)
    expect(formatPhone(phone, 'gotrue')).toBe(gotrue)
  })

  test.each(['wechat', 'e164', 'gotrue'] as const)('no phone is "" (%s)', format => {
    expect(formatPhone(null, format)).toBe('')
  })

  test('e164 read again is the same number', () => {
    fc.assert(
      fc.property(e164, phone => {
        const info: PhoneInfo = { phoneNumber: formatPhone(phone, 'e164') }
        expect(toE164(info)).toBe(phone)
      }),
      rounds,
    )
  })

  test('no format loses the number', () => {
    fc.assert(
      fc.property(e164, phone => {
        const shown = formatPhone(phone, 'wechat')
        expect(shown.startsWith('+') ? shown : `+86${shown}`).toBe(phone)
        expect(`+${formatPhone(phone, 'gotrue')}`).toBe(phone)
      }),
      rounds,
    )
  })
})
