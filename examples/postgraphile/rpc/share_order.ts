import { AppError, asCaller, type OwnRpc } from 'postgraphile-wechat'
import { z } from 'zod'

/** Makes a mini program code of one of the caller's orders, for friends who want the same. */
export const shareOrder: OwnRpc<{ orderId: string }, { code: string; imgBase64: string }> = {
  name: 'shareOrder',
  description:
    'Makes a mini program code that leads to an order of the signed-in user; the same order has the same code. Errors: validation_failed, no_authorization, session_not_found, user_banned, over_request_rate_limit, wechat_misconfigured, wechat_unavailable, database_unavailable.',
  sdl: {
    input: '"""The order."""\norderId: UUID!',
    payload: `"""What the page gets as scene."""
code: String
"""The image in base64: JPEG or PNG."""
imgBase64: String`,
  },
  input: z.object({ orderId: z.guid('is not a uuid') }),
  limits: [{ by: 'user', points: 20, seconds: 60 }],
  async run(services, call, { orderId }) {
    const [row] = await asCaller(services, call, query =>
      query<{ code: string | null }>('select public.share_order($1) as code', [orderId]),
    )
    if (!row?.code)
      throw new AppError('validation_failed', { status: 404, message: 'You have no such order' })
    const image = await services.wechat.unlimitedQrcode(call.appid, {
      scene: row.code,
      page: 'pages/order/order',
    })
    return { code: row.code, imgBase64: image.toString('base64') }
  },
}
