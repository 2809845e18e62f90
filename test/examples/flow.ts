import { setTimeout as sleep } from 'node:timers/promises'
import { SIMULATOR_APP_ID } from '../../src/simulator/app_id.ts'
import { decodeImage, isCodeOf } from '../simulator/images.ts'
import { freshPhone, loginCode, post, send } from '../support/client.ts'
import type { Acts } from './acts.ts'
import type { By } from './phone.ts'

/** What a user does with the example, where nothing goes wrong: the same by either client. */
export function testFlow({ site, open, newCode, bind, isBound, masked }: Acts, by: By): void {
  const userOf = (openid: string) =>
    site().db.row<{ id: string; phone: string | null }>(
      'select u.id, u.phone from auth.users u join auth.identities i on i.user_id = u.id where i.provider_id = $1',
      [openid],
    )

  test('signs in by itself, binds the phone of a tap, and shows it masked', async () => {
    const phone = await open()
    expect(phone.asked()).toEqual(['wechatSignIn'])
    expect([phone.shows('phone'), phone.shows('bind'), phone.has('unbind')]).toEqual([
      '未绑定',
      '绑定手机号',
      false,
    ])
    expect(phone.attribute('bind', 'open-type')).toBe('getPhoneNumber')
    const number = freshPhone()
    await bind(phone, await newCode(number))
    expect([phone.shows('phone'), phone.shows('bind'), phone.notice()]).toEqual([
      masked(number),
      '更换手机号',
      null,
    ])
    expect((await userOf(phone.openid)).phone).toBe(`+86${number}`)
  })

  test('shows a number of elsewhere masked, too', async () => {
    const phone = await open()
    await bind(phone, await newCode('+85251234567'))
    expect(phone.shows('phone')).toBe('+852****4567')
  })

  test('binds once where the user taps twice', async () => {
    const phone = await open()
    const calls = site().simulator.callCounts.getuserphonenumber
    const number = freshPhone()
    const code = await newCode(number)
    site().simulator.failNext('getuserphonenumber', { latency: 100 })
    phone.sheet({ code })
    await phone.until(() => phone.attribute('bind', 'disabled') === true)
    expect(phone.attribute('bind', 'loading')).toBe(true)
    phone.sheet({ code })
    phone.sheet({ code: await newCode(freshPhone()) })
    await phone.settled()
    expect(phone.shows('phone')).toBe(masked(number))
    expect(phone.askedFor('wechatBindPhone')).toHaveLength(1)
    expect(site().simulator.callCounts.getuserphonenumber).toBe(calls + 1)
  })

  test('loses no code where WeChat shows the page anew just when it arrives', async () => {
    const phone = await open()
    const number = freshPhone()
    const code = await newCode(number)
    phone.comeBack()
    phone.sheet({ code })
    await phone.settled()
    expect(phone.shows('phone')).toBe(masked(number))
  })

  test('shows what was bound where an older answer comes later', async () => {
    const phone = await open()
    const code = await newCode()
    phone.nextAnswerIsLate = 300
    phone.comeBack()
    await phone.until(() => phone.asked().includes('currentUser'))
    await bind(phone, code)
    await sleep(400)
    expect(isBound(phone)).toBe(true)
  })

  test('changes the phone, and takes it off when the user confirms', async () => {
    const phone = await open()
    for (const number of [freshPhone(), freshPhone()]) {
      await bind(phone, await newCode(number))
      expect(phone.shows('phone')).toBe(masked(number))
    }
    phone.confirms = false
    await phone.tap('unbind')
    expect((await userOf(phone.openid)).phone).not.toBeNull()
    phone.confirms = true
    await phone.tap('unbind')
    expect([phone.shows('phone'), phone.has('unbind')]).toEqual(['未绑定', false])
    expect((await userOf(phone.openid)).phone).toBeNull()
  })

  test.each(['release', 'trial'] as const)(
    'shows the mini program code of the user in the %s version',
    async envVersion => {
      // Only what is published can WeChat check, and a page in the making is not.
      const pages = envVersion === 'release' ? [`pages/${by}/${by}`] : []
      site().simulator.control.set({ pages })
      const phone = await open({ envVersion })
      await phone.tap('show-code')
      const source = phone.attribute('code', 'src') as string
      const [, base64] = /^data:image\/jpeg;base64,(.+)$/.exec(source)!
      const { id } = await userOf(phone.openid)
      const scene = id.replaceAll('-', '')
      const text = `wxacode://${SIMULATOR_APP_ID}/pages/${by}/${by}?scene=${scene}&env_version=${envVersion}`
      expect(isCodeOf(text, decodeImage(Buffer.from(base64!, 'base64')))).toBe(true)
    },
  )

  test('says by whose code it was opened, and takes any scene', async () => {
    const phone = await open()
    expect(phone.has('opened-by')).toBe(false)
    const { id } = await userOf(phone.openid)
    const scene = id.replaceAll('-', '')
    for (const [raw, said] of [
      [scene, scene],
      ['a%3D1%26b%3D%3Cb%3E', 'a=1&b=<b>'],
      ['100%', '100%'],
      ['%24%26', '$&'],
    ]) {
      await phone.open(raw)
      expect(phone.shows('opened-by')).toBe(`通过用户 ${said} 的小程序码打开`)
    }
  })

  test('keeps the session when it is opened again, and shows what has changed elsewhere', async () => {
    const phone = await open()
    await phone.open()
    expect(phone.asked()).toEqual(['wechatSignIn', 'currentUser'])

    const { node, simulator } = site()
    const code = await loginCode(simulator, phone.openid)
    const { body } = await post(`${node.url}/auth/v1/wechat_mini/login`, { code })
    const number = freshPhone()
    const query = `?code=${await newCode(number)}`
    await send(`${node.url}/auth/v1/wechat_mini/bind_phone${query}`, { token: body.access_token })
    phone.comeBack()
    await phone.until(() => phone.shows('phone') === masked(number))
  })

  test('signs out this phone and stays so, until the user signs in again', async () => {
    const phone = await open()
    await phone.tap('sign-out')
    expect([phone.has('bind'), phone.shows('sign-in')]).toEqual([false, '微信登录'])
    const sessions = 'select from auth.sessions where user_id = $1'
    const { id } = await userOf(phone.openid)
    expect(await site().db.rows(sessions, [id])).toEqual([])
    await phone.open()
    expect(phone.has('sign-in')).toBe(true)
    await phone.tap('sign-in')
    expect(phone.has('bind')).toBe(true)
    expect((await userOf(phone.openid)).id).toBe(id)
    await phone.open()
    expect(phone.has('bind')).toBe(true)
  })

  test('speaks the language of WeChat: Chinese, and English with everybody else', async () => {
    for (const [language, text] of [
      ['zh_TW', '绑定手机号'],
      ['en', 'Bind phone number'],
      ['fr', 'Bind phone number'],
    ]) {
      const phone = await open({ language: language! })
      expect(phone.shows('bind')).toBe(text)
    }
  })
}
