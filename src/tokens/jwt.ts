import { createHash, timingSafeEqual } from 'node:crypto'
import {
  type CryptoKey,
  importJWK,
  type JWK,
  type JWTHeaderParameters,
  type JWTPayload,
  jwtVerify,
  SignJWT,
} from 'jose'
import { z } from 'zod'
import { AppError } from '../errors.ts'

/** The claims of a user's access token that the service reads. */
export interface UserClaims extends JWTPayload {
  sub: string
  session_id: string
  role: 'authenticated'
}

/** Who calls: by the verified bearer, or nobody (`anon`). */
export type Caller =
  | { role: 'anon' | 'service_role' }
  | { role: 'authenticated'; sessionId: string; claims: UserClaims }

export interface TokenOptions {
  /** HS256 secret of the API keys, and of user tokens where there is no signing key. */
  secret: string
  /** Private JWK, ES256 (EC, P-256) or RS256 (RSA). */
  signingKey: { kty: 'EC' | 'RSA'; kid: string; [member: string]: unknown } | undefined
  /** `{SITE_URL}/auth/v1`. */
  issuer: string
  /** Seconds that an access token lives. */
  expiry: number
  /** API keys as strings; where they are JWTs by the secret they need not be named. */
  anonKey: string
  serviceRoleKey: string
}

export interface Tokens {
  /** Signs an access token that lives `expiry` seconds from `now` (seconds since 1970). */
  sign(claims: Record<string, unknown>, now: number): Promise<string>
  /** Who the bearer of this token is. Raises `bad_jwt`; whether the session lives is for the database to say. */
  verify(token: string): Promise<Caller>
  /** The public half of the signing key (RFC 7517); no keys where user tokens are signed by the secret. */
  jwks: { keys: object[] }
}

const publicMembers = { EC: ['kty', 'crv', 'x', 'y'], RSA: ['kty', 'n', 'e'] } as const
const algorithmOf = { EC: 'ES256', RSA: 'RS256' } as const
const ApiKeyClaims = z.object({ role: z.enum(['anon', 'service_role']) })
const UserTokenClaims = z.looseObject({
  sub: z.uuid(),
  session_id: z.uuid(),
  role: z.literal('authenticated'),
  exp: z.number(),
  aud: z.literal('authenticated'),
})

/** An API key: an HS256 JWT with a role and nothing that could end or differ between nodes (as Supabase's). */
export const makeApiKey = (secret: string, role: 'anon' | 'service_role') =>
  new SignJWT({ role, iss: 'postgraphile-wechat' })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .sign(new TextEncoder().encode(secret))

export async function createTokens(options: TokenOptions): Promise<Tokens> {
  const secretKey = new TextEncoder().encode(options.secret)
  const asymmetric = options.signingKey && (await importPair(options.signingKey))
  const algorithms = asymmetric ? ['HS256', asymmetric.alg] : ['HS256']
  const { issuer, expiry } = options
  const OurClaims = UserTokenClaims.extend({ iss: z.literal(issuer) })

  return {
    jwks: { keys: asymmetric ? [asymmetric.publicJwk] : [] },

    sign(claims, now) {
      const jwt = new SignJWT({ ...claims, iss: issuer, aud: 'authenticated', iat: now, exp: now + expiry })
      return asymmetric
        ? jwt
            .setProtectedHeader({ alg: asymmetric.alg, kid: asymmetric.kid, typ: 'JWT' })
            .sign(asymmetric.privateKey)
        : jwt.setProtectedHeader({ alg: 'HS256', typ: 'JWT' }).sign(secretKey)
    },

    async verify(token) {
      if (isSameSecret(token, options.anonKey)) return { role: 'anon' }
      if (isSameSecret(token, options.serviceRoleKey)) return { role: 'service_role' }
      try {
        const { payload, isSymmetric } = await verifySignature(token)
        if (isSymmetric) {
          const apiKey = ApiKeyClaims.safeParse(payload)
          if (apiKey.success) return { role: apiKey.data.role }
        }
        return userOf(payload)
      } catch (error) {
        throw new AppError('bad_jwt', { cause: error })
      }
    },
  }

  async function verifySignature(token: string) {
    if (!isCanonical(token)) throw new Error('Another spelling of a token')
    const { payload, protectedHeader } = await jwtVerify(token, keyOf, { algorithms })
    return { payload, isSymmetric: protectedHeader.alg === 'HS256' }
  }

  /** The key follows from our own configuration and the header's alg and kid; keys that a token brings are ignored. */
  function keyOf({ alg, kid }: JWTHeaderParameters): CryptoKey | Uint8Array {
    if (alg === 'HS256') return secretKey
    // Without a signing key `algorithms` lets no other algorithm come so far.
    if (kid !== asymmetric!.kid) throw new Error('No such key')
    return asymmetric!.publicKey
  }

  function userOf(payload: JWTPayload): Caller {
    const claims = OurClaims.parse(payload)
    return { role: 'authenticated', sessionId: claims.session_id, claims: claims as UserClaims }
  }
}

/** Decoding base64url is lenient (padding, bits to spare); only the one spelling that was signed is a token. */
const isCanonical = (token: string) =>
  token.split('.').every(part => Buffer.from(part, 'base64url').toString('base64url') === part)

/** Takes as long for a near miss as for a far one. */
function isSameSecret(given: string, secret: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(given), digest(secret))
}

async function importPair(jwk: NonNullable<TokenOptions['signingKey']>) {
  const alg = algorithmOf[jwk.kty]
  // Only what is known to be public: a key file may hold anything else.
  const publicJwk = Object.fromEntries(publicMembers[jwk.kty].map(name => [name, jwk[name]])) as JWK
  return {
    alg,
    kid: jwk.kid,
    privateKey: (await importJWK(jwk, alg)) as CryptoKey,
    publicKey: (await importJWK(publicJwk, alg)) as CryptoKey,
    publicJwk: { ...publicJwk, kid: jwk.kid, alg, use: 'sig' },
  }
}
