import { AppError } from '../errors.ts'
import type { Caller, Tokens } from './jwt.ts'

/** The headers that say who calls. */
export interface CredentialHeaders {
  authorization?: string | undefined
  apikey?: string | undefined
}

/**
 * Who calls: the bearer of `Authorization`, else of `apikey`, else nobody (`anon`). A token that is no good is an
 * error, never anon: raises `bad_jwt`.
 */
export async function callerOf(
  tokens: Tokens,
  { authorization, apikey }: CredentialHeaders,
): Promise<Caller> {
  if (authorization !== undefined) {
    const bearer = /^Bearer +(\S+) *$/i.exec(authorization)?.[1]
    if (bearer === undefined)
      throw new AppError('bad_jwt', { message: 'Authorization is not "Bearer <token>"' })
    return tokens.verify(bearer)
  }
  return apikey ? tokens.verify(apikey) : { role: 'anon' }
}
