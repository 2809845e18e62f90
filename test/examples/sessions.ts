import type { Acts } from './acts.ts'
import type { By, Phone } from './phone.ts'

/** What is in the phone's storage; MemFire's SDK keeps it as text. */
const stores = {
  memfire: {
    key: 'memfire-session',
    expired: (stored: unknown) => JSON.stringify({ ...JSON.parse(stored as string), expires_at: 1 }),
  },
  graphql: {
    key: 'graphql-session',
    expired: (stored: unknown) => ({ ...(stored as object), refreshAt: 0 }),
  },
}

/** How a session goes on, and how it ends. */
export function testSessions({ site, open, newCode, bind }: Acts, by: By): void {
  const { key, expired } = stores[by]
  /** The access token has ended; what is stored now. */
  function expire(phone: Phone): unknown {
    phone.wx.setStorageSync(key, expired(phone.wx.getStorageSync(key)))
    return phone.wx.getStorageSync(key)
  }
  const count = (phone: Phone, name: string) => phone.askedFor(name).length
  const endSessions = () => site().db.owner.query('delete from auth.sessions')

  test('an access token that has ended is refreshed once for all who need it', async () => {
    const phone = await open()
    expire(phone)
    phone.comeBack()
    await bind(phone, await newCode())
    expect(phone.has('unbind')).toBe(true)
    expect([count(phone, 'refreshSession'), count(phone, 'wechatSignIn')]).toEqual([1, 1])
    await phone.open()
    expect(count(phone, 'refreshSession')).toBe(1)
  })

  test('where the answer to a refresh was lost, the same refresh token brings it again', async () => {
    const phone = await open()
    const before = expire(phone)
    await phone.open()
    phone.wx.setStorageSync(key, before)
    await phone.open()
    expect(phone.has('bind')).toBe(true)
    expect([count(phone, 'refreshSession'), count(phone, 'wechatSignIn')]).toEqual([2, 1])
  })

  test('a refresh token that was used long before ends the session: a new one, without a word', async () => {
    const phone = await open()
    const first = expire(phone)
    await phone.open()
    expire(phone)
    await phone.open()
    await site().db.owner.query(`update auth.sessions set refreshed_at = now() - interval '1 minute'`)
    phone.wx.setStorageSync(key, first)
    await phone.open()
    expect([phone.has('bind'), phone.notice()]).toEqual([true, null])
    expect([count(phone, 'refreshSession'), count(phone, 'wechatSignIn')]).toEqual([3, 2])
  })

  test('a refresh that fails for a moment costs nobody the session', async () => {
    const phone = await open()
    expire(phone)
    site().database.cut()
    phone.comeBack()
    const answered = () => phone.askedFor('refreshSession').some(({ status }) => status !== undefined)
    await phone.until(answered).finally(() => site().database.mend())
    await bind(phone, await newCode())
    expect([phone.has('unbind'), count(phone, 'wechatSignIn')]).toEqual([true, 1])
  })

  test('a session that has ended is replaced, whatever the user does', async () => {
    const phone = await open()
    await bind(phone, await newCode())
    await endSessions()
    await phone.tap('unbind')
    expect([phone.has('unbind'), phone.notice()]).toEqual([false, null])
    await endSessions()
    await phone.open()
    expect([phone.has('bind'), phone.notice()]).toEqual([true, null])
    expect(count(phone, 'wechatSignIn')).toBe(3)
  })

  test('so is one that the phone has lost', async () => {
    const phone = await open()
    phone.wx.removeStorageSync(key)
    await bind(phone, await newCode())
    expect([phone.has('unbind'), phone.notice()]).toEqual([true, null])
    expect(count(phone, 'wechatSignIn')).toBe(2)
  })

  test('signing out of a session that has ended makes no new one', async () => {
    const phone = await open()
    await endSessions()
    await phone.tap('sign-out')
    expect([phone.has('sign-in'), phone.notice()]).toEqual([true, null])
    expect(count(phone, 'wechatSignIn')).toBe(1)
  })

  test('signing out without a network can be done again', async () => {
    const phone = await open()
    await site().network.shut()
    await phone.tap('sign-out').finally(() => site().network.mend())
    expect([phone.has('sign-in'), phone.notice()!.again]).toEqual([false, true])
    await phone.tap('again')
    expect(phone.has('sign-in')).toBe(true)
    expect(phone.wx.getStorageSync(key)).toBe('')
  })
}
