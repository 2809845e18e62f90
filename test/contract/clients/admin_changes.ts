import { freshPhone } from '../../support/client.ts'
import { takenPhone, USER } from './admin.ts'
import type { Entry } from './entry.ts'
import { type Kind, prefixOf, type World } from './world.ts'

// What administrators change and end.

const userRows = ({ site, userId }: World) =>
  site.db.rows('select phone, deleted_at from auth.users where id = $1', [userId])

/** The user as administrators see him. */
const userNow = async ({ admin, userOf, userId }: World) =>
  userOf((await admin.getUserById(userId)).data.user)

/** His live access token is refused. */
const isCut = async (world: World, code: 'session_not_found' | 'user_banned') =>
  world.refused((await world.auth.getUser()).error, { status: 403, code })

export const adminChangeEntries = (kind: Kind): Entry[] => {
  const prefix = `${prefixOf(kind)}admin.`
  return [...changed(prefix), ...deleted(prefix), signOut(prefix, kind)]
}

const changed = (prefix: string): Entry[] => [
  {
    method: `${prefix}updateUserById`,
    asks: `PUT ${USER}`,
    outcome: 'works',
    note: 'phone, metadata (merged), ban',
    async probe(world) {
      const phone = freshPhone()
      const { data, error } = await world.admin.updateUserById(world.userId, {
        ...{ phone: `+86${phone}`, user_metadata: { a: 1 }, app_metadata: { b: 2 } },
      })
      expect(error).toBeNull()
      expect(world.userOf(data.user)).toMatchObject({
        ...{ phone, user_metadata: { a: 1 }, app_metadata: { b: 2, provider: 'wechat_mini' } },
      })
      expect(await userRows(world)).toEqual([{ phone: `+86${phone}`, deleted_at: null }])
    },
  },
  {
    method: `${prefix}updateUserById`,
    when: 'with `ban_duration`',
    asks: `PUT ${USER}`,
    outcome: 'works',
    note: '`24h` stops live access tokens at once, `none` lets them go on',
    async probe(world) {
      const banned = await world.admin.updateUserById(world.userId, { ban_duration: '24h' })
      const until = Date.parse(world.userOf(banned.data.user).banned_until)
      expect(until).toBeGreaterThan(Date.now() + 23 * 3_600_000)
      await isCut(world, 'user_banned')
      await world.admin.updateUserById(world.userId, { ban_duration: 'none' })
      expect(await userNow(world)).not.toHaveProperty('banned_until')
      expect((await world.auth.getUser()).error).toBeNull()
    },
  },
  {
    method: `${prefix}updateUserById`,
    when: 'with the phone of another user',
    asks: `PUT ${USER}`,
    outcome: 'refused',
    error: { status: 422, code: 'phone_exists' },
    note: 'nothing else is changed either',
    async probe(world) {
      const phone = await takenPhone(world)
      const { error } = await world.admin.updateUserById(world.userId, { phone, user_metadata: { a: 1 } })
      world.refused(error)
      expect(await userNow(world)).toEqual(world.session.user)
    },
  },
]

const deleted = (prefix: string): Entry[] => [
  {
    method: `${prefix}deleteUser`,
    asks: `DELETE ${USER}`,
    outcome: 'works',
    async probe(world) {
      expect((await world.admin.deleteUser(world.userId)).error).toBeNull()
      expect(await userRows(world)).toEqual([])
      await isCut(world, 'session_not_found')
    },
  },
  {
    method: `${prefix}deleteUser`,
    when: 'softly',
    asks: `DELETE ${USER}`,
    outcome: 'works',
    note: 'the row stays, without phone and identities',
    async probe(world) {
      await world.admin.updateUserById(world.userId, { phone: `+86${freshPhone()}` })
      expect((await world.admin.deleteUser(world.userId, true)).error).toBeNull()
      expect(await userRows(world)).toEqual([{ phone: null, deleted_at: expect.any(Date) }])
      await isCut(world, 'session_not_found')
    },
  },
]

/** 2.0.8 knows no scopes. */
const signOut = (prefix: string, kind: Kind): Entry => ({
  method: `${prefix}signOut`,
  asks: kind === '2.0.8' ? 'POST /logout' : 'POST /logout?scope=others',
  outcome: 'works',
  note: "with the user's access token",
  async probe(world) {
    const other = await world.another()
    const { access_token } = world.session
    expect(await world.admin.signOut(access_token, 'others')).toEqual({ data: null, error: null })
    const results = [await world.auth.getUser(access_token), await other.auth.getUser()]
    expect(results.map(({ error }) => error === null)).toEqual([kind !== '2.0.8', false])
  },
})
