import { randomBytes } from 'node:crypto'
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK } from 'jose'
import { type AsymmetricJwk, publicJwkOf } from './tokens/jwk.ts'
import { makeApiKey } from './tokens/jwt.ts'

// Before: `postgraphile-wechat keys`, src/main.ts. The lines are for a .env file, or for a shell to source.

export type SigningAlgorithm = 'ES256' | 'RS256'

/** JSON has no single quotes where nothing of it is anybody's text. */
const quoted = (value: object) => `'${JSON.stringify(value)}'`

/** A new key pair, named by its thumbprint (RFC 7638), as a signing key and, in a comment, as a verification key. */
export async function newSigningKey(algorithm: SigningAlgorithm): Promise<string> {
  const { privateKey } = await generateKeyPair(algorithm, { extractable: true })
  const pair: JWK = await exportJWK(privateKey)
  const jwk = { ...pair, kid: await calculateJwkThumbprint(pair) } as AsymmetricJwk
  return `# A new key (${algorithm}) for user tokens. Where another signs them already, or where there are several nodes, all
# nodes have to know this one before any of them signs with it (docs/keys.md):
# JWT_VERIFICATION_KEYS=${quoted([publicJwkOf(jwk)])}
JWT_SIGNING_KEY=${quoted(jwk)}
`
}

/** A new JWT_SECRET with its API keys, and a DATA_KEY of its own, so that the two can be replaced apart. */
export async function newSecrets(): Promise<string> {
  const random = () => randomBytes(32).toString('base64url')
  const secret = random()
  return `JWT_SECRET=${secret}
ANON_KEY=${await makeApiKey(secret, 'anon')}
SERVICE_ROLE_KEY=${await makeApiKey(secret, 'service_role')}
DATA_KEY=${random()}
`
}
