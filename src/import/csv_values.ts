import { z } from 'zod'
import { isStorableText } from '../db/text.ts'
import type { SourceUser } from './users.ts'

/** The columns of a file; only the id must be there. */
export const columns = [
  'id',
  'phone',
  'phone_confirmed_at',
  'openid',
  'unionid',
  'appid',
  'user_metadata',
  'app_metadata',
  'created_at',
  'updated_at',
  'last_sign_in_at',
  'banned_until',
] as const
export type Column = (typeof columns)[number]
export type Values = Partial<Record<Column, string>>

const Uuid = z.string().regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i)
// PostgreSQL knows no year 0, and no offset of 16 hours.
const Time = z.iso
  .datetime({ offset: true, local: true })
  .refine(time => !/^0000|[+-](1[6-9]|2\d):\d\d$/.test(time))
  .or(z.iso.date().refine(date => !date.startsWith('0000')))

/** ISO 8601 as most programs write it, and as PostgreSQL does: with a space, and +00. Without a zone it is UTC. */
const readTime = (text: string) =>
  Time.safeParse(
    text
      .replace(/^(\d{4}-\d\d-\d\d) +/, '$1T')
      .replace(/(:\d\d(?:\.\d+)?) ?([+-]\d\d)$/, '$1$2:00')
      .replace(/(:\d\d(?:\.\d+)?) ?([+-]\d\d)(\d\d)$/, '$1$2:$3'),
  ).data

/** The text itself, so that PostgreSQL sees the numbers as they are written; what it cannot keep is refused. */
function readObject(text: string): string | undefined {
  try {
    const value: unknown = JSON.parse(text, (key, member) => {
      for (const part of [key, member])
        if (typeof part === 'string' && !isStorableText(part)) throw new Error()
      return member
    })
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? text : undefined
  } catch {
    return undefined
  }
}

/** One line of a file as a user; what cannot be read is named by its column. */
export function toUser(line: number, values: Values): SourceUser {
  const illFormed: string[] = []
  const read = (column: Column, reader: (text: string) => string | undefined) => {
    const text = values[column]?.trim()
    if (!text) return null
    const value = reader(text)
    if (value === undefined) illFormed.push(column)
    return value ?? null
  }
  const text = (column: Column) => read(column, value => (value.includes('\0') ? undefined : value))
  const time = (column: Column) => read(column, readTime)
  const id = read('id', value => Uuid.safeParse(value).data)
  if (!values.id?.trim()) illFormed.push('id')
  const openid = text('openid')
  const unionid = text('unionid')
  return {
    line,
    id,
    phone: text('phone'),
    // A file that has no such column is the word of whoever made it.
    ...('phone_confirmed_at' in values ? { phone_confirmed_at: time('phone_confirmed_at') } : {}),
    wechat_id: openid,
    wechat_unionid: unionid,
    identities: openid === null ? [] : [{ appid: text('appid'), openid, unionid }],
    user_metadata: read('user_metadata', readObject),
    app_metadata: read('app_metadata', readObject),
    created_at: time('created_at'),
    updated_at: time('updated_at'),
    last_sign_in_at: time('last_sign_in_at'),
    banned_until: time('banned_until'),
    illFormed,
  }
}
