import { generateKeyPairSync } from 'node:crypto'
import { publicJwkOf, SigningKey, VerificationKeys } from '../../src/tokens/jwk.ts'

// What a key of the environment must be, and what is said of one that is not. Nothing of its value is.

const pairOf = (keys: { privateKey: { export(options: { format: 'jwk' }): object } }) =>
  ({ ...keys.privateKey.export({ format: 'jwk' }), kid: 'a' }) as Record<string, string>
const EC = pairOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }))
const OTHER_EC = pairOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }))
const P384 = pairOf(generateKeyPairSync('ec', { namedCurve: 'P-384' }))
const RSA = pairOf(generateKeyPairSync('rsa', { modulusLength: 2048 }))
const SHORT_RSA = pairOf(generateKeyPairSync('rsa', { modulusLength: 1024 }))
const SECRET = 'a secret of exactly 32 bytes ...'
const oct = (secret: string) => ({ kty: 'oct', k: Buffer.from(secret).toString('base64url'), kid: 'a' })
const OCT = oct(SECRET)

const without = (jwk: object, ...names: string[]) =>
  Object.fromEntries(Object.entries(jwk).filter(([name]) => !names.includes(name)))
const publicOf = (jwk: object) => without(jwk, 'd', 'p', 'q', 'dp', 'dq', 'qi')

const faultsOf = (schema: typeof SigningKey | typeof VerificationKeys, value: unknown) => {
  const { error } = schema.safeParse(value)
  return (error?.issues ?? []).map(({ message }) => message)
}

type Row = [name: string, jwk: unknown, fault: string]

/** Of any key that is not symmetric. */
const notPublic: Row[] = [
  ['no name', without(EC, 'kid'), 'has no "kid"'],
  ['an empty name', { ...RSA, kid: '' }, 'has an empty "kid"'],
  ['a name that is no text', { ...RSA, kid: 5 }, 'has no "kid"'],
  ['another curve', P384, 'is an EC key of another curve than P-256'],
  ['no curve', without(EC, 'crv'), 'is an EC key of another curve than P-256'],
  ['no x', without(EC, 'x'), 'is not a complete EC key: "x" is missing, or is not base64url'],
  ['an empty y', { ...EC, y: '' }, 'is not a complete EC key: "y" is missing, or is not base64url'],
  ['a padded y', { ...EC, y: `${EC.y}=` }, 'is not a complete EC key: "y" is missing, or is not base64url'],
  ['x in a list', { ...EC, x: [EC.x] }, 'is not a complete EC key: "x" is missing, or is not base64url'],
  ['no point of the curve', { ...EC, y: OTHER_EC.y }, 'is not a valid EC key'],
  ['no n', without(RSA, 'n'), 'is not a complete RSA key: "n" is missing, or is not base64url'],
  ['no e', without(RSA, 'e'), 'is not a complete RSA key: "e" is missing, or is not base64url'],
  ['RSA of 1024 bits', SHORT_RSA, 'is an RSA key of less than 2048 bits'],
  ['RSA with exponent 1', { ...RSA, e: 'AQ' }, 'is not a valid RSA key'],
  ['RSA for PSS', { ...RSA, alg: 'PS256' }, 'has another "alg" than RS256'],
  ['EC for RS256', { ...EC, alg: 'RS256' }, 'has another "alg" than ES256'],
  ['for encryption', { ...EC, use: 'enc' }, 'is not for signatures: its "use" is not "sig"'],
]

describe('a signing key', () => {
  test.each<[string, object]>([
    ['EC', EC],
    ['RSA', RSA],
    ['with its algorithm and use', { ...EC, alg: 'ES256', use: 'sig' }],
    ['with whatever else', { ...RSA, key_ops: ['sign'], ext: true, x5t: 'x' }],
  ])('%s', (_name, jwk) => {
    expect(SigningKey.parse(jwk)).toEqual(jwk)
  })

  const misfit = 'is not a valid private key: its private members do not fit its public ones'
  test.each<Row>([
    ...notPublic,
    ['no object', 5, 'is not a JWK'],
    ['a secret', { ...OCT, d: 'x' }, 'is neither an EC (ES256) nor an RSA (RS256) key'],
    ['no private half', without(EC, 'd'), 'is not a private key: it has no "d"'],
    ['halves of two pairs', { ...EC, d: OTHER_EC.d }, misfit],
    ['nonsense for a private half', { ...EC, d: 'x' }, misfit],
    ['RSA without its primes', without(RSA, 'p', 'q', 'dp', 'dq', 'qi'), misfit],
  ])('refused: %s', (_name, jwk, fault) => {
    expect(faultsOf(SigningKey, jwk)).toEqual([fault])
  })
})

