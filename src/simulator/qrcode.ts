import { z } from 'zod'
import { WechatError } from './errors.ts'

/** WeChat's page writes the channels of a colour as strings, its default as numbers. */
const Channel = z.union([z.number(), z.string().regex(/^\d+$/).transform(Number)])

/** The body of getwxacodeunlimit with its defaults. What is of another type is no such body (47001). */
export const QrcodeBody = z.object({
  scene: z.string().default(''),
  page: z.string().optional(),
  check_path: z.boolean().default(true),
  env_version: z.string().default('release'),
  width: z.number().default(430),
  auto_color: z.boolean().default(false),
  line_color: z.object({ r: Channel, g: Channel, b: Channel }).default({ r: 0, g: 0, b: 0 }),
  is_hyaline: z.boolean().default(false),
})
export type Qrcode = z.infer<typeof QrcodeBody>

const isWithin = (value: number, min: number, max: number) =>
  Number.isInteger(value) && value >= min && value <= max

/**
 * Refuses what WeChat refuses: 40169 the scene's length, 40129 its characters, 85096 a reserved name in the page, 41030 a
 * page that cannot be or is not among `pages` (undefined: every page is published), 40097 any other value. Which of
 * several faults WeChat names is undocumented. Source: page of getUnlimitedQRCode.
 */
export function checkQrcode(wanted: Qrcode, pages: ReadonlySet<string> | undefined): void {
  const { scene, page, check_path, env_version, width, line_color } = wanted
  if (!isWithin(scene.length, 1, 32)) throw new WechatError(40169)
  if (!/^[0-9A-Za-z!#$&'()*+,/:;=?@\-._~]*$/.test(scene)) throw new WechatError(40129)
  if (page !== undefined) {
    if (page.includes('scancode_time')) throw new WechatError(85096)
    if (page === '' || page.startsWith('/') || page.includes('?')) throw new WechatError(41030)
    if (check_path && pages && !pages.has(page)) throw new WechatError(41030)
  }
  if (!['release', 'trial', 'develop'].includes(env_version)) throw new WechatError(40097)
  if (!isWithin(width, 280, 1280)) throw new WechatError(40097)
  if (!Object.values(line_color).every(value => isWithin(value, 0, 255))) throw new WechatError(40097)
}
