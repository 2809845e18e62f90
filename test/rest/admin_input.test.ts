import fc from 'fast-check'
import { CreatedUser, Deletion, searchedPhones, UpdatedUser } from '../../src/rest/admin_input.ts'
import { AuditQuery, UsersQuery } from '../../src/rest/admin_query.ts'
import { BanDuration } from '../../src/rest/ban_duration.ts'
import { formatPhone } from '../../src/wechat/phone.ts'
import { ROUNDS } from '../support/rounds.ts'

const runs = { numRuns: 300 * ROUNDS }

describe('ban_duration', () => {
  test.each([
    ['none', 0],
    ['0', 0],
    ['+0', 0],
    ['0s', 0],
    ['24h', 86_400],
    ['+24h', 86_400],
    ['1h30m', 5_400],
    ['1m1h', 3_660],
    ['1h1h', 7_200],
    ['1.5h', 5_400],
    ['.5h', 1_800],
    ['1.h', 3_600],
    ['90s', 90],
    ['5m', 300],
    ['250ms', 0.25],
    ['1us', 1e-6],
    ['1µs', 1e-6],
    ['1μs', 1e-6],
    ['1ns', 1e-9],
    ['876000h', 3_153_600_000],
    ['8766000h', 31_557_600_000],
  ])('%s is %d seconds', (text, seconds) => {
    expect(BanDuration.parse(text)).toBeCloseTo(seconds, 9)
  })

  test.each<unknown>([
    ...[
      '',
      ' ',
      '24',
      '24 h',
      ' 24h',
      '24h ',
      '24h\n',
      '24h\0',
      '-24h',
      '-0',
      '--1h',
      '++1h',
      '1h-30m',
      '1h+30m',
    ],
    ...[
      '1d',
      '1w',
      '1y',
      'h',
      '.h',
      '.',
      '+',
      '1..5h',
      '1.5.5h',
      '1,5h',
      '1e3h',
      '0x1h',
      '1_000h',
      '24H',
      '1MS',
    ],
    ...[
      'None',
      'NONE',
      'none ',
      'null',
      'NaN',
      'Infinity',
      'infinity',
      '∞',
      'forever',
      '１h',
      '٢h',
      '24ｈ',
      '1hnone',
    ],
    ...[
      '1234567890h',
      '1.1234567890h',
      '8766001h',
      '999999999h',
      '999999999m999999999h',
      `${'1h'.repeat(50)}x`,
    ],
    ...[24, 0, true, {}, ['24h'], { toString: '24h' }],
  ])('%p is refused', given => {
    expect(BanDuration.safeParse(given).success).toBe(false)
  })

  test('of any parts is their sum', () => {
    const seconds = { h: 3_600, m: 60, s: 1, ms: 1e-3 }
    const unit = fc.constantFrom(...(Object.keys(seconds) as (keyof typeof seconds)[]))
    const parts = fc.array(fc.tuple(fc.nat(99_999), unit), { minLength: 1, maxLength: 5 })
    fc.assert(
      fc.property(parts, list => {
        const text = list.map(part => part.join('')).join('')
        const sum = list.reduce((all, [count, name]) => all + count * seconds[name], 0)
        expect(BanDuration.parse(text)).toBeCloseTo(sum, 3)
      }),
      runs,
    )
  })

  test('of any characters is refused, or a number of seconds up to a thousand years', () => {
    const characters = fc.string({ unit: fc.constantFrom(...'0123456789.+-hmsnuµμ e') })
    fc.assert(
      fc.property(fc.oneof(characters, fc.string({ unit: 'binary' })), text => {
        const { data = 0 } = BanDuration.safeParse(text)
        expect(data >= 0 && data <= 31_557_600_000).toBe(true)
      }),
      runs,
    )
  })
})

const phoneOf = (phone: unknown) => {
  const { success, data, error } = UpdatedUser.safeParse({ phone })
  return success ? data.changes.phone : { phone: error.issues.map(({ message }) => message).join() }
}

describe('phone', () => {
  test.each([
    ['+8613800138000', '+8613800138000'],
    ['8613800138000', '+8613800138000'],
    ['+13800138000', '+13800138000'],
    ['+14155552671', '+14155552671'],
    ['12127363100', '+12127363100'],
    ['85251234567', '+85251234567'],
    ['+862161234567', '+862161234567'],
    // What WeChat's number would be stored as.
    ['+86013800138000', '+8613800138000'],
    ['', ''],
    [null, undefined],
    [undefined, undefined],
  ])('%p is %p', (given, phone) => {
    expect(phoneOf(given)).toBe(phone)
  })

  test.each<[unknown, string]>([
    ['13800138000', 'mainland or a North American'],
    ['14155552671', 'mainland or a North American'],
    ['19912345678', 'mainland or a North American'],
    ['2161234567', 'plus and country code'],
    ['02161234567', 'not an E.164 number'],
    ['4155552671', 'plus and country code'],
    ['11234567890', 'not a number in use'],
    ['8612345678901', 'not a number in use'],
    ['+999123456789', 'not a phone number'],
    ['+861380013800012', 'not a phone number'],
    ['+86138001380001234', 'not an E.164 number'],
    ['+1234', 'not an E.164 number'],
    ['+', 'not an E.164 number'],
    [' ', 'not an E.164 number'],
    ['+86 138 0013 8000', 'not an E.164 number'],
    ['+86-13800138000', 'not an E.164 number'],
    ['+8613800138000\n', 'not an E.164 number'],
    ['+8613800138000\0', 'not an E.164 number'],
    ['+86138001380o0', 'not an E.164 number'],
    ['+８６１３８００１３８０００', 'not an E.164 number'],
    ['008613800138000', 'not an E.164 number'],
    ['tel:+8613800138000', 'not an E.164 number'],
    [8613800138000, 'not a string'],
    [['+8613800138000'], 'not a string'],
    [{}, 'not a string'],
    [true, 'not a string'],
  ])('%p is refused', (given, why) => {
    expect(phoneOf(given)).toEqual({ phone: expect.stringContaining(why) })
  })

  test('of any characters is refused, or E.164', () => {
    const nearly = fc.string({ unit: fc.constantFrom(...'+0123456789'), maxLength: 18 })
    fc.assert(
      fc.property(fc.oneof(nearly, fc.string({ unit: 'binary' })), text => {
        const phone = phoneOf(text)
        if (typeof phone === 'string' && phone !== '') expect(phone).toMatch(/^\+[1-9]\d{4,14}$/)
        // Digits alone are what they are with a plus, or nothing.
        if (typeof phone === 'string' && /^\d/.test(text)) expect(phoneOf(`+${text}`)).toBe(phone)
      }),
      runs,
    )
  })
})

