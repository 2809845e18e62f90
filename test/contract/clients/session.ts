import { everyRound } from '../../support/rounds.ts'
import type { Entry } from './entry.ts'
import { expiredToken } from './expired.ts'
import { endSessions, type Kind, now, prefixOf, sessionsOf } from './world.ts'

// The session: handed over, kept, read, refreshed.

export const REFRESH = 'POST /token?grant_type=refresh_token'

export const sessionEntries = (kind: Kind): Entry[] => [
  ...kept(prefixOf(kind)),
  ...handedOver(prefixOf(kind), kind),
  ...refreshed(prefixOf(kind)),
]

const kept = (prefix: string): Entry[] => [
  {
    method: `${prefix}getSession`,
    outcome: 'works',
    async probe(world) {
      expect(await world.auth.getSession()).toEqual({ data: { session: world.session }, error: null })
      const { auth } = await world.nobody()
      expect(await auth.getSession()).toEqual({ data: { session: null }, error: null })
    },
  },
  {
    method: `${prefix}getSession`,
    when: 'when the access token has expired',
    asks: REFRESH,
    outcome: 'works',
    note: 'refreshes it; event TOKEN_REFRESHED',
    async probe(world) {
      world.store({ expires_at: now() - 1 })
      const { data, error } = await world.auth.getSession()
      expect(error).toBeNull()
      expect(data.session).toMatchObject({ user: { id: world.userId } })
      expect(data.session.expires_at).toBeGreaterThan(now() + 3_000)
      expect(world.stored()).toEqual(data.session)
      expect(world.events).toEqual(['TOKEN_REFRESHED'])
    },
  },
]

const handedOver = (prefix: string, kind: Kind): Entry[] => [
  {
    method: `${prefix}setSession`,
    asks: 'GET /user',
    outcome: 'works',
    note:
      kind === 'auth-js' ? 'how a WeChat session gets into the client; event SIGNED_IN' : 'event SIGNED_IN',
    async probe(world) {
      const { access_token, refresh_token } = world.session
      const other = await world.nobody()
      const { data, error } = await other.auth.setSession({ access_token, refresh_token })
      expect(error).toBeNull()
      expect(data.session).toMatchObject({ access_token, refresh_token, token_type: 'bearer' })
      expect(world.userOf(data.user)).toMatchObject({ id: world.userId, wechat_id: world.openid })
      expect(other.stored()).toMatchObject({ access_token, refresh_token })
      expect(other.events).toEqual(['SIGNED_IN'])
    },
  },
  {
    method: `${prefix}setSession`,
    when: 'with an access token that has expired',
    asks: REFRESH,
    outcome: 'works',
    note: 'event TOKEN_REFRESHED',
    async probe(world) {
      const { access_token, refresh_token } = world.session
      const other = await world.nobody()
      const expired = await expiredToken(world.node, access_token)
      const { data, error } = await other.auth.setSession({ access_token: expired, refresh_token })
      expect(error).toBeNull()
      expect(data.session).toMatchObject({ user: { id: world.userId } })
      expect(other.stored()).toEqual(data.session)
      expect(other.events).toEqual(['TOKEN_REFRESHED'])
    },
  },
  {
    method: `${prefix}setSession`,
    when: 'of a session that has ended',
    asks: 'GET /user',
    outcome: 'refused',
    error: { status: 403, code: 'session_not_found' },
    async probe(world) {
      await endSessions(world)
      const other = await world.nobody()
      const { data, error } = await other.auth.setSession(world.session)
      expect(data).toEqual({ user: null, session: null })
      world.refused(error)
      expect(other.stored()).toBeNull()
    },
  },
]

const refreshed = (prefix: string): Entry[] => [
  {
    method: `${prefix}refreshSession`,
    asks: REFRESH,
    outcome: 'works',
    note: 'event TOKEN_REFRESHED; the refresh token rotates',
    async probe(world) {
      const { data, error } = await world.auth.refreshSession()
      expect(error).toBeNull()
      expect(data.session).toMatchObject({ user: { id: world.userId }, expires_in: 3600 })
      expect(data.session.refresh_token).not.toBe(world.session.refresh_token)
      expect(world.stored()).toEqual(data.session)
      expect(world.events).toEqual(['TOKEN_REFRESHED'])
    },
  },
  {
    method: `${prefix}refreshSession`,
    when: 'many at once, and in two clients with one session',
    asks: REFRESH,
    outcome: 'works',
    note: 'all succeed, and the session goes on',
    async probe(world) {
      const twin = await world.twin()
      for (const _round of everyRound) {
        const both = [world, twin, world, twin]
        const results = await Promise.all(both.map(({ auth }) => auth.refreshSession()))
        expect(results.map(({ error }) => error)).toEqual(both.map(() => null))
      }
      expect(await sessionsOf(world)).toHaveLength(1)
    },
  },
  {
    method: `${prefix}refreshSession`,
    when: 'with a refresh token that was used long before',
    asks: REFRESH,
    outcome: 'refused',
    error: { status: 400, code: 'refresh_token_already_used' },
    note: 'the session ends, for the thief and for the user',
    async probe(world) {
      const twin = await world.twin()
      await twin.auth.refreshSession()
      await twin.auth.refreshSession()
      await world.site.db.owner.query(
        `update auth.sessions set refreshed_at = now() - interval '1 minute' where user_id = $1`,
        [world.userId],
      )
      const { data, error } = await world.auth.refreshSession()
      expect(data).toEqual({ user: null, session: null })
      world.refused(error)
      expect(await sessionsOf(world)).toEqual([])
    },
  },
]
