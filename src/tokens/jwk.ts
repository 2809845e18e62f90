import { createPrivateKey, createPublicKey, type JsonWebKey, type KeyObject, sign, verify } from 'node:crypto'
import { z } from 'zod'

// The keys of the environment as JWKs (RFC 7517): what one must be, and what of it everybody may know.

/** One algorithm for each type of key, whatever a token's header says. */
export const algorithmOf = { EC: 'ES256', RSA: 'RS256', oct: 'HS256' } as const

const publicMembers = { EC: ['crv', 'x', 'y'], RSA: ['n', 'e'] } as const

/** A key pair, or its public half. */
export interface AsymmetricJwk {
  kty: 'EC' | 'RSA'
  kid: string
  [member: string]: unknown
}

/** A former JWT_SECRET: `k` is base64url of its UTF-8 bytes. */
export interface SecretJwk {
  kty: 'oct'
  kid: string
  k: string
  [member: string]: unknown
}

/** Only what is known to be public: a key may come with anything else. */
const publicPartOf = ({ kty, ...jwk }: AsymmetricJwk) => ({
  kty,
  ...Object.fromEntries(publicMembers[kty].map(name => [name, jwk[name]])),
})

/** As it stands in the JWKS. */
export const publicJwkOf = (jwk: AsymmetricJwk) => ({
  ...publicPartOf(jwk),
  kid: jwk.kid,
  alg: algorithmOf[jwk.kty],
  use: 'sig' as const,
})

export const publicKeyOf = (jwk: AsymmetricJwk): KeyObject =>
  createPublicKey({ key: publicPartOf(jwk) as JsonWebKey, format: 'jwk' })

export const privateKeyOf = (jwk: AsymmetricJwk): KeyObject =>
  createPrivateKey({ key: jwk as JsonWebKey, format: 'jwk' })

/** Decoding is lenient (padding, other alphabets); libraries that verify elsewhere are not. */
const isBase64url = (text: unknown): boolean =>
  typeof text === 'string' && text !== '' && Buffer.from(text, 'base64url').toString('base64url') === text

const wrongUse = (kty: keyof typeof algorithmOf, { alg, use }: Record<string, unknown>) => {
  if (alg !== undefined && alg !== algorithmOf[kty]) return `has another "alg" than ${algorithmOf[kty]}`
  if (use !== undefined && use !== 'sig') return 'is not for signatures: its "use" is not "sig"'
  return undefined
}

/** What is wrong with the public half. */
function publicFault(jwk: AsymmetricJwk): string | undefined {
  const { kty } = jwk
  const other = wrongUse(kty, jwk)
  if (other) return other
  if (kty === 'EC' && jwk.crv !== 'P-256') return 'is an EC key of another curve than P-256'
  const bad = publicMembers[kty].find(name => name !== 'crv' && !isBase64url(jwk[name]))
  if (bad) return `is not a complete ${kty} key: "${bad}" is missing, or is not base64url`
  try {
    const { modulusLength, publicExponent } = publicKeyOf(jwk).asymmetricKeyDetails!
    if (modulusLength !== undefined && modulusLength < 2048) return 'is an RSA key of less than 2048 bits'
    if (publicExponent === undefined || publicExponent >= 3n) return undefined
  } catch {}
  return `is not a valid ${kty} key`
}

/** What is wrong with a key pair. One whose halves do not fit would sign tokens that nobody accepts. */
function pairFault(jwk: AsymmetricJwk): string | undefined {
  const fault = publicFault(jwk)
  if (fault) return fault
  const sample = Buffer.from('sample')
  try {
    if (verify('sha256', sample, publicKeyOf(jwk), sign('sha256', sample, privateKeyOf(jwk))))
      return undefined
  } catch {}
  return 'is not a valid private key: its private members do not fit its public ones'
}

function secretFault(jwk: SecretJwk): string | undefined {
  if (!isBase64url(jwk.k)) return 'is not a secret: its "k" is missing, or is not base64url'
  if (Buffer.from(jwk.k, 'base64url').length < 32) return 'is a secret shorter than 32 bytes'
  return wrongUse('oct', jwk)
}

const refineBy =
  <Jwk>(faultOf: (jwk: Jwk) => string | undefined) =>
  (jwk: Jwk, ctx: z.RefinementCtx) => {
    const message = faultOf(jwk)
    if (message) ctx.addIssue({ code: 'custom', message })
  }

const kid = z.string('has no "kid"').min(1, { error: 'has an empty "kid"', abort: true })

/** `JWT_SIGNING_KEY`. */
export const SigningKey = z
  .looseObject(
    {
      kty: z.enum(['EC', 'RSA'], 'is neither an EC (ES256) nor an RSA (RS256) key'),
      d: z.string('is not a private key: it has no "d"'),
      kid,
    },
    'is not a JWK',
  )
  .superRefine(refineBy(pairFault))

/** One of `JWT_VERIFICATION_KEYS`. */
const VerificationKey = z.discriminatedUnion(
  'kty',
  [
    z.looseObject({ kty: z.enum(['EC', 'RSA']), kid }).superRefine(refineBy(publicFault)),
    z
      .looseObject({ kty: z.literal('oct'), kid, k: z.string('is not a secret: it has no "k"') })
      .superRefine(refineBy(secretFault)),
  ],
  'is neither an EC (ES256), an RSA (RS256) nor an oct (a former JWT_SECRET) key',
)
export type VerificationKey = z.infer<typeof VerificationKey>

/** `JWT_VERIFICATION_KEYS`. */
export const VerificationKeys = z.array(VerificationKey, 'is not a list of JWKs').superRefine((keys, ctx) => {
  for (const [index, { kid }] of keys.entries())
    if (keys.findIndex(key => key.kid === kid) < index)
      ctx.addIssue({ code: 'custom', path: [index], message: 'has the "kid" of another key' })
})
