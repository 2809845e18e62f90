import { isUnavailable } from '../db/errors.ts'
import { maskPhones } from '../log.ts'

/** The import cannot be done, or not go on; the message says what helps. Batches that were written stay, each whole. */
export class ImportError extends Error {}

/**
 * The same for what PostgreSQL or the driver said of a database; faults of our own come back as they are. Of PostgreSQL's
 * words only the message is told: the details quote rows.
 */
export function named(database: string, error: unknown): unknown {
  if (error instanceof ImportError || !(error instanceof Error)) return error
  const { code, hint } = error as { code?: unknown; hint?: string }
  const isPostgres = typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code)
  if (!isPostgres && !isUnavailable(error)) return error
  const remedy = remedies[String(code)] ?? (isUnavailable(error) ? AGAIN : hint)
  return new ImportError(`${database}: ${[wordsOf(error), remedy].filter(Boolean).join('. ')}`, {
    cause: error,
  })
}

const AGAIN = 'What was written is complete: run the import again'
const remedies: Record<string, string> = {
  '42501': 'Log in as the owner of the tables, or as somebody else who may see all their rows',
  '53200': `${AGAIN}, with a smaller --batch, which takes fewer locks`,
}

/** What an error says, fit for a terminal. */
export function wordsOf(error: unknown): string {
  const { message, code } = error as Error & { code?: string }
  return maskPhones(message || code || String(error))
}
