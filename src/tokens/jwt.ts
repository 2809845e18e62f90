import { createHash, timingSafeEqual } from 'node:crypto'
import { decodeProtectedHeader, errors, type JWTPayload, jwtVerify, SignJWT } from 'jose'
import { LRUCache } from 'lru-cache'
import { z } from 'zod'
import { AppError } from '../errors.ts'
import { createKeyring, type Keyring, type KeyringOptions } from './keyring.ts'

/** The claims of a user's access token that the service reads. */
export interface UserClaims extends JWTPayload {
  sub: string
  session_id: string
  role: 'authenticated'
  /** Seconds since 1970. */
  exp: number
}

interface User {
  role: 'authenticated'
  sessionId: string
  claims: UserClaims
}

/** Who calls: by the verified bearer, or nobody (`anon`). */
export type Caller = { role: 'anon' | 'service_role' } | User

/** Of the access tokens that a process remembers, together: some 15,000 tokens of the usual length. */
const REMEMBERED_CHARACTERS = 8_000_000

export interface TokenOptions extends KeyringOptions {
  /** `{SITE_URL}/auth/v1`. */
  issuer: string
  /** Seconds that an access token lives. */
  expiry: number
  /** API keys as strings; where they are JWTs by the secret they need not be named. */
  anonKey: string
  serviceRoleKey: string
}

export interface Tokens {
  /** `iss` of the tokens. */
  issuer: string
  /** Signs an access token that lives `expiry` seconds from `now`, or until `expiresAt` (seconds since 1970). */
  sign(claims: Record<string, unknown>, now: number, expiresAt?: number): Promise<string>
  /** Who the bearer of this token is. Raises `bad_jwt`; whether the session lives is for the database to say. */
  verify(token: string): Promise<Caller>
  /** By which user tokens are, or were, signed that others can verify; HS256 where the secret signs them. */
  algorithms: string[]
  /** The public halves of the signing key and of the verification keys; never a secret. */
  jwks: Keyring['jwks']
}

const ApiKeyClaims = z.object({ role: z.enum(['anon', 'service_role']) })
const UserTokenClaims = z.looseObject({
  // Any that PostgreSQL takes: users who were imported keep their ids.
  sub: z.guid(),
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
  const { issuer, expiry } = options
  const { signer, keysFor, jwks } = createKeyring(options)
  const OurClaims = UserTokenClaims.extend({ iss: z.literal(issuer) })
  const apiKeys = [
    { digest: digestOf(options.anonKey), role: 'anon' as const },
    { digest: digestOf(options.serviceRoleKey), role: 'service_role' as const },
  ]
  // What was verified once is good until it ends: the keys are those of the process. By digest, so that a token is in
  // memory no longer than its request.
  const verified = new LRUCache<string, User>({ maxSize: REMEMBERED_CHARACTERS })

  return {
    issuer,
    algorithms: [...new Set([signer.header.alg, ...jwks.keys.map(({ alg }) => alg)])],
    jwks,

    sign: (claims, now, expiresAt = now + expiry) =>
      new SignJWT({ ...claims, iss: issuer, aud: 'authenticated', iat: now, exp: expiresAt })
        .setProtectedHeader(signer.header)
        .sign(signer.key),

    async verify(token) {
      const digest = digestOf(token)
      // Takes as long for a near miss as for a far one.
      const apiKey = apiKeys.find(key => timingSafeEqual(digest, key.digest))
      if (apiKey) return { role: apiKey.role }
      const key = digest.toString('base64')
      const known = verified.get(key)
      if (known && known.claims.exp > Date.now() / 1000) return known
      try {
        const caller = await callerOf(token)
        if (caller.role === 'authenticated') verified.set(key, caller, { size: token.length })
        return caller
      } catch (error) {
        throw new AppError('bad_jwt', { cause: error })
      }
    },
  }

  async function callerOf(token: string): Promise<Caller> {
    const { payload, isBySecret } = await verifySignature(token)
    const apiKey = isBySecret ? ApiKeyClaims.safeParse(payload) : undefined
    return apiKey?.success ? { role: apiKey.data.role } : userOf(payload)
  }

  async function verifySignature(token: string) {
    if (!isCanonical(token)) throw new Error('Another spelling of a token')
    let failure: unknown
    for (const { alg, key, isSecret } of keysFor(decodeProtectedHeader(token))) {
      try {
        const { payload } = await jwtVerify(token, key, { algorithms: [alg] })
        return { payload, isBySecret: isSecret }
      } catch (error) {
        failure = error
        // Another secret may have signed it; what the right one refuses (expired, say) stays refused.
        if (!(error instanceof errors.JWSSignatureVerificationFailed)) break
      }
    }
    throw failure
  }

  function userOf(payload: JWTPayload): User {
    const claims = OurClaims.parse(payload)
    return { role: 'authenticated', sessionId: claims.session_id, claims: claims as UserClaims }
  }
}

/** Decoding base64url is lenient (padding, bits to spare); only the one spelling that was signed is a token. */
const isCanonical = (token: string) =>
  token.split('.').every(part => Buffer.from(part, 'base64url').toString('base64url') === part)

const digestOf = (text: string) => createHash('sha256').update(text).digest()
