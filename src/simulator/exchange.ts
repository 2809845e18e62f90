import { setTimeout as sleep } from 'node:timers/promises'
import type { Request, RequestHandler, Response } from 'express'
import { errorBody, WechatError } from './errors.ts'
import { recordCall, type State } from './state.ts'
import type { Call, Endpoint, Fault } from './types.ts'

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

interface Reply {
  errcode: number | null
  send: () => void
}

/** A handler that runs `work` as WeChat would: HTTP 200 always, JSON as `contentType`, with the next fault in its way. */
export function endpoint(state: State, name: Endpoint, contentType: string, work: Work): RequestHandler {
  return async (req, res) => {
    const call = recordCall(state, name)
    const planned = state.faults[name].shift()
    const wechat = (errcode: number, body: object): Reply => ({
      errcode,
      send: () => {
        const isImage = Buffer.isBuffer(body)
        // Not res.type(): express would add a charset that WeChat does not send.
        res.setHeader('Content-Type', isImage ? 'image/jpeg' : contentType)
        res.end(isImage ? body : JSON.stringify(body))
      },
    })
    const refuse = (error: WechatError): Reply => wechat(error.errcode, errorBody(error, state.now()))
    const strike = (after: boolean) =>
      planned?.after === after ? befall(planned.fault, req, res, refuse) : undefined
    const perform = async (): Promise<Reply> => {
      const query = new URL(req.url, 'http://simulator').searchParams
      const phoneInfo = planned && 'phoneInfo' in planned.fault ? planned.fault.phoneInfo : {}
      try {
        return wechat(0, await work({ req, res, query, call, phoneInfo }))
      } catch (error) {
        if (error instanceof WechatError) return refuse(error)
        throw error
      }
    }
    let reply = await strike(false)
    if (!reply) {
      const own = await perform()
      reply = (await strike(true)) ?? own
    }
    call.errcode = reply.errcode
    state.onCall(call)
    reply.send()
  }
}

/** The reply that a fault puts in place of WeChat's; undefined where the call just goes on. */
async function befall(
  fault: Fault,
  req: Request,
  res: Response,
  refuse: (error: WechatError) => Reply,
): Promise<Reply | undefined> {
  if ('errcode' in fault) return refuse(new WechatError(fault.errcode, fault.errmsg))
  if ('status' in fault) return { errcode: null, send: () => res.status(fault.status).send(fault.body) }
  if ('reset' in fault) return { errcode: null, send: () => req.socket.resetAndDestroy() }
  // A sender who gave up during the wait is taken at his word: a `before` wait then spends no code.
  if ('hang' in fault && !(await stayed(res, fault.hang))) return { errcode: null, send: () => {} }
  return undefined
}

/** Waits `ms` milliseconds, at most until the sender has gone; whether he is still there. */
async function stayed(res: Response, ms: number): Promise<boolean> {
  const gone = new AbortController()
  const leave = () => gone.abort()
  res.once('close', leave)
  await sleep(ms, undefined, { signal: gone.signal }).catch(() => {})
  res.off('close', leave)
  return !gone.signal.aborted
}
