import { createHmac, type KeyObject, timingSafeEqual } from 'node:crypto'

// version (1 byte) + session id (16) + counter (8) + HMAC-SHA256 of all that (32), base64url. The database keeps the
// id and the counter alone, so a token can be given again after a lost answer and cannot be made from a stolen table.
const VERSION = 1
const BODY_BYTES = 25
const MAC_BYTES = 32

export interface RefreshTokens {
  make(sessionId: string, counter: bigint): string
  /** Undefined: not one of ours. */
  read(token: string): { sessionId: string; counter: bigint } | undefined
}

/** `keys`: 32 bytes each; the first makes tokens, every one is recognised. */
export function createRefreshTokens(keys: KeyObject[]): RefreshTokens {
  const mac = (key: KeyObject, body: Buffer) =>
    createHmac('sha256', key).update('refresh token').update(body).digest()

  return {
    make(sessionId, counter) {
      const body = Buffer.alloc(BODY_BYTES)
      body.writeUInt8(VERSION, 0)
      body.write(sessionId.replaceAll('-', ''), 1, 'hex')
      body.writeBigInt64BE(counter, 17)
      return Buffer.concat([body, mac(keys[0]!, body)]).toString('base64url')
    },

    read(token) {
      const bytes = Buffer.from(token, 'base64url')
      // base64url decoding is lenient; only the one spelling that we made is ours.
      if (bytes.length !== BODY_BYTES + MAC_BYTES || bytes.toString('base64url') !== token) return undefined
      const body = bytes.subarray(0, BODY_BYTES)
      if (!keys.some(key => timingSafeEqual(mac(key, body), bytes.subarray(BODY_BYTES)))) return undefined
      const hex = body.toString('hex', 1, 17)
      return {
        sessionId: hex.replace(/(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-'),
        counter: body.readBigInt64BE(17),
      }
    },
  }
}
