import { AuthInvalidJwtError, AuthSessionMissingError } from '@supabase/auth-js'
import type { AuthJsWorld } from './auth_js_world.ts'
import type { Entry } from './entry.ts'
import { REFRESH } from './session.ts'
import { endSessions, now } from './world.ts'

// What Supabase's client does in a way of its own.

const refreshes: Entry<AuthJsWorld>[] = [
  {
    method: 'refreshSession',
    when: 'while the database is away',
    asks: REFRESH,
    outcome: 'works',
    error: { status: 503, code: 'database_unavailable' },
    note: 'the client tries again by itself, for 30 seconds; the session stays',
    async probe(world) {
      const { wire } = world.site
      world.onAnswer = () => {
        expect(world.stored()).toEqual(world.session)
        return wire.mend()
      }
      const { data, error } = await world.away(({ auth }) => auth.refreshSession())
      expect(error).toBeNull()
      expect(data.session.user.id).toBe(world.userId)
      expect(world.events).toEqual(['TOKEN_REFRESHED'])
    },
  },
  {
    method: 'refreshSession',
    when: 'too often',
    asks: REFRESH,
    outcome: 'works',
    error: { status: 503, code: 'over_request_rate_limit' },
    note: 'never 429: the client tries again by itself, and the session stays',
    async probe(world) {
      const { limited, db } = world.site
      const headers = { 'x-forwarded-for': world.userId }
      const { auth, goTo, stored } = await world.browser({ node: limited, headers, session: world.session })
      await auth.refreshSession()
      await db.owner.query('update auth_private.rate_limits set points = 1000000')
      const kept = stored()
      world.onAnswer = () => {
        expect(stored()).toEqual(kept)
        goTo(world.node)
      }
      expect((await auth.refreshSession()).error).toBeNull()
    },
  },
  {
    method: 'refreshSession',
    when: 'of a session that has ended',
    asks: REFRESH,
    outcome: 'refused',
    error: { status: 400, code: 'refresh_token_not_found' },
    note: 'the client signs out once the access token has expired, too',
    async probe(world) {
      const late = await world.twin()
      await endSessions(world)
      const { data, error } = await world.auth.refreshSession()
      expect(data).toEqual({ user: null, session: null })
      world.refused(error)
      expect(world.stored()).toEqual(world.session)

      late.store({ expires_at: now() - 1 })
      world.refused((await late.auth.refreshSession()).error)
      expect(late.stored()).toBeNull()
      expect(late.events).toEqual(['SIGNED_OUT'])
    },
  },
]

/** Another subject in the same token. */
function forged(token: string): string {
  const [header, payload, signature] = token.split('.')
  const claims = JSON.parse(Buffer.from(payload!, 'base64url').toString())
  const other = { ...claims, sub: '00000000-0000-4000-8000-000000000000' }
  return [header, Buffer.from(JSON.stringify(other)).toString('base64url'), signature].join('.')
}

const claimsOf = (sub: string) => ({
  ...{ sub, role: 'authenticated', aud: 'authenticated', iss: 'http://site.test/auth/v1', aal: 'aal1' },
  ...{ phone: '', is_anonymous: false, session_id: expect.any(String) },
  amr: [{ method: 'wechat_mini', timestamp: expect.any(Number) }],
})

const claims: Entry<AuthJsWorld>[] = [
  {
    method: 'getClaims',
    asks: 'GET /user',
    outcome: 'works',
    note: 'HS256: the client asks the service',
    async probe(world) {
      const { data, error } = await world.auth.getClaims()
      expect(error).toBeNull()
      expect(data.header).toEqual({ alg: 'HS256', typ: 'JWT' })
      expect(data.claims).toMatchObject(claimsOf(world.userId))
    },
  },
  {
    method: 'getClaims',
    when: 'with a forged token',
    asks: 'GET /user',
    outcome: 'refused',
    error: { status: 403, code: 'bad_jwt' },
    async probe(world) {
      const { data, error } = await world.auth.getClaims(forged(world.session.access_token))
      expect(data).toBeNull()
      world.refused(error)
    },
  },
  {
    method: 'getClaims',
    when: 'where `JWT_SIGNING_KEY` is set',
    asks: 'GET /.well-known/jwks.json',
    outcome: 'works',
    note: 'ES256: the client verifies by itself; a forged token is an AuthInvalidJwtError',
    async probe(world) {
      const { auth, session, userId } = await world.signIn({ node: world.site.signing })
      const { data, error } = await auth.getClaims()
      expect(error).toBeNull()
      expect(data.header).toEqual({ alg: 'ES256', kid: 'a-key', typ: 'JWT' })
      expect(data.claims).toMatchObject(claimsOf(userId))
      const fake = await auth.getClaims(forged(session.access_token))
      expect(fake.data).toBeNull()
      expect(fake.error).toBeInstanceOf(AuthInvalidJwtError)
      expect(world.sent().map(({ path }) => path)).toEqual(['/auth/v1/.well-known/jwks.json'])
    },
  },
]

export const authJsOwnEntries: Entry<AuthJsWorld>[] = [
  ...refreshes,
  ...claims,
  {
    method: 'getUser',
    when: 'with nobody signed in',
    outcome: 'works',
    note: 'AuthSessionMissingError',
    async probe(world) {
      const { auth } = await world.nobody()
      expect((await auth.getUser()).error).toBeInstanceOf(AuthSessionMissingError)
    },
  },
  {
    method: 'dispose',
    outcome: 'works',
    async probe(world) {
      await world.auth.startAutoRefresh()
      await world.auth.dispose()
      expect(world.auth.autoRefreshTicker).toBeNull()
      expect(world.stored()).toEqual(world.session)
    },
  },
  {
    method: 'isThrowOnErrorEnabled',
    asks: REFRESH,
    outcome: 'works',
    error: { status: 400, code: 'refresh_token_not_found' },
    note: 'with `throwOnError` what is refused is thrown',
    async probe(world) {
      const { auth } = await world.browser({ options: { throwOnError: true } })
      expect([world.auth.isThrowOnErrorEnabled(), auth.isThrowOnErrorEnabled()]).toEqual([false, true])
      const thrown = await auth.refreshSession({ refresh_token: 'none' }).catch((error: unknown) => error)
      world.refused(thrown)
    },
  },
]
