import type { Entry } from './entry.ts'
import type { MemfireWorld } from './memfire_world.ts'
import { NO_GRANT, NO_PROVIDERS } from './none.ts'
import { REFRESH } from './session.ts'
import { endSessions, type Kind, now } from './world.ts'

// What MemFire's SDK does in a way of its own: mostly, when it forgets its session.

export const memfireOwnEntries = (kind: Kind): Entry<MemfireWorld>[] => [
  ...refreshes(kind),
  ...starts(kind),
  {
    method: 'auth.getUser',
    when: 'with nobody signed in',
    asks: 'GET /user',
    outcome: 'refused',
    error: { status: 401, code: 'no_authorization' },
    async probe(world) {
      const { auth } = await world.nobody()
      const { data, error } = await auth.getUser()
      expect(data).toEqual({ user: null })
      world.refused(error)
    },
  },
  ...(kind === '2.2.0' ? [exchange, withDefaults] : []),
]

/** A refresh that fails, and what the SDK makes of it: 2.2.0 signs out, 2.0.8 keeps what is no good any more. */
async function signedOut(world: MemfireWorld, given?: object): Promise<void> {
  const { data, error } = await world.auth.refreshSession(given)
  expect(data).toEqual({ user: null, session: null })
  world.refused(error)
  expect(world.stored()).toEqual(world.kind === '2.2.0' ? null : world.session)
  expect(world.events).toEqual(world.kind === '2.2.0' ? ['SIGNED_OUT'] : [])
}

const refreshes = (kind: Kind): Entry<MemfireWorld>[] => {
  const afterwards = kind === '2.2.0' ? 'the client ends signed out' : 'the client keeps the dead session'
  return [
    {
      method: 'auth.refreshSession',
      when: 'while the database is away',
      asks: REFRESH,
      outcome: 'works',
      error: { status: 503, code: 'database_unavailable' },
      note: 'an error now; the session stays, and the next refresh succeeds',
      async probe(world) {
        const { error } = await world.away(async client => {
          const result = await client.auth.refreshSession()
          expect(client.events).toEqual([])
          return result
        })
        world.refused(error)
        expect(world.stored()).toEqual(world.session)
        expect((await world.auth.refreshSession()).error).toBeNull()
      },
    },
    {
      method: 'auth.refreshSession',
      when: 'too often',
      asks: REFRESH,
      outcome: 'works',
      error: { status: 503, code: 'over_request_rate_limit' },
      note: 'an error now, never 429; the session stays',
      async probe(world) {
        const headers = { 'x-forwarded-for': world.userId }
        const phone = await world.moved({ node: world.site.limited, headers })
        await phone.auth.refreshSession()
        await world.site.db.owner.query('update auth_private.rate_limits set points = 1000000')
        const kept = phone.stored()
        const { error } = await phone.auth.refreshSession()
        world.refused(error)
        expect(kept).not.toBeNull()
        expect(phone.stored()).toEqual(kept)
      },
    },
    {
      method: 'auth.refreshSession',
      when: 'of a session that has ended',
      asks: REFRESH,
      outcome: 'refused',
      error: { status: 400, code: 'refresh_token_not_found' },
      note: afterwards,
      async probe(world) {
        await endSessions(world)
        await signedOut(world)
      },
    },
    {
      method: 'auth.refreshSession',
      when: "with another service's refresh token, as after the move",
      asks: REFRESH,
      outcome: 'refused',
      error: { status: 400, code: 'refresh_token_not_found' },
      note: `${afterwards}: sign in again`,
      probe: world => signedOut(world, { refresh_token: 'v1.MTY4NzQ1MTY2NQ' }),
    },
  ]
}

const starts = (kind: Kind): Entry<MemfireWorld>[] => [
  {
    method: 'auth.initialize',
    when: 'when it has expired, while the database is away',
    asks: REFRESH,
    outcome: kind === '2.2.0' ? 'works' : 'refused',
    error: { status: 503, code: 'database_unavailable' },
    note:
      kind === '2.2.0'
        ? 'the session stays'
        : 'the client forgets its session, whatever a service answers: sign in again',
    async probe(world) {
      await world.away(async () => {
        world.store({ expires_at: now() - 60 })
        const again = await world.reopen(world.site.shaky)
        await again.auth.initialize()
        await again.auth.stopAutoRefresh()
      })
      expect(world.stored()?.refresh_token).toBe(
        world.kind === '2.2.0' ? world.session.refresh_token : undefined,
      )
    },
  },
]

const withDefaults: Entry<MemfireWorld> = {
  method: 'auth.initialize',
  when: 'without `detectSessionInUrl: false`',
  outcome: 'works',
  note: 'answers an AuthUnknownError, for a mini program has no `window`; the session is there all the same',
  async probe(world) {
    const phone = await world.moved({ auth: { detectSessionInUrl: true }, isStarting: true })
    const { error } = await phone.auth.initialize()
    expect({ name: error.name, cause: String(error.originalError) }).toEqual({
      name: 'AuthUnknownError',
      cause: expect.stringContaining('window'),
    })
    expect((await phone.auth.getSession()).data.session).toEqual(world.session)
  },
}

const exchange: Entry<MemfireWorld> = {
  method: 'auth.exchangeCodeForSession',
  asks: 'POST /token?grant_type=pkce',
  outcome: 'by design not',
  error: NO_GRANT,
  note: `${NO_PROVIDERS}; it rejects`,
  async probe(world) {
    world.keep('code-verifier', 'a-verifier')
    world.refused(await world.auth.exchangeCodeForSession('a-code').catch((error: unknown) => error))
  },
}
