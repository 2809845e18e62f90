import { readFileSync } from 'node:fs'
import { type ErrorRequestHandler, type Request, type Response, Router } from 'express'
import { version } from '../version.ts'
import { controlRoutes, type Operations } from './control/index.ts'
import type { Operation } from './control/operation.ts'
import type { State } from './state.ts'
import { ROUTES, wechatRoutes } from './wechat.ts'

const WECHAT = Object.values(ROUTES).map(({ method, path }) => `${method} ${path}`)
const DOCUMENT = new URL('../../docs/simulator.md', import.meta.url)

/** WeChat's endpoints, the control endpoints, and two pages about them; everything else is 404 and says what there is. */
export function simulatorRouter(state: State, operations: Operations): Router {
  const control = (Object.values(operations) as Operation[]).map(({ method, path }) => `${method} ${path}`)
  const all = [...WECHAT, ...control, 'GET /document']
  const index = (req: Request, res: Response) => {
    const document = `${req.protocol}://${req.get('host')}${req.baseUrl}/document`
    res.json({
      ...{ name: 'WeChat simulator of postgraphile-wechat', version, document },
      ...{ wechat: WECHAT, control, apps: [...state.apps.keys()] },
    })
  }
  return Router()
    .use(wechatRoutes(state))
    .use(controlRoutes(operations))
    .get('/', index)
    .get('/document', (_req, res) => {
      res.type('text/markdown; charset=utf-8').send(readFileSync(DOCUMENT, 'utf8'))
    })
    .use((req, res) => {
      const here = all.filter(route => route.endsWith(` ${req.path}`))
      const instead = here.length > 0 ? `, but ${here.join(', ')}` : ''
      const error = `the WeChat simulator has no ${req.method} ${req.path}${instead}`
      res.status(404).json({ error, endpoints: all })
    })
    .use(asJson)
}

/** What express itself refuses, such as a path that cannot be decoded. */
const asJson: ErrorRequestHandler = (error: { status?: unknown; message: string }, _req, res, next) => {
  if (res.headersSent || typeof error.status !== 'number' || error.status >= 500) return next(error)
  res.status(error.status).json({ error: error.message })
}
