// Hop before: exchange.ts, when a call has arrived or has taken effect. Hop after: none, the answer goes to the caller.
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Request, Response } from 'express'
import { WechatError } from './errors.ts'
import type { Fault } from './types.ts'

/** An answer in WeChat's manner: what it says, and how it would be sent. */
export interface Answer {
  errcode: number
  contentType: string
  body: Buffer
}

/** What is sent in the end; `errcode` null: nothing that WeChat would have said. */
export interface Reply {
  errcode: number | null
  send: () => void | Promise<void>
}

/** Where a fault strikes: the call, what WeChat says to it where that is known already, and how it refuses. */
export interface Scene {
  req: Request
  res: Response
  answer: Answer | undefined
  refuse: (error: WechatError, hint: boolean | undefined) => Reply
}

const CHUNK = Buffer.alloc(65_536, 'x')
const HUGE_HEAD = '{"errcode":0,"errmsg":"'
const HUGE_TAIL = '"}'
/** The least that a huge answer can have. */
export const HUGE_LEAST = HUGE_HEAD.length + HUGE_TAIL.length

/** The reply that a fault puts in place of WeChat's; undefined where the call just goes on. */
export async function strike(fault: Fault, scene: Scene): Promise<Reply | undefined> {
  const { req, res } = scene
  const lost = (send: Reply['send']): Reply => ({ errcode: null, send })
  if ('errcode' in fault) return scene.refuse(new WechatError(fault.errcode, fault.errmsg), fault.hint)
  if ('status' in fault) return lost(() => sendForeign(res, fault))
  if ('truncate' in fault) return lost(() => sendCut(scene, fault))
  if ('huge' in fault) return lost(() => sendHuge(res, fault.huge))
  if ('empty' in fault) return lost(() => send(res, scene.answer?.contentType ?? 'application/json', ''))
  if ('reset' in fault) return lost(() => void req.socket.resetAndDestroy())
  if ('latency' in fault) await sleep(fault.latency, undefined, { ref: false })
  // A sender who gave up during the wait is taken at his word: a `before` wait then spends no code.
  if ('hang' in fault && !(await stayed(res, fault.hang))) return lost(() => {})
  return undefined
}

/** Not express's `send`: it would add a charset, and an ETag, that WeChat does not send. */
export function send(res: Response, contentType: string, body: string | Buffer): void {
  res.setHeader('Content-Type', contentType)
  res.end(body)
}

function sendForeign(res: Response, fault: Extract<Fault, { status: number }>): void {
  const isText = typeof fault.body === 'string'
  const usual = isText ? 'text/html; charset=utf-8' : 'application/json; charset=utf-8'
  res.status(fault.status)
  send(res, fault.contentType ?? usual, isText ? (fault.body as string) : JSON.stringify(fault.body))
}

/** The head of the true answer. With `tear` the rest is announced and never comes, and the connection breaks. */
function sendCut({ res, answer }: Scene, { truncate, tear }: Extract<Fault, { truncate: unknown }>): void {
  const { contentType, body } = answer!
  const head = body.subarray(0, truncate === true ? Math.floor(body.length / 2) : truncate)
  if (!tear) {
    send(res, contentType, head)
    return
  }
  // At least one byte has to be missing for the connection to break in the middle of something.
  res.writeHead(200, {
    'Content-Type': contentType,
    'Content-Length': Math.max(body.length, head.length + 1),
  })
  res.write(head, () => res.destroy())
}

/** JSON of `bytes` bytes, written only as fast as it is read. */
async function sendHuge(res: Response, bytes: number): Promise<void> {
  res.setHeader('Content-Type', 'application/json')
  res.write(HUGE_HEAD)
  const gone = new AbortController()
  res.once('close', () => gone.abort())
  if (res.req.socket.destroyed) return
  for (let left = bytes - HUGE_LEAST; left > 0 && !gone.signal.aborted; left -= CHUNK.length) {
    if (res.write(CHUNK.subarray(0, left))) continue
    await once(res, 'drain', { signal: gone.signal }).catch(() => {})
  }
  res.end(HUGE_TAIL)
}

/** Waits `ms` milliseconds, at most until the sender has gone; whether he is still there. True: only until then. */
async function stayed(res: Response, ms: number | true): Promise<boolean> {
  const gone = new AbortController()
  const leave = () => gone.abort()
  res.once('close', leave)
  if (res.req.socket.destroyed) leave()
  else if (ms === true) await once(gone.signal, 'abort')
  else await sleep(ms, undefined, { signal: gone.signal }).catch(() => {})
  res.off('close', leave)
  return !gone.signal.aborted
}
