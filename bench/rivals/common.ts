import { createHash, hkdfSync } from 'node:crypto'
import { createRefreshTokens } from '../../src/tokens/refresh_token.ts'

// What every comparison needs and none is measured by.

/** What bench/site.ts tells a comparison. */
export const env = process.env as Record<
  'DATABASE_URL' | 'JWT_SECRET' | 'WECHAT_API_URL' | 'ISSUER' | 'DATA_KEY' | 'POOL_SIZE',
  string
>
export const APPID = 'wx0000000000000000'

/** The same refresh tokens as ours (src/config.ts), so that all can rotate the same sessions. */
export const refreshTokens = createRefreshTokens([
  Buffer.from(hkdfSync('sha256', env.DATA_KEY, '', 'postgraphile-wechat data key', 32)),
])

export const hashOf = (code: string) => createHash('sha256').update(`${APPID}:${code}`).digest()

export interface Phone {
  phoneNumber: string
  purePhoneNumber: string
  countryCode: string
}
export const e164 = ({ countryCode, purePhoneNumber }: Phone) => `+${countryCode}${purePhoneNumber}`

export const listening = (url: string) => process.stdout.write(`${JSON.stringify({ url })}\n`)
