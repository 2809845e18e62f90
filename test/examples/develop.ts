import { freshPhone } from '../support/client.ts'
import type { Acts } from './acts.ts'

/** Where codes come from: the simulator in the develop version, as config.ts says; else WeChat. */
export function testDevelop({ site, open, masked, says }: Acts): void {
  test('the develop version gets them from the simulator, for the number that was typed', async () => {
    const phone = await open({ envVersion: 'develop', canLogin: false })
    expect(phone.attribute('bind', 'open-type')).toBeUndefined()
    const number = freshPhone()
    phone.type('number', number)
    await phone.tap('bind')
    await phone.until(() => phone.shows('phone') === masked(number))
    expect(await site().db.rows('select from auth.users where phone = $1', [`+86${number}`])).toHaveLength(1)
    await phone.tap('sign-out')
    await phone.tap('sign-in')
    expect(phone.shows('phone')).toBe(masked(number))
  })

  test('it says what the simulator refuses', async () => {
    const { control } = site().simulator
    const phone = await open({ envVersion: 'develop' })
    control.setQuotas({ enforced: true, limits: { phone_taps: 0 } })
    await phone.tap('bind')
    await phone
      .until(() => phone.shows('id') === 'phone_not_offered · errno 1400001')
      .finally(() => control.setQuotas({ enforced: false, limits: { phone_taps: null } }))
    phone.type('number', 'no number')
    await phone.tap('bind')
    await phone.until(() => /^phone_not_offered · .*phone/.test(phone.shows('id') ?? ''))
  })

  test.each(['trial', 'release'] as const)('the %s version never asks the simulator', async envVersion => {
    const phone = await open({ envVersion, canLogin: false })
    expect([phone.has('bind'), phone.notice()]).toEqual([false, says('login_failed', { again: true })])
    expect(phone.requests).toEqual([])
    phone.canLogin = true
    await phone.tap('again')
    expect([phone.attribute('bind', 'open-type'), phone.has('number')]).toEqual(['getPhoneNumber', false])
  })
}
