/** How the library tells what it does; the caller gives its logger. */
export type Log = (
  level: 'debug' | 'info' | 'warn' | 'error',
  message: string,
  fields?: Record<string, unknown>,
) => void

/** An operating system user that PostgreSQL runs as. */
export type OsUser = { name: string; uid: number; gid: number }

/** PostgreSQL's programs: absolute paths, and the major version of them. */
export type Programs = { postgres: string; initdb: string; major: number }

/** Everything that stays the same while one data directory is served. */
export type Site = Programs & {
  /** Real path of DATA_DIR. */
  dataDir: string
  /** PGDATA: `<dataDir>/postgres`. */
  pgData: string
  /** Whom to run PostgreSQL as; undefined: as ourselves. */
  user: OsUser | undefined
  durable: boolean
  log: Log
}

/** The two logins of the embedded database. */
export type Urls = { databaseUrl: string; ownerUrl: string }

/**
 * `in_use`: another service serves this directory; `unreachable`: permissions are in the way;
 * `failed`: PostgreSQL could not be installed, started or logged in to.
 */
export type EmbeddedErrorCode = 'in_use' | 'unreachable' | 'failed'

/** The embedded database cannot be had. The message is fit for the person at the terminal: it names the remedy. */
export class EmbeddedError extends Error {
  override name = 'EmbeddedError'
  readonly code: EmbeddedErrorCode

  constructor(code: EmbeddedErrorCode, message: string) {
    super(message)
    this.code = code
  }
}
