import { createHmac, generateKeyPairSync, type KeyObject, sign as signBytes } from 'node:crypto'
import type { SignedIn } from '../support/client.ts'
import { JWT_SECRET, type Node } from '../support/service.ts'

// What a forger has: keys of others, a good token of his own, and tools to take it apart.

export type Kind = 'HS256' | 'ES256' | 'RS256'
export const KID = 'the-key'
export const pairs = {
  ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  RS256: generateKeyPairSync('rsa', { modulusLength: 2048 }),
  stranger: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
}

/** The environment of a node that signs by this algorithm. */
export const signingEnv = (kind: Kind) =>
  kind === 'HS256'
    ? {}
    : { JWT_SIGNING_KEY: JSON.stringify({ ...pairs[kind].privateKey.export({ format: 'jwk' }), kid: KID }) }

export const now = () => Math.floor(Date.now() / 1000)

export const part = (value: unknown) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')

/** A JWT as anybody might make it: any header, any payload, any key. A string is an HMAC's secret. */
export function jwt(header: unknown, payload: unknown, key: string | KeyObject): string {
  const input = `${part(header)}.${part(payload)}`
  const mac =
    typeof key === 'string'
      ? createHmac('sha256', key).update(input).digest()
      : signBytes('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' })
  return `${input}.${mac.toString('base64url')}`
}

/** What is right about a user's token of a node, to be bent. */
export function createBench(kind: Kind, { services }: Node, user: SignedIn) {
  const key = kind === 'HS256' ? JWT_SECRET : pairs[kind].privateKey
  const [head, payload, mac] = user.accessToken.split('.') as [string, string, string]
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString())
  const header = { alg: kind, typ: 'JWT', ...(kind !== 'HS256' && { kid: KID }) }
  return {
    ...{ kind, key, head, payload, mac, claims, header },
    ...{ good: user.accessToken, refresh: user.refreshToken, apiKeys: services.apiKeys },
    /** Rightly signed, with other claims and header; undefined removes one. */
    signed: (more: object, headers: object = {}) =>
      jwt({ ...header, ...headers }, { ...claims, ...more }, key),
    /** Rightly signed, the payload as text. */
    raw: (text: string) => jwt(header, text, key),
  }
}
export type Bench = ReturnType<typeof createBench>
