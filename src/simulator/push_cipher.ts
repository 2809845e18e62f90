import { createCipheriv, createHash, randomBytes } from 'node:crypto'

// WeChat's side of a push, written from its description and not from src/push, so that each is a test of the other.

/** The lower-case hexadecimal SHA-1 of the parts in alphabetical order. */
export function sign(parts: string[]): string {
  const hash = createHash('sha1')
  for (const part of [...parts].sort()) hash.update(part)
  return hash.digest('hex')
}

/** 16 random bytes, four bytes of length, the message and the appid, filled up to a multiple of 32; Base64. */
export function encrypt(key: Buffer, message: string, appid: string): string {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(Buffer.byteLength(message))
  const content = Buffer.concat([randomBytes(16), length, Buffer.from(message), Buffer.from(appid)])
  const fill = 32 - (content.length % 32)
  const cipher = createCipheriv('aes-256-cbc', key, key.subarray(0, 16))
  cipher.setAutoPadding(false)
  return (
    cipher.update(Buffer.concat([content, Buffer.alloc(fill, fill)]), undefined, 'base64') +
    cipher.final('base64')
  )
}
