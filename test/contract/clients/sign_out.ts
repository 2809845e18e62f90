import { type Entry, each } from './entry.ts'
import { endSessions, type Kind, prefixOf, type SignedIn, type World } from './world.ts'

/** Whose sessions still live, by the access tokens that they began with. */
async function living(world: World, clients: SignedIn[]): Promise<boolean[]> {
  const results = []
  for (const { session } of clients) {
    const { auth } = await world.nobody()
    results.push(await auth.getUser(session.access_token))
  }
  return results.map(({ error }) => error === null)
}

/** Whatever the session has come to, the client must end signed out. */
async function ends(world: World): Promise<void> {
  expect(await world.auth.signOut()).toEqual({ error: null })
  expect(world.stored()).toBeNull()
  expect(world.events).toEqual(['SIGNED_OUT'])
}

export function signOutEntries(kind: Kind): Entry[] {
  const row = {
    method: `${prefixOf(kind)}signOut`,
    asks: kind === '2.0.8' ? 'POST /logout' : 'POST /logout?scope=global',
    outcome: 'works',
  } as const
  return [
    {
      ...row,
      note: 'ends all sessions of the user; event SIGNED_OUT',
      async probe(world) {
        const other = await world.another()
        expect(await living(world, [world, other])).toEqual([true, true])
        await ends(world)
        expect(await living(world, [world, other])).toEqual([false, false])
      },
    },
    // 2.0.8 knows no scopes.
    ...each(kind === '2.0.8' ? [] : (['local', 'others'] as const), scope => ({
      ...row,
      when: `of scope ${scope}`,
      asks: `POST /logout?scope=${scope}`,
      note: scope === 'local' ? 'ends this session' : 'ends the other sessions; no event',
      async probe(world: World) {
        const other = await world.another()
        expect(await world.auth.signOut({ scope })).toEqual({ error: null })
        const isLocal = scope === 'local'
        expect(world.stored()).toEqual(isLocal ? null : world.session)
        expect(world.events).toEqual(isLocal ? ['SIGNED_OUT'] : [])
        expect(await living(world, [world, other])).toEqual([!isLocal, isLocal])
      },
    })),
    {
      ...row,
      when: 'of a session that has ended',
      error: { status: 401, code: 'session_not_found' },
      note: 'the client ends signed out',
      async probe(world) {
        await endSessions(world)
        await ends(world)
      },
    },
    {
      ...row,
      when: 'of a banned user',
      error: { status: 401, code: 'user_banned' },
      note: 'the client ends signed out',
      async probe(world) {
        await world.admin.updateUserById(world.userId, { ban_duration: '24h' })
        await ends(world)
      },
    },
    {
      ...row,
      when: "with another service's session, as after the move",
      error: { status: 401, code: 'bad_jwt' },
      note: 'the client ends signed out',
      async probe(world) {
        world.store({ access_token: 'a-token-of-another-service' })
        await ends(world)
      },
    },
    {
      ...row,
      when: 'while the database is away',
      error: { status: 503, code: 'database_unavailable' },
      note: 'an error now; still signed in, and the next try succeeds',
      async probe(world) {
        const { error } = await world.away(({ auth }) => auth.signOut())
        world.refused(error)
        expect(world.stored()).toEqual(world.session)
        expect(await world.auth.signOut()).toEqual({ error: null })
      },
    },
  ]
}
