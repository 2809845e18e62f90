import { z } from 'zod'
import { refreshSession as rotate } from '../db/statements.ts'
import { AppError } from '../errors.ts'
import type { Rpc } from './rpc.ts'
import { type Session, sessionOf, tokenClaims } from './session.ts'

/** Exchanges a refresh token. Then sql/schema/auth_private/refresh_session.sql, one statement. */
export const refreshSession: Rpc<{ refreshToken: string }, { session: Session }> = {
  name: 'refreshSession',
  description:
    'Exchanges a refresh token for a new access token and the next refresh token. Errors: validation_failed, refresh_token_not_found, refresh_token_already_used, session_expired, user_banned, over_request_rate_limit, database_unavailable.',
  sdl: {
    input: '"""The refresh token of the session."""\nrefreshToken: String!',
    payload: '"""The session, with new tokens."""\nsession: Session',
  },
  input: z.object({
    refreshToken: z
      .string({ error: issue => (issue.input === undefined ? 'is missing' : 'is not a string') })
      .min(1, 'is empty')
      .max(1024, 'is too long'),
  }),
  sessionOf: ({ refreshTokens }, { refreshToken }) => refreshTokens.read(refreshToken)?.sessionId,
  entersSession: false,
  async run(services, _call, { refreshToken }) {
    const { db, config, refreshTokens } = services
    const given = refreshTokens.read(refreshToken)
    if (!given) throw new AppError('refresh_token_not_found')
    const { sessionId, counter } = given
    const token = tokenClaims(services)
    const row = await rotate(db, sessionId, counter, config.session, token).catch(ofDeletedUser)
    if (row.state !== 'refreshed') throw new AppError(row.state)
    return { session: await sessionOf(services, { ...row, session_id: sessionId }, token) }
  },
}

/** The session is there and its user is deleted: on this route an ended session has another name (GoTrue). */
function ofDeletedUser(error: unknown): never {
  const isDeleted = error instanceof AppError && error.code === 'session_not_found'
  throw isDeleted ? new AppError('refresh_token_not_found') : error
}
