import { z } from 'zod'
import { isStorableText } from '../db/text.ts'
import { parseInput } from '../rpc/rpc.ts'
import type { Fields } from './body.ts'

/** What the service does something about; of whatever else WeChat tells it wants none. */
export const PUSH_EVENTS = [
  'user_info_modified',
  'user_authorization_revoke',
  'user_authorization_cancellation',
] as const

export interface Push {
  event: (typeof PUSH_EVENTS)[number]
  /** Undefined: the body names none. */
  appid: string | undefined
  openid: string
  /** Sorted, each once; empty but for a revocation. */
  revokeInfo: string[]
  createTime: Date
}

const text = z.union([z.string(), z.number()]).transform(value => String(value).trim())
const seconds = z.coerce
  .number('is not a time in seconds')
  .int('is not a time in seconds')
  .min(1, 'is not a time in seconds')
  .max(253_402_300_799, 'is not a time in seconds')
/** WeChat writes "8", "6,8", a number, or a list of them. */
const numbers = z
  .union([text, z.array(text)], 'is neither a number nor a list of numbers')
  .transform(given => [given].flat().flatMap(item => item.split(',').map(part => part.trim())))
  .pipe(
    z
      .array(z.string().regex(/^\d{1,9}$/, 'is neither a number nor a list of numbers'))
      .max(100, 'has more than 100 numbers'),
  )
  .transform(list => [...new Set(list)].sort((a, b) => Number(a) - Number(b)))

const Body = z.object({
  AppID: text.optional(),
  OpenID: z
    .string('is not a text')
    .trim()
    .min(1, 'is empty')
    .max(128, 'is longer than 128 characters')
    .refine(isStorableText, 'has characters that no openid has'),
  CreateTime: seconds,
})

/**
 * A push that is acted upon; undefined: any other. `sentAt`, of the query, stands in where the body has no CreateTime:
 * what is in it must be done all the same. Raises `validation_failed`.
 */
export function pushOf(fields: Fields, sentAt: unknown): Push | undefined {
  const event = PUSH_EVENTS.find(name => name === String(fields.Event).trim())
  if (event === undefined) return undefined
  const { AppID, OpenID, CreateTime } = parseInput(Body, {
    ...fields,
    CreateTime: fields.CreateTime ?? sentAt,
  })
  return {
    event,
    appid: AppID || undefined,
    openid: OpenID,
    revokeInfo: event === 'user_authorization_revoke' ? parseInput(Revocation, fields).RevokeInfo : [],
    createTime: new Date(CreateTime * 1000),
  }
}

const Revocation = z.object({ RevokeInfo: numbers })
