import type { Acts } from './acts.ts'
import { stranger } from './site.ts'

/** What goes wrong with a bind or a sign-in, what the page says, and how it goes on. */
export function testFailures({ site, open, newCode, bind, isBound, tryAgain, says }: Acts): void {
  test.each<[string, () => Promise<string>, boolean]>([
    ['wechat_code_invalid', async () => 'not-a-code-of-wechat', false],
    ['wechat_code_used', async () => (await stranger(site())).code, false],
    ['phone_exists', async () => newCode((await stranger(site())).phone), true],
    [
      'wechat_phone_unusable',
      () => {
        const phoneInfo = { phoneNumber: undefined, purePhoneNumber: undefined }
        site().simulator.failNext('getuserphonenumber', { phoneInfo })
        return newCode()
      },
      false,
    ],
  ])('%s: another tap helps', async (name, makeCode, support) => {
    const phone = await open()
    await bind(phone, await makeCode())
    expect(phone.notice()).toEqual(says(name, { support }))
    expect(phone.askedFor('wechatBindPhone')).toHaveLength(1)
    await bind(phone, await newCode())
    expect(isBound(phone)).toBe(true)
  })

  test('the session has ended: a new one, and the phone is bound, without a word', async () => {
    const phone = await open()
    await site().db.owner.query('delete from auth.sessions')
    await bind(phone, await newCode())
    expect(isBound(phone)).toBe(true)
    expect(phone.askedFor('wechatSignIn')).toHaveLength(2)
  })

  test('the user is banned', async () => {
    const phone = await open()
    const ban = (until: string) =>
      site().db.owner.query(
        'select auth.admin_ban_user(user_id, $2, $3) from auth.identities where provider_id = $1',
        [phone.openid, until, 'a test'],
      )
    await ban('infinity')
    const banned = says('user_banned', { support: true })
    await bind(phone, await newCode())
    expect(phone.notice()).toEqual(banned)
    await phone.tap('sign-out')
    expect([phone.has('sign-in'), phone.notice()]).toEqual([true, null])
    await phone.tap('sign-in')
    expect([phone.has('sign-in'), phone.notice()]).toEqual([true, banned])
  })

  test('WeChat has blocked the user', async () => {
    site().simulator.failNext('jscode2session', { errcode: 40226 })
    const phone = await open()
    expect([phone.has('sign-in'), phone.notice()]).toEqual([
      true,
      says('wechat_user_blocked', { support: true }),
    ])
  })

  test('wx.login fails', async () => {
    const phone = await open({ canLogin: false })
    expect(phone.notice()).toEqual(says('login_failed', { again: true }))
    phone.canLogin = true
    await phone.tap('again')
    expect([phone.has('bind'), phone.notice()]).toEqual([true, null])
  })

  test('the app is not set up properly: support gets what WeChat calls the request', async () => {
    const phone = await open()
    site().simulator.failNext('getuserphonenumber', { errcode: 48001 })
    await bind(phone, await newCode())
    expect(phone.notice()).toEqual(says('wechat_misconfigured', { support: true }))
    expect(phone.shows('id')).toMatch(/^wechat_misconfigured · [\da-f]{8}-[\da-f]{8}-[\da-f]{8}$/)
  })

  test('something unforeseen: support gets the id that is in the log, and the code stays good', async () => {
    const phone = await open()
    const name = 'auth_private.wechat_claim_code'
    const { arguments: list } = await site().db.row<{ arguments: string }>(
      'select pg_get_function_identity_arguments($1::regproc) as arguments',
      [name],
    )
    const rename = (from: string, to: string) =>
      site().db.owner.query(`alter function ${from}(${list}) rename to ${to}`)
    await rename(name, 'elsewhere')
    await bind(phone, await newCode())
    await rename('auth_private.elsewhere', 'wechat_claim_code')
    expect(phone.notice()).toEqual(says('unexpected_failure', { again: true, support: true }))
    expect(phone.shows('id')).toMatch(/^unexpected_failure · [\da-f-]{36}$/)
    await tryAgain(phone)
  })
}
