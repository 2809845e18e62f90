import type { z } from 'zod'
import { readJson } from './body.ts'
import { WechatError } from './errors.ts'
import type { Exchange } from './exchange.ts'

/** The body of a call that has to be a POST of JSON: 43002 another method, 44002 no body, 47001 another form. */
export async function readPost<T>({ req, res }: Exchange, schema: z.ZodType<T>): Promise<T> {
  if (req.method !== 'POST') throw new WechatError(43002)
  const body = await readJson(req, res)
  if (body === undefined) throw new WechatError(44002)
  const parsed = schema.safeParse(body)
  if (!parsed.success) throw new WechatError(47001)
  return parsed.data
}
