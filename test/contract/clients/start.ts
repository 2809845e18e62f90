import type { Entry } from './entry.ts'
import { REFRESH } from './session.ts'
import { type Kind, now, prefixOf } from './world.ts'

// What the client does by itself: at its start, and while time passes.

export const startEntries = (kind: Kind): Entry[] => {
  const prefix = prefixOf(kind)
  return [
    {
      method: `${prefix}initialize`,
      outcome: 'works',
      note: 'at every start; the stored session is there, event SIGNED_IN',
      async probe(world) {
        const again = await world.reopen()
        expect(await again.auth.initialize()).toEqual({ error: null })
        expect((await again.auth.getSession()).data.session).toEqual(world.session)
        expect(again.events).toEqual(['SIGNED_IN'])
      },
    },
    {
      method: `${prefix}initialize`,
      when: 'when the stored session has expired',
      asks: REFRESH,
      outcome: 'works',
      note: 'refreshes it',
      async probe(world) {
        world.store({ expires_at: now() - 60 })
        const again = await world.reopen()
        expect(await again.auth.initialize()).toEqual({ error: null })
        expect(again.stored()).toMatchObject({ user: { id: world.userId } })
        expect(again.stored()!.refresh_token).not.toBe(world.session.refresh_token)
        expect(again.events).toEqual(['TOKEN_REFRESHED'])
      },
    },
    {
      method: `${prefix}onAuthStateChange`,
      outcome: 'works',
      async probe(world) {
        const { auth } = await world.nobody()
        const names: string[] = []
        const { data } = auth.onAuthStateChange((name: string) => names.push(name))
        await auth.signOut()
        data.subscription.unsubscribe()
        await auth.signOut()
        expect(names).toEqual(kind === '2.0.8' ? ['SIGNED_OUT'] : ['INITIAL_SESSION', 'SIGNED_OUT'])
      },
    },
    {
      method: `${prefix}startAutoRefresh`,
      asks: REFRESH,
      outcome: 'works',
      note: 'refreshes shortly before the access token expires',
      async probe(world) {
        world.store({ expires_at: now() + 15 })
        const refreshed = new Promise<void>(resolve => {
          world.auth.onAuthStateChange((name: string) => name === 'TOKEN_REFRESHED' && resolve())
        })
        await world.auth.startAutoRefresh()
        await refreshed
        expect(world.stored()!.expires_at).toBeGreaterThan(now() + 3_000)
      },
    },
    {
      method: `${prefix}stopAutoRefresh`,
      outcome: 'works',
      async probe(world) {
        await world.auth.startAutoRefresh()
        expect(world.auth.autoRefreshTicker).not.toBeNull()
        await world.auth.stopAutoRefresh()
        expect(world.auth.autoRefreshTicker).toBeNull()
        expect(world.stored()).toEqual(world.session)
      },
    },
  ]
}
