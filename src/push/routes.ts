// Before: src/app.ts. After: sql/schema/auth_private/wechat_receive_push.sql, and later, by the worker, src/tasks/wechat_push.ts.
import express, { type Request, type Response, Router } from 'express'
import { receivePush } from '../db/statements.ts'
import { AppError } from '../errors.ts'
import { maskPhones } from '../log.ts'
import { errorHandler } from '../rest/errors.ts'
import type { Services } from '../services.ts'
import { open, requireSigned } from './envelope.ts'
import { pushOf } from './push.ts'

/**
 * `/wechat/push`: WeChat's message push, of which the events by which users take back what they have given count. What it
 * means happens in a job; here it is written down, because WeChat waits for five seconds and repeats what was not answered.
 * Without WECHAT_PUSH_TOKEN there is nothing here.
 */
export function pushRouter({ config, db, log }: Services): Router {
  const router = Router()
  const { push: keys } = config
  if (!keys) return router
  const { apps, defaultAppid } = config.wechat
  if (config.production && !keys.aesKey)
    log.warn('WECHAT_PUSH_AES_KEY is not set: whoever has read one address of a push can forge others')

  async function receive({ query, body }: Request) {
    const { fields, appid: encryptedFor } = open(keys!, Object.keys(apps), query, textOf(body))
    const push = pushOf(fields, query.timestamp)
    if (!push) return log.debug('a push of another event')
    const { event, appid = encryptedFor ?? defaultAppid } = push
    if (!Object.hasOwn(apps, appid)) {
      const name = maskPhones(appid.slice(0, 64))
      return log.warn({ event, appid: name }, 'a push for an app that is not configured')
    }
    await receivePush(db, { ...push, appid })
    log.info({ event, appid, revoke_info: push.revokeInfo }, 'a push was received')
  }

  const answer = (res: Response, text: string) =>
    res
      .set({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' })
      .type('text/plain')
      .send(text)

  router.get('/', (req, res) => {
    requireSigned(keys, req.query)
    const { echostr } = req.query
    if (typeof echostr !== 'string')
      throw new AppError('validation_failed', { message: 'echostr is missing' })
    answer(res, echostr)
  })
  // WeChat's pushes are far smaller, and not compressed.
  router.post('/', express.raw({ type: () => true, limit: '64kb', inflate: false }), async (req, res) => {
    await receive(req)
    answer(res, 'success')
  })
  router.all('/', (_req, res) => {
    res.set('allow', 'GET, POST')
    throw new AppError('validation_failed', { status: 405, message: 'Only GET, POST is allowed here' })
  })
  router.use(errorHandler(log))
  return router
}

const textOf = (body: unknown) => (Buffer.isBuffer(body) ? body.toString('utf8') : '')
