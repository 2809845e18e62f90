import { loginCode } from '../../support/client.ts'
import type { Entry } from './entry.ts'
import { documentedUser, unchanged } from './memfire_bind_phone.ts'
import type { MemfireWorld } from './memfire_world.ts'
import { type Any, OTHER_APP } from './world.ts'

// What MemFire added to GoTrue's client: the WeChat methods.

const LOGIN = 'GET /wechat_mini/login?code=…'
const BIND_ACCOUNT = 'GET /wechat_mini/bind_account?code=…'
const QRCODE = 'POST /wechat_mini/unlimited_qrcode'

export const wechatEntries: Entry<MemfireWorld>[] = [
  {
    method: 'auth.signInWithWechat',
    asks: LOGIN,
    outcome: 'works',
    note: 'event SIGNED_IN',
    async probe(world) {
      const { data, error } = await world.auth.signInWithWechat({
        code: await loginCode(world.site.simulator, world.openid),
      })
      expect(error).toBeNull()
      const user = world.userOf(data.user)
      expect(world.kind === '2.0.8' ? user.user : user).toMatchObject({ id: world.userId })
      expect(data.session).toMatchObject({
        token_type: 'bearer',
        expires_in: 3600,
        expires_at: expect.any(Number),
        user: { id: world.userId, wechat_id: world.openid, phone: '' },
      })
      expect(world.stored()).toEqual(data.session)
      expect(data.session.access_token).not.toBe(world.session.access_token)
      expect(world.events).toEqual(['SIGNED_IN'])
    },
  },
  {
    method: 'auth.signInWithWechat',
    when: 'with a code that WeChat does not take',
    asks: LOGIN,
    outcome: 'refused',
    error: { status: 400, code: 'wechat_code_invalid' },
    note: 'the client forgets the session that it had before it asks',
    async probe(world) {
      const { data, error } = await world.auth.signInWithWechat({ code: 'not-a-code-of-wechat' })
      expect(data).toEqual({ user: null, session: null })
      world.refused(error)
      expect(world.stored()).toBeNull()
    },
  },
  {
    method: 'auth.signInWithWechat',
    when: 'of a banned user',
    asks: LOGIN,
    outcome: 'refused',
    error: { status: 403, code: 'user_banned' },
    async probe(world) {
      await world.admin.updateUserById(world.userId, { ban_duration: '24h' })
      const { error } = await world.auth.signInWithWechat({
        code: await loginCode(world.site.simulator, world.openid),
      })
      world.refused(error)
    },
  },
  {
    method: 'auth.wechatBindAccount',
    asks: BIND_ACCOUNT,
    outcome: 'works',
    note: "the caller's own WeChat identity, or one of another app",
    async probe(world) {
      const code = await loginCode(world.site.simulator, world.openid)
      const { data, error } = await world.auth.wechatBindAccount({ code })
      expect(error).toBeNull()
      expect(world.userOf(data.user)).toEqual(documentedUser(world))
      expect(world.stored()).toEqual({ ...world.session, user: expect.anything() })
      expect(world.events).toEqual([])

      const other = await world.moved({ headers: { 'x-wechat-appid': OTHER_APP } })
      const openid = `${world.openid}-too`
      const otherCode = await loginCode(world.site.simulator, openid, { appid: OTHER_APP })
      const linked = await other.auth.wechatBindAccount({ code: otherCode })
      expect(world.userOf(linked.data.user).identities.map(({ id }: Any) => id)).toEqual([
        world.openid,
        openid,
      ])
    },
  },
  {
    method: 'auth.wechatBindAccount',
    when: "with another user's WeChat identity",
    asks: BIND_ACCOUNT,
    outcome: 'refused',
    error: { status: 422, code: 'identity_already_exists' },
    async probe(world) {
      const { openid } = await world.stranger()
      const code = await loginCode(world.site.simulator, openid)
      const { data, error } = await world.auth.wechatBindAccount({ code })
      expect(data).toEqual({ user: null })
      world.refused(error)
      unchanged(world)
    },
  },
  {
    method: 'auth.getUnlimitedQRCode',
    asks: QRCODE,
    outcome: 'works',
    note: 'nobody need be signed in',
    async probe(world) {
      const nobody = await world.nobody()
      const { data, error } = await nobody.auth.getUnlimitedQRCode({
        ...{ page: 'pages/index/index', scene: 'a=1', check_path: false, env_version: 'trial', width: 280 },
        ...{ auto_color: false, line_color: { r: '0', g: '0', b: '0' }, is_hyaline: true },
      })
      expect(error).toBeNull()
      const image = Buffer.from(data.imgBase64, 'base64')
      expect(image.toString('base64')).toBe(data.imgBase64)
      expect(image.subarray(1, 4).toString('latin1')).toBe('PNG')
      expect(nobody.stored()).toBeNull()
    },
  },
  {
    method: 'auth.getUnlimitedQRCode',
    when: 'without a scene',
    asks: QRCODE,
    outcome: 'refused',
    error: { status: 400, code: 'validation_failed' },
    async probe(world) {
      const { data, error } = await world.auth.getUnlimitedQRCode({ page: 'pages/index/index' })
      expect(data).toEqual({ imgBase64: null })
      world.refused(error)
    },
  },
]
