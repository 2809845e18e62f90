import type { Config } from '../config.ts'
import type { IdentityRow, UserRow } from '../db/statements.ts'
import type { Session } from '../rpc/session.ts'
import { formatPhone } from '../wechat/phone.ts'

type PhoneFormat = Config['phoneFormat']

const identityJson = (row: IdentityRow) => ({
  identity_id: row.id,
  id: row.provider_id,
  user_id: row.user_id,
  identity_data: { sub: row.provider_id, appid: row.appid, ...(row.unionid && { unionid: row.unionid }) },
  provider: row.provider,
  last_sign_in_at: row.last_sign_in_at,
  created_at: row.created_at,
  updated_at: row.updated_at,
})

/** The bare user as MemFire's SDK and auth-js expect him. It has no key `user`: auth-js would take that for the user. */
export const userJson = (user: UserRow, format: PhoneFormat) => ({
  id: user.id,
  aud: 'authenticated',
  role: 'authenticated',
  email: '',
  phone: formatPhone(user.phone, format),
  ...(user.phone_confirmed_at && { phone_confirmed_at: user.phone_confirmed_at }),
  wechat_id: user.wechat_id ?? '',
  wechat_unionid: user.wechat_unionid ?? '',
  last_sign_in_at: user.last_sign_in_at,
  app_metadata: user.app_metadata,
  user_metadata: user.user_metadata,
  identities: user.identities.map(identityJson),
  created_at: user.created_at,
  updated_at: user.updated_at,
  is_anonymous: false,
  ...(user.banned_until && { banned_until: user.banned_until }),
  ...(user.deleted_at && { deleted_at: user.deleted_at }),
  ...(user.merged_into && { merged_into: user.merged_into }),
})

/** GoTrue's session (AccessTokenResponse). */
export const sessionJson = (session: Session, format: PhoneFormat) => ({
  access_token: session.accessToken,
  token_type: session.tokenType,
  expires_in: session.expiresIn,
  expires_at: session.expiresAt,
  refresh_token: session.refreshToken,
  user: userJson(session.user, format),
})
