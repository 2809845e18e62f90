import { freshPhone, phoneCode } from '../../support/client.ts'
import { everyRound } from '../../support/rounds.ts'
import type { Entry } from './entry.ts'
import { endSessions, type World } from './world.ts'

const BIND_PHONE = 'GET /wechat_mini/bind_phone?code=…'

/** The session stays as it was. */
export function unchanged(world: World): void {
  expect(world.stored()).toEqual(world.session)
  expect(world.events).toEqual([])
}

/** A bind that is refused. */
async function notBound(world: World, code: string): Promise<void> {
  const { data, error } = await world.auth.wechatBindPhone({ code })
  expect(data).toEqual({ user: null })
  world.refused(error)
  unchanged(world)
}

/** As MemFire documents him, and `is_anonymous`, which GoTrue adds. */
export const documentedUser = ({ userId, openid }: World) => ({
  ...{ id: userId, aud: 'authenticated', role: 'authenticated', email: '', phone: '' },
  ...{ wechat_id: openid, wechat_unionid: '', last_sign_in_at: expect.any(String) },
  app_metadata: { provider: 'wechat_mini', providers: ['wechat_mini'] },
  user_metadata: {},
  identities: [expect.objectContaining({ provider: 'wechat_mini', id: openid, user_id: userId })],
  ...{ created_at: expect.any(String), updated_at: expect.any(String), is_anonymous: false },
})

export const bindPhoneEntries: Entry[] = [
  {
    method: 'auth.wechatBindPhone',
    asks: BIND_PHONE,
    outcome: 'works',
    note: 'the documented result; tokens stay, the stored user has the phone',
    async probe(world) {
      const phone = freshPhone()
      const code = await phoneCode(world.site.simulator, phone)
      const { data, error } = await world.auth.wechatBindPhone({ code })
      expect(error).toBeNull()
      expect(world.userOf(data.user)).toEqual({
        ...documentedUser(world),
        phone,
        phone_confirmed_at: expect.any(String),
      })
      expect(world.stored()).toEqual({ ...world.session, user: expect.anything() })
      expect(world.userOf(world.stored()!.user).phone).toBe(phone)
      expect(world.events).toEqual([])
      expect(await world.site.db.row('select phone from auth.users where id = $1', [world.userId])).toEqual({
        phone: `+86${phone}`,
      })
    },
  },
  {
    method: 'auth.wechatBindPhone',
    when: 'by a double tap, or again after a lost answer',
    asks: BIND_PHONE,
    outcome: 'works',
    note: 'the same result each time; WeChat is asked once',
    async probe(world) {
      for (const _round of everyRound) {
        const phone = freshPhone()
        const code = await phoneCode(world.site.simulator, phone)
        const before = world.site.simulator.callCounts.getuserphonenumber
        const tap = () => world.auth.wechatBindPhone({ code })
        const results = [...(await Promise.all([tap(), tap()])), await tap()]
        expect(results.map(({ error }) => error)).toEqual([null, null, null])
        expect(results.map(({ data }) => world.userOf(data.user).phone)).toEqual([phone, phone, phone])
        expect(world.site.simulator.callCounts.getuserphonenumber).toBe(before + 1)
      }
    },
  },
  {
    method: 'auth.wechatBindPhone',
    when: 'with the phone of another user',
    asks: BIND_PHONE,
    outcome: 'refused',
    error: { status: 422, code: 'phone_exists' },
    async probe(world) {
      const phone = freshPhone()
      const other = await world.stranger()
      await other.auth.wechatBindPhone({ code: await phoneCode(world.site.simulator, phone) })
      await notBound(world, await phoneCode(world.site.simulator, phone))
    },
  },
  {
    method: 'auth.wechatBindPhone',
    when: "with the code of another user's tap",
    asks: BIND_PHONE,
    outcome: 'refused',
    error: { status: 409, code: 'wechat_code_used' },
    async probe(world) {
      const code = await phoneCode(world.site.simulator, freshPhone())
      const other = await world.stranger()
      expect((await other.auth.wechatBindPhone({ code })).error).toBeNull()
      await notBound(world, code)
    },
  },
  {
    method: 'auth.wechatBindPhone',
    when: 'with a code that WeChat does not take',
    asks: BIND_PHONE,
    outcome: 'refused',
    error: { status: 400, code: 'wechat_code_invalid' },
    probe: world => notBound(world, 'not-a-code-of-wechat'),
  },
  {
    method: 'auth.wechatBindPhone',
    when: 'while WeChat does not answer',
    asks: BIND_PHONE,
    outcome: 'refused',
    error: { status: 503, code: 'wechat_unavailable' },
    note: 'the same code works a moment later',
    async probe(world) {
      const code = await phoneCode(world.site.simulator, freshPhone())
      world.site.simulator.failNext('getuserphonenumber', { errcode: -1 })
      await notBound(world, code)
      expect((await world.auth.wechatBindPhone({ code })).error).toBeNull()
    },
  },
  {
    method: 'auth.wechatBindPhone',
    when: 'of a session that has ended',
    asks: BIND_PHONE,
    outcome: 'refused',
    error: { status: 403, code: 'session_not_found' },
    async probe(world) {
      await endSessions(world)
      await notBound(world, await phoneCode(world.site.simulator, freshPhone()))
    },
  },
]
