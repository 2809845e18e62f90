// Before: src/app.ts. After: src/metrics/metrics.ts.
import { type RequestHandler, Router } from 'express'
import { Registry } from 'prom-client'
import type { Services } from '../services.ts'
import { routeOf } from './labels.ts'

/** `/metrics`: open to whoever reaches it; docs/metrics.md says how to keep it inside. */
export function metricsRouter({ metrics }: Pick<Services, 'metrics'>): Router {
  const router = Router()
  router.get('/', async (_req, res) => {
    const text = await metrics.scrape()
    res.set({ 'content-type': Registry.PROMETHEUS_CONTENT_TYPE, 'cache-control': 'no-store' })
    res.end(text)
  })
  return router
}

/** Measures every request from its beginning to the end of its answer. */
export const measureRequests =
  ({ metrics }: Pick<Services, 'metrics'>): RequestHandler =>
  (req, res, next) => {
    const started = performance.now()
    const route = routeOf(req.url)
    res.once('close', () => {
      const status = res.writableFinished ? res.statusCode : 'aborted'
      metrics.http(route, status, (performance.now() - started) / 1000)
    })
    next()
  }
