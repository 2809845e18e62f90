import { createHmac, type KeyObject } from 'node:crypto'

/** How the ledger knows a code: HMAC-SHA256 of appid and code, by the current key first, then by old ones. */
export const codeHashes = (keys: KeyObject[], appid: string, code: string) =>
  keys.map(key => createHmac('sha256', key).update(`code:${appid}:${code}`).digest())
