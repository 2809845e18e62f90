import { createHash, timingSafeEqual } from 'node:crypto'

/** WeChat's signature: SHA-1 of the parts, the token among them, sorted and joined. */
export const signatureOf = (parts: string[]) =>
  createHash('sha1').update(parts.toSorted().join('')).digest('hex')

/** Whether `given` is their signature; what is missing in a query, or stands there twice, is no text and signs nothing. */
export function isSigned(given: unknown, parts: unknown[]): boolean {
  if (typeof given !== 'string' || !parts.every(isText)) return false
  const [expected, actual] = [signatureOf(parts as string[]), given].map(text => Buffer.from(text))
  return actual!.length === expected!.length && timingSafeEqual(actual!, expected!)
}

const isText = (part: unknown) => typeof part === 'string' && part !== ''
