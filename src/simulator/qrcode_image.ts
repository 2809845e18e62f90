import jpeg from 'jpeg-js'
import QRCode from 'qrcode'
import { WechatError } from './errors.ts'
import type { Qrcode } from './qrcode.ts'

/** Modules of nothing around a code, as the standard wants it. */
const MARGIN = 4
const JPEG_QUALITY = 90
/** Without the filters of PNG, which cost much time and gain nothing for two colours. */
const rendererOpts = { deflateStrategy: 0, filterType: 0 }
/** The least correction, so that a code has few modules and each of them many pixels. */
const LEVEL = { errorCorrectionLevel: 'L' } as const

/** What a phone reads in the code; the page gets its scene URL-encoded, as from WeChat. */
function textOf(appid: string, { page = '', scene, env_version }: Qrcode): string {
  const path = encodeURI(page.toWellFormed())
  return `wxacode://${appid}/${path}?scene=${encodeURIComponent(scene)}&env_version=${env_version}`
}

/**
 * A QR code in the place of WeChat's round one, which only WeChat can read: a JPEG, or for `is_hyaline` a PNG with nothing
 * behind it (whether WeChat's is one is not known). `auto_color` is black, as it is for an app without a main colour.
 */
export async function drawQrcode(appid: string, wanted: Qrcode): Promise<Buffer> {
  const { width, auto_color, line_color, is_hyaline } = wanted
  const text = textOf(appid, wanted)
  // So much fits into the largest code.
  if (text.length > 2_953) throw new WechatError(41030)
  const color = auto_color ? { r: 0, g: 0, b: 0 } : line_color
  return is_hyaline ? png(text, width, color) : jpegOf(text, width, color)
}

type Color = Qrcode['line_color']

function png(text: string, width: number, { r, g, b }: Color): Promise<Buffer> {
  const dark = `#${Buffer.from([r, g, b]).toString('hex')}ff`
  // The library divides, multiplies and rounds down: half a pixel more keeps the width.
  const options = { ...LEVEL, margin: MARGIN, width: width + 0.5, color: { dark, light: '#ffffff00' } }
  return QRCode.toBuffer(text, { ...options, rendererOpts })
}

function jpegOf(text: string, width: number, { r, g, b }: Color): Buffer {
  const { modules } = QRCode.create(text, LEVEL)
  const data = Buffer.alloc(width * width * 4, 255)
  const whole = modules.size + 2 * MARGIN
  const moduleAt = Array.from({ length: width }, (_, pixel) => Math.floor((pixel * whole) / width) - MARGIN)
  const inside = [...moduleAt.keys()].filter(
    pixel => moduleAt[pixel]! >= 0 && moduleAt[pixel]! < modules.size,
  )
  for (const y of inside) {
    for (const x of inside) {
      if (modules.get(moduleAt[y]!, moduleAt[x]!)) data.set([r, g, b], (y * width + x) * 4)
    }
  }
  return jpeg.encode({ data, width, height: width }, JPEG_QUALITY).data
}
