import { decodeJwt } from 'jose'
import type { Node } from '../../support/service.ts'

/** The access token of a session, as it was issued two hours ago. */
export function expiredToken({ services }: Node, token: string): Promise<string> {
  const { iss, aud, iat, exp, ...claims } = decodeJwt(token)
  const now = Math.floor(Date.now() / 1000)
  return services.tokens.sign(claims, now - 7_200, now - 3_600)
}
