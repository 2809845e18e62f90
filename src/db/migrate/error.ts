import type pg from 'pg'

/** The database cannot be migrated; the message names the remedy. */
export class MigrationError extends Error {}

/** What PostgreSQL says, and of which file. What the login may not do is for a person to mend, with PostgreSQL's hint. */
export function namedError(name: string, error: pg.DatabaseError): Error {
  const message = [`${name}: ${error.message}`, error.hint].filter(Boolean).join('. ')
  if (error.code !== '42501') return new Error(message, { cause: error })
  const remedy = error.hint ? '' : ': DATABASE_OWNER_URL must log in as the owner of the database'
  return new MigrationError(message + remedy, { cause: error })
}
