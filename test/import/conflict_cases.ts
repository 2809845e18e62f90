import { kinds } from '../../src/import/kinds.ts'
import { APP, idOf, OTHER_APP, type Overrides } from './fixture.ts'

// Users who cannot be imported, by what stands in their way.

export type Row = Record<string, unknown>
export const confirmed = (phone: string) => ({ phone, phone_confirmed_at: '2024-01-01' })
const identity = (number: number, openid: string, data: Row = {}): [string, Row] => [
  'auth.identities',
  { user_id: idOf(number), provider: 'wechat_mini', provider_id: openid, identity_data: data },
]
const someone = (number: number, row: Row = {}): [string, Row] => ['auth.users', { id: idOf(number), ...row }]
export const user = (number: number, row: Row = {}) =>
  someone(number, { email: `${number}@example.com`, ...row })

export interface Case {
  source: [string, Row][]
  here?: [string, Row][]
  options?: Partial<Overrides>
  /** [user, kind, value] */
  conflicts: [number, keyof typeof kinds, string?][]
}

export const cases: Record<string, Case> = {
  'a phone that is of the mainland or of North America': {
    source: [user(1, confirmed('13800138000'))],
    conflicts: [[1, 'phone_ambiguous', '138****8000']],
  },
  'a phone that is none': {
    source: [user(1, confirmed('none at all')), user(2, confirmed('+86 1234'))],
    conflicts: [
      [1, 'phone_unusable', 'non**** all'],
      [2, 'phone_unusable', '****'],
    ],
  },
  'what is meant for a terminal': {
    source: [user(1, confirmed('\u001b[2J\u001b[H\u0007\u009b31m'))],
    conflicts: [[1, 'phone_unusable', '?[2****?31m']],
  },
  'a number of the mainland, where bare numbers are international': {
    source: [user(1, confirmed('13800138000'))],
    options: { bareNumbers: 'international' },
    conflicts: [[1, 'phone_unusable', '138****8000']],
  },
  'a phone that was never confirmed': {
    source: [user(1, { phone: '8613800138000' })],
    conflicts: [[1, 'phone_unconfirmed', '+86138****8000']],
  },
  'a phone of another user here': {
    source: [user(1, confirmed('8613800138000'))],
    here: [someone(8, confirmed('+8613800138000'))],
    conflicts: [[1, 'phone_taken', '+86138****8000']],
  },
  'one phone in two forms': {
    source: [user(1, confirmed('8613800138000')), user(2, confirmed('13800138000'))],
    options: { bareNumbers: 'china' },
    conflicts: [
      [1, 'phone_twice', '+86138****8000'],
      [2, 'phone_twice', '+86138****8000'],
    ],
  },
  'an openid of another user here': {
    source: [user(1, { wechat_id: 'o-12345678' })],
    here: [someone(8), ['auth.identities', { user_id: idOf(8), appid: APP, provider_id: 'o-12345678' }]],
    conflicts: [[1, 'openid_taken', `${APP} o-1234…`]],
  },
  'an openid of two users': {
    source: [user(1, { wechat_id: 'o-12345678' }), user(2, { wechat_id: 'o-12345678' })],
    conflicts: [
      [1, 'openid_twice', `${APP} o-1234…`],
      [2, 'openid_twice', `${APP} o-1234…`],
    ],
  },
  'two openids of one app': {
    source: [user(1, { wechat_id: 'o-12345678' }), identity(1, 'o-87654321', { appid: APP })],
    conflicts: [[1, 'openids_of_one_app', `${APP} o-8765… o-1234…`]],
  },
  'a unionid of another user here': {
    source: [user(1, { wechat_id: 'o-1', wechat_unionid: 'u-12345678' })],
    here: [someone(8, { wechat_unionid: 'u-12345678' })],
    conflicts: [[1, 'unionid_taken', 'u-1234…']],
  },
  'a unionid of two users': {
    source: [
      user(1, { wechat_id: 'o-1', wechat_unionid: 'u-12345678' }),
      user(2, {}),
      identity(2, 'o-2', { appid: OTHER_APP, unionid: 'u-12345678' }),
    ],
    conflicts: [
      [1, 'unionid_twice', 'u-1234…'],
      [2, 'unionid_twice', 'u-1234…'],
    ],
  },
  'two unionids of one user': {
    source: [
      user(1),
      identity(1, 'o-1', { appid: APP, unionid: 'u-12345678' }),
      identity(1, 'o-2', { appid: OTHER_APP, unionid: 'u-87654321' }),
    ],
    conflicts: [[1, 'unionids_of_one_user', expect.stringMatching(/^u-(1234… u-8765|8765… u-1234)…$/)]],
  },
  'an openid of an app that nobody knows': {
    source: [user(1, { wechat_id: 'o-12345678' })],
    options: { appid: undefined },
    conflicts: [[1, 'app_unknown', 'o-1234…']],
  },
  'an id of somebody here who was not imported': {
    source: [user(1)],
    here: [someone(1)],
    conflicts: [[1, 'id_taken']],
  },
  'metadata that are no object': {
    source: [user(1, { raw_app_meta_data: '[1]', raw_user_meta_data: '"x"' })],
    conflicts: [
      [1, 'ill_formed', 'app_metadata'],
      [1, 'ill_formed', 'user_metadata'],
    ],
  },
  'openids, unionids and apps of another form': {
    source: [
      user(1, { wechat_id: 'o 1' }),
      user(2, { wechat_id: 'o-2', wechat_unionid: 'x'.repeat(200) }),
      user(3),
      identity(3, 'o-3', { appid: 'gh_0123' }),
    ],
    conflicts: [
      [1, 'ill_formed', 'openid'],
      [2, 'ill_formed', 'unionid'],
      [3, 'ill_formed', 'appid'],
    ],
  },
  'several at once': {
    source: [
      user(1, { ...confirmed('13800138000'), wechat_id: 'o-12345678' }),
      user(2, { wechat_id: 'o-12345678' }),
    ],
    conflicts: [
      [1, 'phone_ambiguous', '138****8000'],
      [1, 'openid_twice', `${APP} o-1234…`],
      [2, 'openid_twice', `${APP} o-1234…`],
    ],
  },
}

/** id, kind and value of a line; what helps stands after them. */
export function parse(line: string): string[] {
  const [, id, kind, value = ''] = /^conflict (\S+) (\S+?)(?: (.*?))?: ./.exec(line)!
  expect(line.endsWith(kinds[kind as keyof typeof kinds])).toBe(true)
  return [id!, kind!, value]
}
export const sorted = (rows: unknown[][]) => rows.sort((one, other) => (String(one) < String(other) ? -1 : 1))
