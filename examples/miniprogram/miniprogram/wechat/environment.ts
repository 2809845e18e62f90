import { config } from '../config'

/** develop in the developer tools and in a preview, trial, or release. */
export const envVersion = () => wx.getAccountInfoSync().miniProgram.envVersion

/** Where codes come from instead of WeChat; empty: from WeChat. */
export const simulator = () => (envVersion() === 'develop' ? config.simulator : '')

/** The language that the user has chosen in WeChat, such as zh_CN or en. */
export const language = (): string => (wx.getAppBaseInfo?.() ?? wx.getSystemInfoSync()).language
