// What administrators send, for src/rest/admin_routes.ts.
import { z } from 'zod'
import type { UserChanges } from '../db/admin_statements.ts'
import { isStorableText } from '../db/text.ts'
import { Metadata } from '../rpc/update_current_user.ts'
import { isAssigned, isOfTwoCountries, toE164 } from '../wechat/phone.ts'
import { BanDuration } from './ban_duration.ts'

export const Uuid = z.guid('is not a uuid')

const WITH_COUNTRY = 'write it with plus and country code'

/** E.164 with plus, or without it, as auth-js sends phones; empty: none. */
const Phone = z.string('is not a string').transform((text, { addIssue }) => {
  const fail = (why: string) => {
    addIssue(why)
    return z.NEVER
  }
  if (text === '') return ''
  if (!/^\+?[1-9]\d{4,14}$/.test(text)) return fail('is not an E.164 number: plus, country code, number')
  if (isOfTwoCountries(text)) return fail(`could be a mainland or a North American number: ${WITH_COUNTRY}`)
  const phone = toE164({ phoneNumber: `+${text.replace('+', '')}` })
  if (phone === undefined) return fail(`is not a phone number: ${WITH_COUNTRY}`)
  return text.startsWith('+') || isAssigned(phone) ? phone : fail(`is not a number in use: ${WITH_COUNTRY}`)
})

/** The numbers that a search may mean: a bare one may be national, as REST answers show those of the mainland. */
export const searchedPhones = (text: string): string[] =>
  text.startsWith('+') ? [text] : [`+86${text}`, `+${text}`]

export const Reason = z
  .string('is not a string')
  .regex(/\S/, 'is empty')
  .max(500, 'is longer than 500 characters')
  .refine(isStorableText, 'holds a NUL or half a character')
  .nullish()
  .transform(reason => reason ?? 'over REST, with the service-role key')

/** What a user does not have here; null is what clients send for nothing. */
const foreign = (why: string) =>
  z
    .unknown()
    .refine(value => value === undefined || value === null, why)
    .optional()
const NO_EMAIL = 'cannot be set: there are no e-mail addresses and passwords here'

const UserBody = z.object({
  phone: Phone.nullish(),
  phone_confirm: z.literal(true, 'is not true: only phones that somebody vouches for are kept').nullish(),
  user_metadata: Metadata.nullish(),
  app_metadata: Metadata.nullish(),
  ban_duration: BanDuration.nullish(),
  role: z.literal('authenticated', 'is not authenticated: users have no other role').nullish(),
  reason: Reason,
  email: foreign(NO_EMAIL),
  email_confirm: foreign(NO_EMAIL),
  password: foreign(NO_EMAIL),
  password_hash: foreign(NO_EMAIL),
  nonce: foreign(NO_EMAIL),
})

const changesOf = (body: z.output<typeof UserBody>): UserChanges => ({
  ...(typeof body.phone === 'string' && { phone: body.phone }),
  ...(body.user_metadata && { user_metadata: body.user_metadata }),
  ...(body.app_metadata && { app_metadata: body.app_metadata }),
  ...(typeof body.ban_duration === 'number' && { ban_seconds: body.ban_duration }),
})

export const UpdatedUser = UserBody.extend({
  id: foreign('cannot be changed'),
}).transform(body => ({ changes: changesOf(body), reason: body.reason }))

export const CreatedUser = UserBody.extend({ id: Uuid.nullish() }).transform(body => ({
  id: body.id ?? undefined,
  changes: changesOf(body),
  reason: body.reason,
}))

export const Deletion = z.object({
  should_soft_delete: z.boolean('is neither true nor false').nullish(),
  reason: Reason,
})
export const SessionsEnd = z.object({ reason: Reason })
