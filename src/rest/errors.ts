import type { ErrorRequestHandler, Request, Response } from 'express'
import { fromDatabase } from '../db/errors.ts'
import { AppError, type ErrorCode } from '../errors.ts'
import { type Logger, logFailure, logUnforeseen } from '../log.ts'

/** From this API version on GoTrue's errors are {code, message}. */
const NEW_FORMAT_SINCE = '2024-01-01'

/** A dead session cannot log out with 403: MemFire's client would keep it for ever; 401 lets it go. */
const endsAsUnauthorized = new Set<ErrorCode>(['bad_jwt', 'session_not_found', 'user_banned'])

/** `path` as the router of /auth/v1 has it: an operation of the application's own may be called token, too. */
function statusOf(path: string, { code, status }: AppError): number {
  // Express serves a route in capitals and with a slash at its end, too.
  const route = path.toLowerCase().replace(/\/$/, '')
  if (route === '/logout' && endsAsUnauthorized.has(code)) return 401
  // On 429 and 500 MemFire's client would throw its session away; on 503 it keeps it.
  const isPassing = code === 'over_request_rate_limit' || code === 'unexpected_failure'
  if (route === '/token' && isPassing) return 503
  return status
}

/** The end of every REST request that fails: the catalogue's name and status, in GoTrue's two formats. */
export const errorHandler =
  (log: Logger): ErrorRequestHandler =>
  (raw, req, res, next) => {
    if (res.headersSent) return next(raw)
    const error = fromBodyParser(fromDatabase(raw))
    if (error instanceof AppError) {
      logFailure(log, error)
      return sendError(req, res, error, statusOf(req.path, error))
    }
    const masked = new AppError('unexpected_failure')
    sendError(req, res, masked, statusOf(req.path, masked), { error_id: logUnforeseen(log, error) })
  }

/** The end of every path that leads nowhere. */
export const nothingHere = () => {
  throw new AppError('validation_failed', { status: 404, message: 'There is nothing here' })
}

/** What express and its body parser refuse by themselves. */
function fromBodyParser(error: unknown): unknown {
  const { status, type } = error as { status?: unknown; type?: unknown }
  if (error instanceof AppError || typeof status !== 'number' || status >= 500) return error
  if (type === 'entity.too.large') {
    return new AppError('validation_failed', { status: 413, message: 'The body is too large' })
  }
  if (status === 415) {
    return new AppError('validation_failed', { status, message: 'The charset or encoding is not supported' })
  }
  if (type === 'entity.parse.failed')
    return new AppError('validation_failed', { message: 'The body is not JSON' })
  return new AppError('validation_failed', { message: 'The request cannot be read' })
}

function sendError(req: Request, res: Response, error: AppError, status: number, more: object = {}) {
  const version = req.get('x-supabase-api-version')
  const isNew = version !== undefined && /^\d{4}-\d{2}-\d{2}$/.test(version) && version >= NEW_FORMAT_SINCE
  const { code, message, wechat } = error
  res.locals.code = code
  res.status(status).set({ 'cache-control': 'no-store', 'x-sb-error-code': code })
  if (isNew) res.set('x-supabase-api-version', version)
  const retryAfter = error.retryAfter ?? (status === 503 ? 2 : undefined)
  if (retryAfter !== undefined) res.set('retry-after', String(retryAfter))
  res.json({
    ...(isNew ? { code, message } : { code: status, error_code: code, msg: message }),
    ...(wechat && { wechat }),
    ...more,
  })
}
