import { AppError } from '../errors.ts'
import { type Fields, fieldsOf } from './body.ts'
import { decrypt } from './cipher.ts'
import { isSigned } from './signature.ts'

/** How WeChat proves itself: by the token alone, or, where there is a key, by what it encrypted and signed. */
export interface PushKeys {
  token: string
  aesKey: Buffer | undefined
}

export interface Opened {
  fields: Fields
  /** Of the encrypted part. */
  appid: string | undefined
}

type Query = Record<string, unknown>

const FRESH_SECONDS = 600

/** Whoever is refused here is not WeChat, or has other keys than this service. */
const refused = (message: string) => new AppError('no_authorization', { status: 403, message })

/** Raises `no_authorization` (403) unless WeChat signed this request. It does not sign a body that way. */
export function requireSigned({ token }: PushKeys, { signature, timestamp, nonce }: Query): void {
  if (!isSigned(signature, [token, timestamp, nonce])) throw refused('The signature is not right')
}

/**
 * The members of a push that WeChat has sent. Where there is a key, what is encrypted counts and nothing beside it. WeChat's
 * page asks for a key in its plain mode too, so a push without an encrypted part is taken as well, but only at its time: the plain
 * signature does not cover the body, and whoever finds one address in a log could write any body to it, and by that delete
 * accounts. Raises `no_authorization` (403), `validation_failed`.
 */
export function open(keys: PushKeys, apps: string[], query: Query, body: string): Opened {
  if (!keys.aesKey) {
    requireSigned(keys, query)
    return { fields: readable(fieldsOf(body)), appid: undefined }
  }
  const fields = fieldsOf(body)
  const { Encrypt } = fields
  const { msg_signature, timestamp, nonce } = query
  if (typeof Encrypt !== 'string') {
    requireSigned(keys, query)
    if (!isFresh(timestamp)) throw refused('The push is not encrypted, and not of this time')
    return { fields, appid: undefined }
  }
  if (!isSigned(msg_signature, [keys.token, timestamp, nonce, Encrypt]))
    throw refused('The signature is not right')
  const decrypted = decrypt(keys.aesKey, Encrypt)
  if (!decrypted) throw refused('The push was encrypted with another key')
  if (!apps.includes(decrypted.appid)) throw refused('The push was encrypted for another app')
  return { fields: fieldsOf(decrypted.message), appid: decrypted.appid }
}

/** WeChat's clock and ours may differ, and it repeats what was not answered. */
const isFresh = (timestamp: unknown) => Math.abs(Date.now() / 1000 - Number(timestamp)) <= FRESH_SECONDS

/** WeChat's compatible mode sends both; in its safe mode there is nothing to read without the key. */
function readable(fields: Fields): Fields {
  if (fields.Event !== undefined || fields.Encrypt === undefined) return fields
  throw new AppError('validation_failed', {
    message: 'The push is encrypted, and WECHAT_PUSH_AES_KEY is not set',
  })
}
