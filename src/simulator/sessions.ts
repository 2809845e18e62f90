import { createCipheriv, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'

/** Users whose session_key is known; who signed in longest ago is forgotten. */
const KEPT = 100_000

/** The session_key of every user, as it was told last. A sign-in or a reset makes another one, and the one before is invalid. */
export class SessionStore {
  readonly #keys = new Map<string, string>()

  /** A new session_key: the Base64 of 16 bytes. */
  renew(appid: string, openid: string): string {
    const user = `${appid} ${openid}`
    const key = randomBytes(16).toString('base64')
    // A Map keeps the order of insertion, so that the first is the oldest.
    this.#keys.delete(user)
    this.#keys.set(user, key)
    if (this.#keys.size > KEPT) this.#keys.delete(this.#keys.keys().next().value!)
    return key
  }

  /** Whether `signature` is hmac_sha256(session_key, "") of this user, in lower-case hexadecimal digits. */
  isSigned(appid: string, openid: string, signature: string): boolean {
    const key = this.#keys.get(`${appid} ${openid}`)
    if (key === undefined) return false
    const expected = Buffer.from(createHmac('sha256', key).update('').digest('hex'))
    const given = Buffer.from(signature)
    return given.length === expected.length && timingSafeEqual(given, expected)
  }

  /**
   * What a client below base library 2.21.2 gets from its phone button: `data` as JSON under the session_key, by AES-128-CBC.
   * Undefined where the user has never signed in.
   */
  encrypt(appid: string, openid: string, data: object): { encryptedData: string; iv: string } | undefined {
    const key = this.#keys.get(`${appid} ${openid}`)
    if (key === undefined) return undefined
    const iv = randomBytes(16)
    const cipher = createCipheriv('aes-128-cbc', Buffer.from(key, 'base64'), iv)
    const encryptedData = cipher.update(JSON.stringify(data), 'utf8', 'base64') + cipher.final('base64')
    return { encryptedData, iv: iv.toString('base64') }
  }
}
