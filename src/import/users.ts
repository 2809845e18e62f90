import type { Kind } from './kinds.ts'
import type { ImportOptions } from './options.ts'
import { maskPhone, parsePhone } from './phone.ts'

/** An openid of a user of the source. */
export interface SourceIdentity {
  /** Null: the source does not say. */
  appid: string | null
  openid: string
  unionid: string | null
  created_at?: string | null
  updated_at?: string | null
  last_sign_in_at?: string | null
}

/** A user as a source tells of him: texts as they stand there, times and JSON in forms that PostgreSQL reads. */
export interface SourceUser {
  /** Of a file. */
  line: number | null
  id: string | null
  phone: string | null
  /** Null: it was never confirmed. Undefined: the source does not say such a thing, so its word is enough. */
  phone_confirmed_at?: string | null
  wechat_id: string | null
  wechat_unionid: string | null
  identities: SourceIdentity[]
  app_metadata: string | null
  user_metadata: string | null
  created_at: string | null
  updated_at: string | null
  last_sign_in_at: string | null
  banned_until: string | null
  /** Columns whose value is of another form; they are null here. */
  illFormed: string[]
}

export interface Conflict {
  kind: Kind
  /** Fit for a terminal: masked, shortened. */
  value: string | null
}

/** A user as he would be here. */
export interface StagedUser extends Omit<SourceUser, 'illFormed' | 'identities'> {
  /** His place in the source. */
  n: number
  identities: (SourceIdentity & { appid: string })[]
  conflicts: Conflict[]
}

export type Choices = Pick<ImportOptions, 'appid' | 'bareNumbers' | 'unconfirmedPhones'>

/** What can be said of a user without looking at others: what stands in the way of him is among his conflicts. */
export function toStaged(user: SourceUser, n: number, choices: Choices): StagedUser {
  const conflicts: Conflict[] = user.illFormed.map(column => ({ kind: 'ill_formed', value: column }))
  const { illFormed: _, ...rest } = user
  return {
    ...rest,
    n,
    app_metadata: objectOf(user, 'app_metadata', conflicts),
    user_metadata: objectOf(user, 'user_metadata', conflicts),
    ...phoneOf(user, choices, conflicts),
    ...wechatOf(user, choices, conflicts),
    conflicts,
  }
}

function objectOf(user: SourceUser, column: 'app_metadata' | 'user_metadata', conflicts: Conflict[]) {
  const json = user[column]?.trim()
  if (!json || json === 'null') return null
  if (json.startsWith('{')) return json
  conflicts.push({ kind: 'ill_formed', value: column })
  return null
}

/** Whether his phone is one that the source never saw confirmed, and that is not wanted therefore. */
export const isDropped = (user: SourceUser, { unconfirmedPhones }: Choices) =>
  user.phone !== null && user.phone_confirmed_at === null && unconfirmedPhones === 'drop'

function phoneOf(user: SourceUser, choices: Choices, conflicts: Conflict[]) {
  const none = { phone: null, phone_confirmed_at: null }
  const parsed = parsePhone(user.phone, choices.bareNumbers)
  if (!parsed) return none
  if (isDropped(user, choices)) return none
  if ('fault' in parsed) {
    conflicts.push({ kind: parsed.fault, value: maskPhone(user.phone!) })
    return none
  }
  if (user.phone_confirmed_at === null && choices.unconfirmedPhones === undefined)
    conflicts.push({ kind: 'phone_unconfirmed', value: maskPhone(parsed.phone) })
  // Of a phone that is only asserted the source's first word is all that is known.
  return { phone: parsed.phone, phone_confirmed_at: user.phone_confirmed_at ?? user.created_at }
}

const APPID = /^wx[0-9a-f]{16}$/
/** WeChat's openids and unionids have 28 characters; it promises no length. */
const ID = /^[\x21-\x7e]{1,128}$/

function wechatOf(user: SourceUser, { appid }: Choices, conflicts: Conflict[]) {
  const found = [...user.identities]
  if (user.wechat_id && !found.some(({ openid }) => openid === user.wechat_id))
    found.push({ appid: null, openid: user.wechat_id, unionid: user.wechat_unionid })
  const ofApps = new Map<string, SourceIdentity & { appid: string }>()
  for (const identity of found) {
    const app = identity.appid ?? appid
    const other = app === undefined ? undefined : ofApps.get(app)
    if (!ID.test(identity.openid)) conflicts.push({ kind: 'ill_formed', value: 'openid' })
    else if (app !== undefined && !APPID.test(app)) conflicts.push({ kind: 'ill_formed', value: 'appid' })
    else if (app === undefined) conflicts.push({ kind: 'app_unknown', value: shorten(identity.openid) })
    else if (other && other.openid !== identity.openid)
      conflicts.push({
        kind: 'openids_of_one_app',
        value: `${app} ${shorten(other.openid)} ${shorten(identity.openid)}`,
      })
    else ofApps.set(app, { ...identity, appid: app })
  }
  const identities = [...ofApps.values()]
  const unionids = [...new Set(found.flatMap(({ unionid }) => unionid ?? []))]
  if (!user.wechat_unionid && unionids.length > 1)
    conflicts.push({ kind: 'unionids_of_one_user', value: unionids.map(shorten).join(' ') })
  const unionid = user.wechat_unionid ?? unionids[0] ?? null
  if ([...unionids, unionid].some(id => id !== null && !ID.test(id)))
    conflicts.push({ kind: 'ill_formed', value: 'unionid' })
  const [only, second] = identities
  if (only && !second) only.unionid ??= unionid
  return { wechat_id: user.wechat_id ?? found[0]?.openid ?? null, wechat_unionid: unionid, identities }
}

/** An openid or unionid fit for a terminal. */
export const shorten = (id: string) => `${id.slice(0, 6)}…`
