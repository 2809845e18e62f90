import { loginCode, post } from '../../support/client.ts'
import { type Entry, each } from './entry.ts'
import { endSessions, isMemfire, type Kind, OTHER_APP, prefixOf, type World } from './world.ts'

// The user: read, changed, his identities.

export const userEntries = (kind: Kind): Entry[] => [
  ...read(prefixOf(kind), kind),
  ...changed(prefixOf(kind), kind),
  ...(kind === '2.0.8' ? [] : identities(prefixOf(kind), kind)),
]

const read = (prefix: string, kind: Kind): Entry[] => [
  {
    method: `${prefix}getUser`,
    asks: 'GET /user',
    outcome: 'works',
    async probe(world) {
      const { data, error } = await world.auth.getUser()
      expect(error).toBeNull()
      expect(world.userOf(data.user)).toEqual(world.session.user)
      const same = await world.auth.getUser(world.session.access_token)
      expect(world.userOf(same.data.user)).toEqual(world.session.user)
      expect(world.stored()).toEqual(world.session)
    },
  },
  {
    method: `${prefix}getUser`,
    when: 'of a session that has ended',
    asks: 'GET /user',
    outcome: 'refused',
    error: { status: 403, code: 'session_not_found' },
    ...(kind === 'auth-js' && { note: 'AuthSessionMissingError; the client signs out' }),
    async probe(world) {
      await endSessions(world)
      const { data, error } = await world.auth.getUser()
      expect(data).toEqual({ user: null })
      world.refused(error)
      expect(world.stored()).toEqual(kind === 'auth-js' ? null : world.session)
      expect(world.events).toEqual(kind === 'auth-js' ? ['SIGNED_OUT'] : [])
    },
  },
  {
    method: `${prefix}getUser`,
    when: 'of a banned user',
    asks: 'GET /user',
    outcome: 'refused',
    error: { status: 403, code: 'user_banned' },
    async probe(world) {
      await world.admin.updateUserById(world.userId, { ban_duration: '24h' })
      world.refused((await world.auth.getUser()).error)
      expect(world.stored()).toEqual(world.session)
    },
  },
]

const changed = (prefix: string, kind: Kind): Entry[] => [
  {
    method: `${prefix}updateUser`,
    asks: 'PUT /user',
    outcome: 'works',
    note: '`data` is merged into `user_metadata`, null takes a key away; event USER_UPDATED',
    async probe(world) {
      await world.auth.updateUser({ data: { nickname: '小明', city: '深圳' } })
      const { data, error } = await world.auth.updateUser({ data: { city: null, level: 3 } })
      expect(error).toBeNull()
      const user = world.userOf(data.user)
      expect(user).toEqual({
        ...world.session.user,
        user_metadata: { nickname: '小明', level: 3 },
        updated_at: expect.any(String),
      })
      const stored = world.stored()!
      expect(stored).toEqual({ ...world.session, user: stored.user })
      expect(world.userOf(stored.user)).toEqual(user)
      expect(world.events).toEqual(['USER_UPDATED', 'USER_UPDATED'])
    },
  },
  ...each(['phone', 'email', 'password'], field => ({
    method: `${prefix}updateUser`,
    when: `of ${field}`,
    asks: 'PUT /user',
    outcome: 'refused' as const,
    error: { status: 400, code: 'validation_failed' as const },
    note:
      field !== 'phone'
        ? 'there is none here'
        : `phones are bound by \`${isMemfire(kind) ? 'wechatBindPhone' : '/wechat_mini/bind_phone'}\``,
    async probe(world: World) {
      const { data, error } = await world.auth.updateUser({ [field]: '13800138000' })
      expect(data).toEqual({ user: null })
      world.refused(error)
      expect(world.stored()).toEqual(world.session)
      expect(world.events).toEqual([])
    },
  })),
]

const identities = (prefix: string, kind: Kind): Entry[] => [
  {
    method: `${prefix}getUserIdentities`,
    asks: 'GET /user',
    outcome: 'works',
    async probe(world) {
      const { data, error } = await world.auth.getUserIdentities()
      expect(error).toBeNull()
      expect(data.identities).toEqual([
        {
          ...{ identity_id: expect.any(String), id: world.openid, user_id: world.userId },
          identity_data: { sub: world.openid, appid: expect.any(String) },
          provider: 'wechat_mini',
          ...{ last_sign_in_at: expect.any(String), created_at: expect.any(String) },
          updated_at: expect.any(String),
        },
      ])
    },
  },
  {
    method: `${prefix}unlinkIdentity`,
    asks: 'DELETE /user/identities/{id}',
    outcome: 'works',
    note: `one of several: those of other apps, which \`${isMemfire(kind) ? 'wechatBindAccount' : '/wechat_mini/bind_account'}\` links`,
    async probe(world) {
      const code = await loginCode(world.site.simulator, `${world.openid}-too`, { appid: OTHER_APP })
      const bind = `${world.node.url}/auth/v1/wechat_mini/bind_account`
      await post(bind, { code }, world.session.access_token, { 'x-wechat-appid': OTHER_APP })
      const { data } = await world.auth.getUserIdentities()
      expect(data.identities).toHaveLength(2)
      expect((await world.auth.unlinkIdentity(data.identities[1])).error).toBeNull()
      const left = await world.auth.getUserIdentities()
      expect(left.data.identities).toMatchObject([{ id: world.openid }])
    },
  },
  {
    method: `${prefix}unlinkIdentity`,
    when: 'the last one',
    asks: 'DELETE /user/identities/{id}',
    outcome: 'refused',
    error: { status: 422, code: 'single_identity_not_deletable' },
    async probe(world) {
      const { data, error } = await world.auth.unlinkIdentity(world.session.user.identities[0])
      expect(data).toBeNull()
      world.refused(error)
    },
  },
]
