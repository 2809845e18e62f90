import { freshPhone, phoneCode } from '../support/client.ts'
import { type By, createPhone, type Phone, type PhoneOptions } from './phone.ts'
import type { Site } from './site.ts'

export type Acts = ReturnType<typeof actsOf>

/** What the tests of the example do and look at, again and again. */
export function actsOf(by: By, site: () => Site) {
  /** Somebody opens the mini program, with what is different about his phone. */
  async function open({ canLogin = true, ...options }: PhoneOptions & { canLogin?: boolean } = {}) {
    const phone = createPhone(site(), by, options)
    phone.canLogin = canLogin
    await phone.open()
    return phone
  }

  /** The code of a tap. */
  const newCode = (number = freshPhone()) => phoneCode(site().simulator, number)

  async function bind(phone: Phone, code: string) {
    phone.sheet({ errMsg: 'getPhoneNumber:ok', code })
    await phone.settled()
  }

  const isBound = (phone: Phone) => phone.has('unbind') && phone.notice() === null

  /** The user does what the page offers, which sends the same code once more: no second tap, for which WeChat would charge. */
  async function tryAgain(phone: Phone) {
    await phone.tap('again')
    expect(phone.notice()).toBeNull()
    expect(isBound(phone)).toBe(true)
    const codes = phone.askedFor('wechatBindPhone').map(({ path, body }) => {
      const { variables } = (body ?? {}) as { variables?: { code: string } }
      return variables?.code ?? path
    })
    expect(new Set(codes).size).toBe(1)
  }

  /** A notice in Chinese. */
  function says(name: string, { again = false, support = false } = {}) {
    const text = site().texts.failures[name]
    if (text === undefined) throw new Error(`There is no text for ${name}`)
    return { text, again, support }
  }

  /** As the page shows it. */
  const masked = (number: string) => `${number.slice(0, 3)}****${number.slice(-4)}`

  return { site, open, newCode, bind, isBound, tryAgain, says, masked }
}
