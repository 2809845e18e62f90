import cors from 'cors'
import type { RequestHandler } from 'express'

/** What pages may read of an answer besides its body. */
const exposedHeaders = [
  'x-total-count',
  'link',
  'x-sb-error-code',
  'x-supabase-api-version',
  'x-request-id',
  'retry-after',
]
/** What pages may send. */
const allowedHeaders = [
  'authorization',
  'apikey',
  'content-type',
  'x-client-info',
  'x-supabase-api-version',
  'x-wechat-appid',
  'x-request-id',
]
const methods = ['GET', 'POST', 'PUT', 'DELETE']
/** Seconds that a browser may remember a preflight; none remembers it longer. */
const maxAge = 7_200

/**
 * Lets pages of these origins (`CORS_ORIGINS`; `*`: of all) call from a browser: their preflights are answered here, and
 * whatever else is answered, errors included, says so. Stands before everything that could answer. Tokens come in
 * headers, never in cookies, so there are no credentials.
 */
export function allowOrigins(origins: string[]): RequestHandler {
  if (origins.length === 0) return (_req, _res, next) => next()
  const all = origins.includes('*')
  const allow = cors({ origin: all ? '*' : origins, methods, allowedHeaders, exposedHeaders, maxAge })

  return (req, res, next) => {
    const { origin } = req.headers
    const isPreflight = origin !== undefined && req.get('access-control-request-method') !== undefined
    const isAllowed = all || (origin !== undefined && origins.includes(origin))
    if (req.method !== 'OPTIONS' || (isPreflight && isAllowed)) return allow(req, res, next)
    // The library would answer any OPTIONS; this one is a method that nobody has here.
    if (!all) res.vary('Origin')
    next()
  }
}