describe('a search by phone', () => {
  const e164 = fc.stringMatching(/^\+[1-9][0-9]{6,14}$/)
  const mainland = fc.stringMatching(/^\+86[1-9][0-9]{8,10}$/)

  test('finds every phone by what REST shows of it, in every PHONE_FORMAT, and where the plus arrived as a space', () => {
    fc.assert(
      fc.property(fc.oneof(e164, mainland), fc.constantFrom('wechat', 'e164', 'gotrue'), (phone, format) => {
        const shown = formatPhone(phone, format)
        for (const text of [shown, shown.replace('+', ' '), phone, phone.slice(1)]) {
          for (const name of ['phone', 'filter']) {
            const query = UsersQuery.parse({ [name]: text })
            expect(searchedPhones(query.phone!)).toContain(phone)
          }
        }
      }),
      runs,
    )
  })

  test('with plus means one number', () => {
    fc.assert(
      fc.property(e164, phone => expect(searchedPhones(phone)).toEqual([phone])),
      runs,
    )
  })
})

describe('whatever is sent', () => {
  const names = [
    'phone',
    'phone_confirm',
    'user_metadata',
    'app_metadata',
    'ban_duration',
    'role',
    'reason',
    'id',
    'email',
  ]
  const value = fc.oneof(
    fc.jsonValue(),
    fc.string({ unit: 'binary' }),
    fc.dictionary(fc.oneof(fc.string({ unit: 'binary' }), fc.constant('__proto__')), fc.jsonValue()),
  )
  const body = fc.dictionary(fc.oneof(fc.constantFrom(...names), fc.string()), value)

  test.each([
    ['an update', UpdatedUser],
    ['a creation', CreatedUser],
  ])('%s is refused by the name of a field, or comes to the four changes that there are', (_name, schema) => {
    fc.assert(
      fc.property(body, given => {
        const { success, data, error } = schema.safeParse(given)
        if (!success) {
          for (const { path } of error.issues) expect(names).toContain(path[0])
          return
        }
        const { changes, reason } = data
        expect(['phone', 'user_metadata', 'app_metadata', 'ban_seconds']).toEqual(
          expect.arrayContaining(Object.keys(changes)),
        )
        expect(reason.trim()).not.toBe('')
        expect(reason.length).toBeLessThanOrEqual(500)
        // PostgreSQL's jsonb takes it.
        expect(JSON.stringify([changes, reason])).not.toMatch(/\\u0000|\\ud[89a-f]/i)
        for (const metadata of [changes.user_metadata, changes.app_metadata]) {
          if (metadata) expect(JSON.stringify(metadata)).not.toContain('"__proto__":')
        }
      }),
      runs,
    )
  })

  test('nobody can smuggle a column in', () => {
    const columns = {
      deleted_at: null,
      merged_into: null,
      wechat_id: 'o-x',
      banned_until: null,
      ban_seconds: 1,
      hard: true,
    }
    const changes = { phone: '+8613800138000', ...columns }
    expect(UpdatedUser.parse({ ...columns, changes, reason: 'r' })).toEqual({ changes: {}, reason: 'r' })
    expect(UpdatedUser.parse(JSON.parse('{"__proto__":{"phone":"+8613800138000"}}')).changes).toEqual({})
    expect(Deletion.parse({ hard: true, should_soft_delete: true }).should_soft_delete).toBe(true)
  })

  test('a query is refused by the name of a parameter, or comes to numbers and texts', () => {
    const parameters = ['page', 'per_page', 'id', 'phone', 'openid', 'filter', 'user_id', 'action']
    const text = fc.oneof(fc.string({ unit: 'binary' }), fc.nat().map(String), fc.uuid(), fc.constant(''))
    const query = fc.dictionary(fc.constantFrom(...parameters), fc.oneof(text, fc.array(text)))
    fc.assert(
      fc.property(query, fc.constantFrom(UsersQuery, AuditQuery), (given, schema) => {
        const { success, data, error } = schema.safeParse(given)
        if (!success) for (const { path } of error.issues) expect(parameters).toContain(path[0])
        else expect(data.page * data.per_page).toBeLessThanOrEqual(1_000_000_000)
      }),
      runs,
    )
  })
})
