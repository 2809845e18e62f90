import { AppError, codeOfSqlstate } from '../errors.ts'

const socketCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ETIMEDOUT',
  'EHOSTUNREACH',
])
const driverMessages = [
  'Connection terminated',
  'timeout exceeded when trying to connect',
  'Query read timeout',
  'Client has encountered a connection error',
  'Cannot use a pool after calling end',
  'Client was closed',
]
// Class 08: connection exceptions. 57P0x: shutdown, crash, not yet ready. 25006: a read-only standby after a failover.
// 28xxx, 3D000: the login's password, or the database, is being changed. 53xxx: out of connections, memory, disk. 57014:
// statement timeout. 55P03: lock not available. 40xxx: try again.
const sqlstates = /^(08...|57P0.|25006|28...|3D000|53...|57014|55P03|40001|40P01)$/

/** The database cannot be reached at a start; the message names the variable. */
export class UnreachableError extends Error {}

/** For the first connection of a start: what the person at the terminal can mend, in his words. */
export const orUnreachable = (variable: string) => (error: unknown) => {
  const reason = error instanceof AppError ? error.cause : error
  if (!isUnavailable(reason)) throw error
  const { message, code } = reason as Error & { code?: string }
  throw new UnreachableError(`The database of ${variable} cannot be reached: ${message || code}`, {
    cause: error,
  })
}

/** Whether the driver gave up on a statement, which may still run. */
export const isReadTimeout = (error: unknown) =>
  error instanceof Error && error.message === 'Query read timeout'

/** Whether the database could not be reached, or not in time: what is idempotent may be tried again. */
export function isUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  if (error instanceof AggregateError) return error.errors.some(isUnavailable)
  const { code, message } = error as Error & { code?: unknown }
  if (typeof code === 'string' && (socketCodes.has(code) || sqlstates.test(code))) return true
  return driverMessages.some(part => message.startsWith(part))
}

/** The catalogue's error for what the driver threw; errors it does not foresee come back as they are. */
export function fromDatabase(error: unknown): unknown {
  const code = (error as { code?: unknown } | null)?.code
  const known = typeof code === 'string' ? codeOfSqlstate(code) : undefined
  if (known) {
    const { message, hint } = error as { message: string; hint?: string }
    return new AppError(known, { message: hint ? `${message}. ${hint}` : message, cause: error })
  }
  if (isUnavailable(error)) return new AppError('database_unavailable', { cause: error })
  return error
}
