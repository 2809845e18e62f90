import { z } from 'zod'
import { type UserRow, updateUser } from '../db/statements.ts'
import { isStorableText } from '../db/text.ts'
import { type Rpc, requireUser } from './rpc.ts'

const MAX_DEPTH = 32

/**
 * What is nested without end nobody can read. 1e400 is infinite here and would be null in the database, which takes a key
 * away.
 */
const isStorable = (value: unknown, depth = 0): boolean => {
  if (typeof value === 'string') return isStorableText(value)
  if (typeof value === 'number') return Number.isFinite(value)
  if (typeof value !== 'object' || value === null) return true
  if (depth === MAX_DEPTH) return false
  return Object.entries(value).every(([key, inner]) => isStorable(key) && isStorable(inner, depth + 1))
}

/** Deeper than metadata may be nested it does not look. */
const hasPrototypeKey = (value: unknown, depth = 0): boolean =>
  typeof value === 'object' &&
  value !== null &&
  depth <= MAX_DEPTH &&
  (Object.hasOwn(value, '__proto__') || Object.values(value).some(inner => hasPrototypeKey(inner, depth + 1)))

/**
 * A JSON object that the database can hold; without `__proto__`, as whoever merges that into an object of his own would
 * change its prototype. It is looked for first, because a record drops it.
 */
export const Metadata = z
  .unknown()
  .refine(value => !hasPrototypeKey(value), { message: 'has a key __proto__', abort: true })
  .pipe(
    z
      .record(z.string(), z.unknown(), 'is not a JSON object')
      .refine(
        value => isStorable(value),
        `holds a NUL, half a character or a number without end, or is nested deeper than ${MAX_DEPTH}`,
      ),
  )

/** Changes the user's own metadata. Then sql/schema/auth_private/update_user.sql, one statement. */
export const updateCurrentUser: Rpc<{ userMetadata: Record<string, unknown> }, { user: UserRow }> = {
  name: 'updateCurrentUser',
  description:
    'Merges an object into the metadata of the signed-in user: its keys replace those of the same name, null takes a key away. Errors: validation_failed, no_authorization, session_not_found, user_banned, over_request_rate_limit, database_unavailable.',
  sdl: {
    input:
      '"""An object; at most 4096 bytes of JSON in all, as it is part of every access token."""\nuserMetadata: JSON!',
    payload: '"""The user, with the new metadata."""\nuser: User',
  },
  input: z.object({ userMetadata: Metadata }),
  entersSession: true,
  async run({ db }, { caller }, { userMetadata }) {
    return { user: await updateUser(db, requireUser(caller).sessionId, userMetadata) }
  },
}
