import { z } from 'zod'
import { signOut as end, type SignOutScope } from '../db/statements.ts'
import { type Rpc, requireUser } from './rpc.ts'

/** Ends sessions. Then sql/schema/auth_private/sign_out.sql, one statement. */
export const signOut: Rpc<{ scope?: SignOutScope | null | undefined }, Record<string, never>> = {
  name: 'signOut',
  description:
    'Ends sessions of the signed-in user: all (global, the default), this one (local), or all but this one (others). Errors: validation_failed, no_authorization, session_not_found, user_banned, over_request_rate_limit, database_unavailable.',
  sdl: {
    input: '"""global, local or others; without it, global."""\nscope: String',
    payload: '',
  },
  input: z.object({
    scope: z.enum(['global', 'local', 'others'], 'is neither global, local nor others').nullish(),
  }),
  entersSession: true,
  async run({ db }, { caller }, { scope }) {
    await end(db, requireUser(caller).sessionId, scope ?? 'global')
    return {}
  },
}
