import { failure, notOurs } from '../service/failure'
import { simulator } from './environment'
import type { PhoneSheet } from './phone_sheet'
import { post } from './request'

/** The code of wx.login, with which the service learns the openid. It costs nothing, asks nobody, and is good once. */
export async function loginCode(): Promise<string> {
  if (simulator()) return simulatedLoginCode()
  return new Promise((resolve, reject) => {
    wx.login({
      success: ({ code }) => (code ? resolve(code) : reject(failure('login_failed'))),
      fail: () => reject(failure('login_failed')),
    })
  })
}

async function simulatedLoginCode(): Promise<string> {
  const { data } = await post(`${simulator()}/login-codes`, { openid: simulatedOpenid() })
  const { code } = (data ?? {}) as { code?: string }
  if (!code) throw notOurs()
  return code
}

/** What the phone sheet would give for a number of your choice, from the simulator. */
export async function simulatedPhoneSheet(phone: string): Promise<PhoneSheet> {
  const { data } = await post(`${simulator()}/phone-codes`, { phone })
  const { code, errno, error } = (data ?? {}) as { code?: string; errno?: number; error?: string }
  return { code, errno, errMsg: error }
}

/** This phone's WeChat user, as long as its storage is not cleared. */
function simulatedOpenid(): string {
  const stored: string = wx.getStorageSync('simulated-openid')
  const openid = stored || `o-${Date.now().toString(36)}${Math.random().toString(36).slice(2)}`
  if (!stored) wx.setStorageSync('simulated-openid', openid)
  return openid
}
