import type { Acts } from './acts.ts'

/** What the phone sheet answers instead of a code. */
export function testSheet({ open, newCode, bind, isBound, says }: Acts): void {
  test.each<[string, object, string, boolean]>([
    ['declines (iOS)', { errMsg: 'getPhoneNumber:fail user deny' }, 'phone_declined', false],
    ['declines (Android)', { errMsg: 'getPhoneNumber:fail:user deny' }, 'phone_declined', false],
    ['closes the sheet', { errMsg: 'getPhoneNumber:fail:user cancel' }, 'phone_declined', false],
    [
      'declines the privacy guidelines',
      { errMsg: 'privacy permission is not authorized', errno: 104 },
      'privacy_declined',
      false,
    ],
    [
      'declines them on a phone that gives no number',
      { errMsg: 'getPhoneNumber:fail privacy permission is not authorized' },
      'privacy_declined',
      false,
    ],
    [
      'declined them a moment before',
      { errMsg: 'getPhoneNumber:fail privacy permission is not authorized', errno: 103 },
      'privacy_declined',
      false,
    ],
    [
      'meets guidelines without phones',
      {
        errMsg: 'getPhoneNumber:fail api scope is not declared in the privacy agreement',
        errno: 112,
      },
      'phone_not_offered',
      true,
    ],
    [
      'comes when the quota is used up',
      { errMsg: 'getPhoneNumber:fail', errno: 1400001 },
      'phone_not_offered',
      true,
    ],
    [
      'meets an app without the right',
      { errMsg: 'getPhoneNumber:fail no permission' },
      'phone_not_offered',
      true,
    ],
    [
      'has an old WeChat',
      { errMsg: 'getPhoneNumber:ok', encryptedData: 'x', iv: 'x' },
      'wechat_outdated',
      false,
    ],
  ])('the user %s', async (_case, detail, name, support) => {
    const phone = await open()
    const before = phone.requests.length
    phone.sheet(detail)
    await phone.settled()
    expect(phone.notice()).toEqual(says(name, { support }))
    expect(phone.requests.length).toBe(before)
    await bind(phone, await newCode())
    expect(isBound(phone)).toBe(true)
  })
}
