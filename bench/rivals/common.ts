import { createHash } from 'node:crypto'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { APPID } from '../keys.ts'

// What every comparison needs and none is measured by.

/** What bench/site.ts tells a comparison. */
export const env = process.env as Record<'DATABASE_URL' | 'WECHAT_API_URL' | 'POOL_SIZE', string>

export const hashOf = (code: string) => createHash('sha256').update(`${APPID}:${code}`).digest()

export interface Phone {
  phoneNumber: string
  purePhoneNumber: string
  countryCode: string
}
export const e164 = ({ countryCode, purePhoneNumber }: Phone) => `+${countryCode}${purePhoneNumber}`

/** Tells bench/site.ts where the server is. */
export const listening = (url: string) => process.stdout.write(`${JSON.stringify({ url })}\n`)

export const listen = (server: Server) =>
  server.listen(0, '127.0.0.1', () => listening(`http://127.0.0.1:${(server.address() as AddressInfo).port}`))
