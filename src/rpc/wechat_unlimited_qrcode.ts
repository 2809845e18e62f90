import { z } from 'zod'
import type { Rpc } from './rpc.ts'

/** WeChat says nothing of its length; a path of this length does not occur. */
const MAX_PAGE = 255

const missingOr = (message: string) => ({
  error: (issue: { input?: unknown }) => (issue.input == null ? 'is missing' : message),
})

const Scene = z
  .string(missingOr('is not a string'))
  .regex(
    /^[0-9A-Za-z!#$&'()*+,/:;=?@\-._~]{1,32}$/,
    "is not 1 to 32 of these characters: 0-9 A-Z a-z ! # $ & ' ( ) * + , / : ; = ? @ - . _ ~",
  )

const Page = z
  .string('is not a string')
  .min(1, 'is empty: leave it out for the main page')
  .max(MAX_PAGE, `is longer than ${MAX_PAGE} characters`)
  .regex(/^(?!\/)/, 'begins with a slash')
  .regex(/^[^?#]*$/, 'has a query, which belongs into scene')
  .regex(/^[^\s\p{C}]*$/u, 'has a space or a character that cannot be seen')
  .refine(page => !page.includes('scancode_time'), 'holds scancode_time, which WeChat keeps for itself')

const WIDTH = 'is not a whole number from 280 to 1280'
const Width = z.number(WIDTH).refine(width => Number.isInteger(width) && width >= 280 && width <= 1280, WIDTH)

const CHANNEL = missingOr('is not a whole number from 0 to 255')
/** WeChat's page writes the numbers as strings, so callers do, too. */
const Channel = z
  .union(
    [
      z.number(),
      z
        .string()
        .regex(/^[0-9]{1,3}$/)
        .transform(Number),
    ],
    CHANNEL,
  )
  .refine(value => Number.isInteger(value) && value >= 0 && value <= 255, CHANNEL)

const Flag = z.boolean('is not a boolean').nullish()

const Input = z.object({
  scene: Scene,
  page: Page.nullish(),
  checkPath: Flag,
  envVersion: z.enum(['release', 'trial', 'develop'], 'is neither release, trial nor develop').nullish(),
  width: Width.nullish(),
  autoColor: Flag,
  lineColor: z.object({ r: Channel, g: Channel, b: Channel }, 'is not an object with r, g and b').nullish(),
  isHyaline: Flag,
})

/**
 * Makes a mini program code. Before: src/graphql/mutations.ts or src/rest/routes.ts. Then WeChat (getwxacodeunlimit); the
 * database is asked for the access token only.
 */
export const wechatUnlimitedQrcode: Rpc<z.infer<typeof Input>, { imgBase64: string }> = {
  name: 'wechatUnlimitedQrcode',
  description:
    'Makes a mini program code (getUnlimitedQRCode): an image that opens a page of the mini program when it is scanned. Codes are valid for ever and without number. Anybody may call it. Errors: validation_failed, session_not_found, user_banned, over_request_rate_limit, wechat_misconfigured, wechat_unavailable, database_unavailable.',
  sdl: {
    types: `"""The colour of a mini program code's lines."""
input WechatLineColorInput {
  """Red, 0 to 255."""
  r: Int!
  """Green, 0 to 255."""
  g: Int!
  """Blue, 0 to 255."""
  b: Int!
}`,
    input: `"""What the page gets as \`scene\`: 1 to 32 of the characters 0-9, A-Z, a-z and !#$&'()*+,/:;=?@-._~"""
scene: String!
"""The page to open, such as pages/index/index: no slash before it, no query behind it. Without it, the main page."""
page: String
"""Refuse a page that the published mini program does not have; without it, true."""
checkPath: Boolean
"""The version of the mini program to open: release, trial or develop; without it, release."""
envVersion: String
"""The image's width in pixels, 280 to 1280; without it, 430."""
width: Int
"""Let WeChat choose the colour of the lines; without it, false."""
autoColor: Boolean
"""The colour of the lines, unless WeChat chooses it; without it, black."""
lineColor: WechatLineColorInput
"""Make the background transparent; without it, false."""
isHyaline: Boolean`,
    payload: '"""The image in base64: JPEG or PNG."""\nimgBase64: String',
  },
  input: Input,
  entersSession: false,
  async run({ wechat }, { appid }, input) {
    const image = await wechat.unlimitedQrcode(appid, {
      scene: input.scene,
      page: input.page ?? undefined,
      check_path: input.checkPath ?? undefined,
      env_version: input.envVersion ?? undefined,
      width: input.width ?? undefined,
      auto_color: input.autoColor ?? undefined,
      line_color: input.lineColor ?? undefined,
      is_hyaline: input.isHyaline ?? undefined,
    })
    return { imgBase64: image.toString('base64') }
  },
}
