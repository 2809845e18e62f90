// What administrators ask for in the query of a list, for src/rest/admin_routes.ts.
import type { Request } from 'express'
import { z } from 'zod'
import { Uuid } from './admin_input.ts'

const once = z.string('is given more than once')

const wholeNumber = (most: number, otherwise: number) =>
  once
    .regex(/^([1-9]\d{0,8})?$/, 'is not a positive whole number')
    // auth-js sends the name without a value where it was told none.
    .transform(digits => Number(digits || otherwise))
    .refine(value => value <= most, `is more than ${most}`)
    .default(otherwise)
const maybeEmpty = once
  .max(128, 'is longer than 128 characters')
  .refine(value => !value.includes('\0'), 'holds a NUL')
const text = maybeEmpty.min(1, 'is empty')

/** A plus in a query arrives as a space. */
const phone = text
  .regex(/^[+ ]?\d{1,15}$/, 'is not a phone number')
  .transform(value => value.replace(' ', '+'))

const Page = z.object({ page: wholeNumber(1_000_000, 1), per_page: wholeNumber(1_000, 50) })

/** GoTrue's header. auth-js reads one digit after the first `=` of each link, so page comes first. */
export function linksOf(
  { baseUrl, path }: Request,
  { page, per_page, ...filter }: z.output<typeof Page> & Record<string, unknown>,
  total: number,
): string {
  const last = Math.max(1, Math.ceil(total / per_page))
  const rest = Object.entries({ per_page, ...filter })
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `&${name}=${value}`)
  const link = (to: number, rel: string) => `<${baseUrl}${path}?page=${to}${rest.join('')}>; rel="${rel}"`
  return [...(page < last ? [link(page + 1, 'next')] : []), link(last, 'last')].join(', ')
}

export const AuditQuery = Page.extend({
  user_id: Uuid.optional(),
  action: text.regex(/^[a-z_]+$/, 'is not the name of an action').optional(),
})

export const UsersQuery = Page.extend({
  id: Uuid.optional(),
  phone: phone.optional(),
  openid: text.optional(),
  filter: maybeEmpty.optional(),
})
  .refine(({ filter, id, phone, openid }) => !filter || (id ?? phone ?? openid) === undefined, {
    path: ['filter'],
    message: 'is given beside id, phone or openid',
  })
  .transform(({ filter, ...query }) => ({ ...query, ...byFilter(filter) }))

/** As auth.admin_find_user: +… or digits is a phone, a uuid an id, anything else an openid. */
function byFilter(filter: string | undefined) {
  if (!filter) return {}
  if (/^[+ ]?\d{5,15}$/.test(filter)) return { phone: filter.replace(' ', '+') }
  return Uuid.safeParse(filter).success ? { id: filter } : { openid: filter }
}
