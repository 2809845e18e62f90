import type { OpenSession, UserRow } from '../db/statements.ts'
import type { Services } from '../services.ts'

/** What a client needs to act as its user; GoTrue's session, in GraphQL's spelling. */
export interface Session {
  accessToken: string
  refreshToken: string
  tokenType: 'bearer'
  /** Seconds. */
  expiresIn: number
  /** Seconds since 1970. */
  expiresAt: number
  user: UserRow
}

/** The tokens of a session as the database has just opened or refreshed it. */
export async function sessionOf(
  { tokens, refreshTokens, config }: Services,
  row: OpenSession,
): Promise<Session> {
  const { user_json: user, session_id: sessionId } = row
  const now = Math.floor(Date.now() / 1000)
  const accessToken = await tokens.sign(
    {
      sub: user.id,
      phone: user.phone ?? '',
      app_metadata: user.app_metadata,
      user_metadata: user.user_metadata,
      role: 'authenticated',
      aal: 'aal1',
      amr: [{ method: 'wechat_mini', timestamp: Math.floor(row.signed_in_at.getTime() / 1000) }],
      session_id: sessionId,
      is_anonymous: false,
    },
    now,
  )
  return {
    accessToken,
    refreshToken: refreshTokens.make(sessionId, BigInt(row.refresh_counter)),
    tokenType: 'bearer',
    expiresIn: config.jwt.expiry,
    expiresAt: now + config.jwt.expiry,
    user,
  }
}
