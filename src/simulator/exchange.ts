// Hop before: wechat.ts, whose routes are made of this. Hop after: strike.ts where a fault was planned, and the caller.
import type { Request, RequestHandler, Response } from 'express'
import { readJson } from './body.ts'
import { errorBody, WechatError } from './errors.ts'
import { kindOf } from './faults.ts'
import { recordCall, type State } from './state.ts'
import { type Answer, type Reply, send, strike } from './strike.ts'
import type { Call, Endpoint } from './types.ts'

/** One call of a WeChat endpoint, as the endpoint sees it. */
export interface Exchange {
  req: Request
  res: Response
  query: URLSearchParams
  /** The endpoint enters the appid as soon as it has accepted credentials or token. */
  call: Call
  /** Fields of a fault, to be laid over `phone_info`. */
  phoneInfo: Record<string, unknown>
}

/** What an endpoint does: its answer on success (a Buffer is an image, anything else JSON), or a thrown WechatError. */
export type Work = (exchange: Exchange) => object | Promise<object>

/** A handler that runs `work` as WeChat would: HTTP 200 always, JSON as `contentType`, with a fault in its way if one is due. */
export function endpoint(state: State, name: Endpoint, contentType: string, work: Work): RequestHandler {
  const wechat = (errcode: number, body: object): Answer =>
    Buffer.isBuffer(body)
      ? { errcode, contentType: 'image/jpeg', body }
      : { errcode, contentType, body: Buffer.from(JSON.stringify(body)) }
  const refusal = (error: WechatError, hint = state.settings.hints) =>
    wechat(error.errcode, errorBody(error, state.now(), hint))
  const perform = async (exchange: Exchange): Promise<Answer> => {
    try {
      return wechat(0, await work(exchange))
    } catch (error) {
      if (error instanceof WechatError) return refusal(error)
      throw error
    }
  }
  return async (req, res) => {
    const call = recordCall(state, name)
    const began = performance.now()
    const query = queryOf(req)
    const caller = state.faults.needsApp(name) ? await callerOf(state, query, req, res) : undefined
    const plan = state.faults.take(name, caller)
    const fault = plan?.fault
    if (fault) call.fault = kindOf(fault)
    const reply = (answer: Answer): Reply => ({
      errcode: answer.errcode,
      send: () => send(res, answer.contentType, answer.body),
    })
    const scene = {
      ...{ req, res, answer: undefined },
      refuse: (error: WechatError, hint: boolean | undefined) => reply(refusal(error, hint)),
    }
    // There is nothing to cut off before there is an answer.
    const strikesAfter = plan?.after || call.fault === 'truncate'
    let final = fault && !strikesAfter ? await strike(fault, scene) : undefined
    if (!final) {
      const phoneInfo = fault && 'phoneInfo' in fault ? fault.phoneInfo : {}
      const answer = await perform({ req, res, query, call, phoneInfo })
      final = (fault && strikesAfter && (await strike(fault, { ...scene, answer }))) || reply(answer)
    }
    call.errcode = final.errcode
    call.ms = Math.round(performance.now() - began)
    state.onCall(call)
    await final.send()
  }
}

/** The query of a request, as WeChat reads it: the first of several values counts. */
export const queryOf = ({ url }: Request) => new URLSearchParams(url.split('?').slice(1).join('?'))

/** The app that a call says it is of, believed or not. */
async function callerOf(state: State, query: URLSearchParams, req: Request, res: Response) {
  const named = query.get('appid') ?? state.tokens.ownerOf(query.get('access_token'))
  if (named !== undefined && named !== null) return named
  const body = (await readJson(req, res)) as { appid?: unknown } | undefined | null
  return typeof body === 'object' && typeof body?.appid === 'string' ? body.appid : undefined
}
