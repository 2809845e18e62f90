import { createDecipheriv } from 'node:crypto'

const RANDOM = 16
const LENGTH = 4
const BLOCK = 32

export interface Decrypted {
  message: string
  appid: string
}

/**
 * What WeChat encrypted: 16 random bytes, the message's length, the message, the appid, by AES-256-CBC, whose IV is the
 * key's beginning, padded as PKCS#7 to 32 bytes. Undefined: it is nothing that was encrypted with this key. Look at the
 * signature before.
 */
export function decrypt(key: Buffer, encrypted: string): Decrypted | undefined {
  const bytes = Buffer.from(encrypted, 'base64')
  if (bytes.length === 0 || bytes.length % BLOCK !== 0) return undefined
  const decipher = createDecipheriv('aes-256-cbc', key, key.subarray(0, 16)).setAutoPadding(false)
  const plain = unpad(Buffer.concat([decipher.update(bytes), decipher.final()]))
  if (!plain || plain.length < RANDOM + LENGTH) return undefined
  const end = RANDOM + LENGTH + plain.readUInt32BE(RANDOM)
  if (end > plain.length) return undefined
  try {
    const utf8 = new TextDecoder('utf-8', { fatal: true })
    return {
      message: utf8.decode(plain.subarray(RANDOM + LENGTH, end)),
      appid: utf8.decode(plain.subarray(end)),
    }
  } catch {
    return undefined
  }
}

function unpad(padded: Buffer): Buffer | undefined {
  const count = padded.at(-1)!
  if (count < 1 || count > BLOCK) return undefined
  const plain = padded.subarray(0, -count)
  return padded.subarray(-count).every(byte => byte === count) ? plain : undefined
}
