import { AsyncLocalStorage } from 'node:async_hooks'
import { randomUUID } from 'node:crypto'
import { formatWithOptions } from 'node:util'
import { type DestinationStream, type Logger, pino } from 'pino'
import pretty from 'pino-pretty'
import type { AppError } from './errors.ts'

export type { Logger } from 'pino'

/** Masks whatever looks like a phone in a text that we did not write: `+86138****8000`. */
export const maskPhones = (text: string) =>
  text.replace(/(\+[0-9]{1,6}|[0-9]{3})[0-9]{4,}([0-9]{4})(?![0-9])/g, '$1****$2')

/**
 * What a log may know of an error: PostgreSQL's `detail`, `where` and parameters quote values and stay away.
 */
export function serializeError(error: unknown): object {
  if (!(error instanceof Error)) return { message: maskPhones(String(error)) }
  const { code, constraint, routine } = error as { code?: string; constraint?: string; routine?: string }
  return {
    type: error.name,
    message: maskPhones(error.message),
    ...(code === undefined ? {} : { code }),
    ...(constraint === undefined ? {} : { constraint }),
    ...(routine === undefined ? {} : { routine }),
    stack: maskPhones(error.stack ?? ''),
    ...(error.cause === undefined ? {} : { cause: serializeError(error.cause) }),
  }
}

/** What a request's message says already. */
const inMessage = 'req_id,method,path,status,ms'

/** What every line says that is written while a request is served. */
export const requestStore = new AsyncLocalStorage<{ req_id: string }>()

/** An operation failed for a reason that the catalogue knows and that is not the caller's: its cause in a word. */
export function logFailure(log: Logger, { status, code, cause, wechat }: AppError): void {
  if (status < 500) return
  const reason = cause instanceof Error ? maskPhones(cause.message) : undefined
  log.warn({ code, reason, wechat }, 'an operation failed')
}

/** Nobody foresaw this error. Answers the id under which it is in the log, for the caller's report. */
export function logUnforeseen(log: Logger, err: unknown): string {
  const errorId = randomUUID()
  log.error({ err, error_id: errorId }, 'an unforeseen error')
  return errorId
}

/** One JSON object a line, on standard output unless told otherwise; readable lines on a terminal. */
export function createLog(level: string, destination?: DestinationStream): Logger {
  const options = {
    level,
    base: null,
    serializers: { err: serializeError },
    mixin: () => ({ ...requestStore.getStore() }),
  }
  if (destination) return pino(options, destination)
  return process.stdout.isTTY
    ? pino(
        options,
        pretty({ translateTime: 'SYS:HH:MM:ss', singleLine: true, ignore: inMessage, sync: true }),
      )
    : pino(options)
}

/** What libraries print goes into the log too, one line each, so that the output stays one JSON object a line. */
export function captureConsole(log: Logger): void {
  const to =
    (level: 'debug' | 'warn' | 'error') =>
    (...values: unknown[]) =>
      log[level]({ from: 'console' }, maskPhones(formatWithOptions({ colors: false, depth: 3 }, ...values)))
  Object.assign(console, {
    debug: to('debug'),
    log: to('debug'),
    info: to('debug'),
    dir: to('debug'),
    warn: to('warn'),
    error: to('error'),
  })
}
