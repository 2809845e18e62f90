import type { OpenSession, TokenClaims, UserRow } from '../db/statements.ts'
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

/** Access tokens live so long, even in the last minutes of a session: existing clients cannot follow less. Seconds. */
const LEAST_EXPIRY = 300

const seconds = (date: Date) => Math.floor(date.getTime() / 1000)

/** What the access token of a session that is opened or refreshed now will say of itself. */
export function tokenClaims({ tokens, config }: Services): TokenClaims {
  const iat = seconds(new Date())
  return { iss: tokens.issuer, aud: 'authenticated', iat, exp: iat + config.jwt.expiry }
}

/** The tokens of a session as the database has just opened or refreshed it. */
export async function sessionOf(
  { tokens, refreshTokens, config }: Services,
  { user_json: user, session_id: sessionId, refresh_counter: counter, signed_in_at, claims }: OpenSession,
  { iat, exp }: TokenClaims,
): Promise<Session> {
  const { timebox } = config.session
  const end = timebox === null ? exp : Math.max(seconds(signed_in_at) + timebox, iat + LEAST_EXPIRY)
  const expiresAt = Math.min(exp, end)
  return {
    accessToken: await tokens.sign(claims, iat, expiresAt),
    refreshToken: refreshTokens.make(sessionId, BigInt(counter)),
    tokenType: 'bearer',
    expiresIn: expiresAt - iat,
    expiresAt,
    user,
  }
}
