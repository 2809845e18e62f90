import type { KeyObject } from 'node:crypto'
import { errors, type JWTHeaderParameters, type ProtectedHeaderParameters } from 'jose'
import {
  type AsymmetricJwk,
  algorithmOf,
  privateKeyOf,
  publicJwkOf,
  publicKeyOf,
  type VerificationKey,
} from './jwk.ts'

// Which key signs, and which keys may have signed a token: by our own configuration and the header's alg and kid. Keys
// that a token brings are ignored.

export interface KeyringOptions {
  /** HS256 secret of the API keys, and of user tokens where there is no signing key. */
  secret: string
  /** Private JWK, ES256 (EC, P-256) or RS256 (RSA). */
  signingKey: AsymmetricJwk | undefined
  /** Keys that have signed user tokens before, or will; former secrets (`oct`) among them. */
  verificationKeys: VerificationKey[]
}

interface Key {
  alg: 'HS256' | 'ES256' | 'RS256'
  kid: string | undefined
  key: KeyObject | Uint8Array
  /** The present JWT_SECRET: it alone makes API keys. */
  isSecret: boolean
}

export interface Keyring {
  /** Signs user tokens. */
  signer: { header: JWTHeaderParameters; key: KeyObject | Uint8Array }
  /** Which keys may have signed what has this header. Raises where its algorithm is none of ours, or its key unknown. */
  keysFor(header: ProtectedHeaderParameters): Key[]
  /** The public halves (RFC 7517). */
  jwks: { keys: ReturnType<typeof publicJwkOf>[] }
}

export function createKeyring({ secret, signingKey, verificationKeys }: KeyringOptions): Keyring {
  const asymmetric = [signingKey ?? [], ...verificationKeys.filter(isAsymmetric)].flat()
  const publicKeys = asymmetric.map((jwk): Key => {
    const { kty, kid } = jwk
    return { alg: algorithmOf[kty], kid, key: publicKeyOf(jwk), isSecret: false }
  })
  const present: Key = { alg: 'HS256', kid: undefined, key: new TextEncoder().encode(secret), isSecret: true }
  const former = verificationKeys.flatMap(({ kty, kid, k }): Key[] =>
    kty === 'oct' ? [{ alg: 'HS256', kid, key: Buffer.from(k as string, 'base64url'), isSecret: false }] : [],
  )
  const algorithms = new Set<unknown>(['HS256', ...publicKeys.map(({ alg }) => alg)])

  return {
    signer: signingKey
      ? {
          header: { alg: algorithmOf[signingKey.kty], kid: signingKey.kid, typ: 'JWT' },
          key: privateKeyOf(signingKey),
        }
      : { header: { alg: 'HS256', typ: 'JWT' }, key: present.key },

    keysFor({ alg, kid }) {
      if (!algorithms.has(alg)) throw new errors.JOSEAlgNotAllowed('Not an algorithm of ours')
      const named = [...publicKeys, ...former].filter(key => key.kid === kid)
      // Secrets sign without a kid. Others may name one of their own; one of ours is that key, and no other.
      const keys = alg === 'HS256' && named.length === 0 ? [present, ...former] : named
      const fitting = keys.filter(key => key.alg === alg)
      if (fitting.length === 0) throw new Error('No such key')
      return fitting
    },

    jwks: { keys: asymmetric.map(publicJwkOf) },
  }
}

const isAsymmetric = (jwk: VerificationKey): jwk is VerificationKey & AsymmetricJwk => jwk.kty !== 'oct'
