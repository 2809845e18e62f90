import { decrypt } from '../../src/push/cipher.ts'
import { isSigned, signatureOf } from '../../src/push/signature.ts'
import { encrypt } from '../../src/simulator/push_cipher.ts'
import { everyRound } from '../support/rounds.ts'

/** Of WeChat's documentation of the message push. */
const OFFICIAL = ['AAAAA', '1714036504', '1514711492'] as const
const OFFICIAL_SIGNATURE = 'f464b24fc39322e44b38aa78f5edd27bd1441696'

/** Of the samples of encryption that WeChat publishes. */
const SAMPLE = {
  token: 'QDG6eK',
  key: Buffer.from('jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C=', 'base64'),
  timestamp: '1409659589',
  nonce: '263014780',
  encrypted: 'P9nAzCzyDtyTWESHep1vC5X9xho/qYX3Zpb4yKa9SKld1DsH3Iyt3tP3zNdtp+4RPcs8TgAE7OaBO+FZXvnaqQ==',
  signature: '5c45ff5e21c57e6ad56bac8758b79b1d9ac89fd3',
}

test('the official vector of the signature', () => {
  expect(signatureOf([...OFFICIAL])).toBe(OFFICIAL_SIGNATURE)
  expect(isSigned(OFFICIAL_SIGNATURE, [...OFFICIAL])).toBe(true)
})

test('the official sample of an encrypted message', () => {
  const { token, key, timestamp, nonce, encrypted, signature } = SAMPLE
  expect(isSigned(signature, [token, timestamp, nonce, encrypted])).toBe(true)
  expect(decrypt(key, encrypted)).toEqual({ message: '1616140317555161061', appid: 'wx5823bf96d3bd56c7' })
})

test.each<[string, unknown, unknown[]]>([
  ['another signature', OFFICIAL_SIGNATURE.replace('f', 'e'), [...OFFICIAL]],
  ['half a signature', OFFICIAL_SIGNATURE.slice(0, 20), [...OFFICIAL]],
  ['more than a signature', `${OFFICIAL_SIGNATURE}0`, [...OFFICIAL]],
  ['as many characters that are more bytes', 'é'.repeat(40), [...OFFICIAL]],
  ['none', undefined, [...OFFICIAL]],
  ['an empty one', '', [...OFFICIAL]],
  ['one that stands in the query twice', [OFFICIAL_SIGNATURE, OFFICIAL_SIGNATURE], [...OFFICIAL]],
  ['another token', OFFICIAL_SIGNATURE, ['AAAAB', ...OFFICIAL.slice(1)]],
  ['no timestamp', OFFICIAL_SIGNATURE, ['AAAAA', undefined, OFFICIAL[2]]],
  ['an empty nonce', signatureOf(['AAAAA', OFFICIAL[1]]), ['AAAAA', OFFICIAL[1], '']],
])('%s is refused', (_what, given, parts) => {
  expect(isSigned(given, parts)).toBe(false)
})

describe('encryption', () => {
  const { key } = SAMPLE
  const plainOf = (content: Buffer) => encrypt(key, content.toString(), '')

  test.each(everyRound)('of every length, round %i', () => {
    for (let length = 0; length <= 70; length++) {
      const message = '国'.repeat(length)
      expect(decrypt(key, encrypt(key, message, 'wx1'))).toEqual({ message, appid: 'wx1' })
    }
  })

  test.each([
    ['nothing', ''],
    ['no Base64', '!!!!'],
    ['half a block', Buffer.alloc(16).toString('base64')],
    ['one block of anything', Buffer.alloc(32, 7).toString('base64')],
    ['many blocks of anything', Buffer.alloc(320, 9).toString('base64')],
    ['by another key', encrypt(Buffer.alloc(32, 1), 'a message', 'wx1')],
    ['cut off', SAMPLE.encrypted.slice(0, 44)],
  ])('%s is nothing', (_what, encrypted) => {
    expect(decrypt(key, encrypted)).toBeUndefined()
  })

  test('a length that is longer than the message is nothing', () => {
    const good = Buffer.from(plainOf(Buffer.from('x')), 'base64')
    // CBC: a bit of the first block turns the same bit of the second, where the length stands.
    good[0]! ^= 0x80
    expect(decrypt(key, good.toString('base64'))).toBeUndefined()
  })
})
