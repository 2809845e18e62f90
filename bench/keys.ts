import { createSecretKey, hkdfSync } from 'node:crypto'
import { createRefreshTokens } from '../src/tokens/refresh_token.ts'

// What the service and those with which it is compared are set up with, so that all know the same people and tokens.

export const JWT_SECRET = 'a secret of the benchmark, 32 bytes or more'
export const DATA_KEY = Buffer.alloc(32, 'bench').toString('base64')
export const SITE_URL = 'http://bench.test'
export const ISSUER = `${SITE_URL}/auth/v1`
export const APPID = 'wx0000000000000000'

/** By the key that src/config.ts makes of DATA_KEY. */
export const refreshTokens = createRefreshTokens([
  createSecretKey(Buffer.from(hkdfSync('sha256', DATA_KEY, '', 'postgraphile-wechat data key', 32))),
])
