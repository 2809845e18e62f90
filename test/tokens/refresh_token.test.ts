import { createSecretKey, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { createRefreshTokens } from '../../src/tokens/refresh_token.ts'

const key = () => createSecretKey(randomBytes(32))
const keys = [key()]
const tokens = createRefreshTokens(keys)
const SESSION = '01932c07-209f-7da4-8f5b-6c1d2e3f4a5b'

const counter = fc.bigInt({ min: 0n, max: 2n ** 62n })
const rounds = { numRuns: Math.max(500, Number(process.env.ROUNDS ?? 0)) }

test('what was made is read', () => {
  fc.assert(
    fc.property(fc.uuid(), counter, (sessionId, counter) => {
      const token = tokens.make(sessionId, counter)
      expect(token).toMatch(/^[A-Za-z0-9_-]{76}$/)
      expect(tokens.read(token)).toEqual({ sessionId, counter })
    }),
    rounds,
  )
})

test.each([0n, 1n, 2n ** 31n, 2n ** 53n + 1n, 2n ** 62n])('counter %s', counter => {
  expect(tokens.read(tokens.make(SESSION, counter))).toEqual({ sessionId: SESSION, counter })
})

test('the same session and counter give the same token, so that a lost answer can be repeated', () => {
  expect(tokens.make(SESSION, 7n)).toBe(createRefreshTokens(keys).make(SESSION, 7n))
  expect(tokens.make(SESSION, 7n)).not.toBe(tokens.make(SESSION, 8n))
})

test('every byte counts: with any one changed it is not ours', () => {
  const bytes = Buffer.from(tokens.make(SESSION, 3n), 'base64url')
  expect(bytes).toHaveLength(57)
  for (let index = 0; index < bytes.length; index += 1) {
    for (let bit = 1; bit < 256; bit <<= 1) {
      const forged = Buffer.from(bytes)
      forged[index]! ^= bit
      expect([index, bit, tokens.read(forged.toString('base64url'))]).toEqual([index, bit, undefined])
    }
  }
})

const fixed = createRefreshTokens([createSecretKey(Buffer.alloc(32, 7))])

test('a token is of this form for ever: clients hold it for months, and any release must read it', () => {
  expect(fixed.make(SESSION, 7n)).toBe(
    'AQGTLAcgn32kj1tsHS4_SlsAAAAAAAAAByPnVm4ibM6BUs71-RbD2KJrjmXd6zCHfZWahuzl9nCM',
  )
})

/** Of its key, session and counter this one has both - and _, so that the other alphabet spells it differently. */
const spelledInBoth = () =>
  Array.from({ length: 100 }, (_, index) => fixed.make(SESSION, BigInt(index))).find(
    token => token.includes('-') && token.includes('_'),
  )!

test.each<[string, (token: string) => string]>([
  ['padded', token => `${token}=`],
  ['padded twice', token => `${token}==`],
  ['with a space before', token => ` ${token}`],
  ['with a line end', token => `${token}\n`],
  ['broken into lines', token => `${token.slice(0, 40)}\n${token.slice(40)}`],
  ['with a character that is none of base64', token => `${token.slice(0, 40)}!${token.slice(40)}`],
  ['in the other alphabet', token => token.replaceAll('-', '+').replaceAll('_', '/')],
  ['cut', token => token.slice(0, -1)],
  ['cut by four', token => token.slice(0, -4)],
  ['longer', token => `${token}A`],
  ['longer by four', token => `${token}AAAA`],
  ['twice', token => token + token],
  ['in upper case', token => token.toUpperCase()],
  ['in hex', token => Buffer.from(token, 'base64url').toString('hex')],
  ['empty', () => ''],
])('another spelling is not ours: %s', (_name, respell) => {
  const spelled = spelledInBoth()
  expect(fixed.read(spelled)).toBeDefined()
  expect(fixed.read(respell(spelled))).toBeUndefined()
})

test('nonsense is not ours, and no exception', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.base64String(),
        fc
          .uint8Array({ minLength: 57, maxLength: 57 })
          .map(bytes => Buffer.from(bytes).toString('base64url')),
      ),
      text => {
        expect(tokens.read(text)).toBeUndefined()
      },
    ),
    rounds,
  )
})

test('an old key is recognised, and the first one makes', () => {
  const [old, current] = [key(), key()]
  const both = createRefreshTokens([current, old])
  const before = createRefreshTokens([old]).make(SESSION, 1n)
  expect(both.read(before)).toEqual({ sessionId: SESSION, counter: 1n })
  expect(both.make(SESSION, 1n)).toBe(createRefreshTokens([current]).make(SESSION, 1n))
  expect(createRefreshTokens([old]).read(both.make(SESSION, 1n))).toBeUndefined()
})

test('a foreign key is not recognised', () => {
  expect(createRefreshTokens([key(), key()]).read(tokens.make(SESSION, 1n))).toBeUndefined()
})