describe('verification keys', () => {
  test('public or private, EC, RSA and former secrets, as they are', () => {
    const keys = [
      { ...EC, kid: 'a' },
      { ...publicOf(OTHER_EC), kid: 'b', alg: 'ES256', use: 'sig' },
      { ...publicOf(RSA), kid: 'c' },
      { ...OCT, kid: 'd' },
      { ...oct(`${SECRET} 密`), kid: 'e', alg: 'HS256', use: 'sig' },
    ]
    expect(VerificationKeys.parse(keys)).toEqual(keys)
    expect(VerificationKeys.parse([])).toEqual([])
  })

  test('a private half need not fit: it is not used', () => {
    expect(faultsOf(VerificationKeys, [{ ...EC, d: OTHER_EC.d }])).toEqual([])
  })

  const noKey = 'is neither an EC (ES256), an RSA (RS256) nor an oct (a former JWT_SECRET) key'
  const noSecret = 'is not a secret: its "k" is missing, or is not base64url'
  const refused: Row[] = [
    ...notPublic,
    ['no object', 5, noKey],
    ['null', null, noKey],
    ['no type', without(EC, 'kty'), noKey],
    ['another type', { ...EC, kty: 'OKP' }, noKey],
    ['a secret without a name', without(OCT, 'kid'), 'has no "kid"'],
    ['a secret with an empty name', { ...OCT, kid: '' }, 'has an empty "kid"'],
    ['no secret', without(OCT, 'k'), 'is not a secret: it has no "k"'],
    ['an empty secret', { ...OCT, k: '' }, noSecret],
    ['a secret that is not encoded', { ...OCT, k: SECRET }, noSecret],
    ['a secret in base64', { ...OCT, k: Buffer.from('?'.repeat(36)).toString('base64') }, noSecret],
    ['a short secret', oct(SECRET.slice(1)), 'is a secret shorter than 32 bytes'],
    ['a secret for HS512', { ...OCT, alg: 'HS512' }, 'has another "alg" than HS256'],
    ['a secret for encryption', { ...OCT, use: 'enc' }, 'is not for signatures: its "use" is not "sig"'],
  ]
  test.each(refused)('refused: %s', (_name, jwk, fault) => {
    expect(faultsOf(VerificationKeys, [jwk])).toEqual([fault])
  })

  test('refused: what is no list', () => {
    for (const value of [{}, EC, 'x', null])
      expect(faultsOf(VerificationKeys, value)).toEqual(['is not a list of JWKs'])
  })

  test('each fault has the place of its key, and a name is given once', () => {
    const placesOf = (keys: unknown[]) =>
      VerificationKeys.safeParse(keys).error?.issues.map(({ path, message }) => [path[0], message])
    const twice = 'has the "kid" of another key'
    expect(placesOf([EC, { ...OCT, kid: 'b' }, RSA, { ...OTHER_EC, kid: 'b' }])).toEqual([
      [2, twice],
      [3, twice],
    ])
    expect(placesOf([P384, { ...EC, kid: 'b' }, { ...OCT, kid: 'c', k: '' }])).toEqual([
      [0, 'is an EC key of another curve than P-256'],
      [2, noSecret],
    ])
  })
})

test('what is published of a key is its public half, by name', () => {
  expect(publicJwkOf(EC as never)).toEqual({ ...publicOf(EC), alg: 'ES256', use: 'sig' })
  expect(publicJwkOf({ ...RSA, backup: RSA.d } as never)).toEqual({
    ...publicOf(RSA),
    alg: 'RS256',
    use: 'sig',
  })
})
