import { AppError } from '../errors.ts'

/**
 * The body of getwxacodeunlimit; what is not there is WeChat's default.
 * https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/qrcode-link/qr-code/getUnlimitedQRCode.html
 */
export interface UnlimitedQrcode {
  scene: string
  page?: string | undefined
  check_path?: boolean | undefined
  env_version?: 'release' | 'trial' | 'develop' | undefined
  width?: number | undefined
  auto_color?: boolean | undefined
  line_color?: { r: number; g: number; b: number } | undefined
  is_hyaline?: boolean | undefined
}

/** What an errcode of this interface says of the parameters. */
const messages: Record<number, string> = {
  40097:
    'WeChat does not accept these parameters and does not say which it means: scene, page, version, width or colour',
  40129: 'scene has a character that WeChat does not accept',
  40169: 'scene has a length that WeChat does not accept: it may have 1 to 32 characters',
  41030:
    'page is not one that WeChat knows in this version of the mini program. Publish it, or have it not checked.',
  85096: 'page holds scancode_time, which WeChat keeps for itself',
}

/** Throws the error of a call on; where WeChat means a parameter, with a message that names it. */
export function namingParameter(error: unknown): never {
  const wechat = error instanceof AppError && error.wechat
  const message = wechat && messages[wechat.errcode]
  throw message ? new AppError('validation_failed', { message, wechat }) : error
}
