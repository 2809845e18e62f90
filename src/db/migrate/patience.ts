import pRetry from 'p-retry'
import type pg from 'pg'
import type { Logger } from '../../log.ts'
import { isUnavailable } from '../errors.ts'
import type { Blockers } from './blockers.ts'
import { MigrationError } from './error.ts'

/** How long a migration waits, and for what. */
export interface Patience {
  /**
   * For one lock. Whatever the service wants of that table queues behind the migration meanwhile, so this is shorter than
   * the service's own limit (DATABASE_TIMEOUT_MS); and longer than PostgreSQL's deadlock_timeout, a second, after which an
   * autovacuum gives way.
   */
  lockTimeoutMs: number
  /** How often a step is tried where it meets a lock, a report or a dump that runs, say. */
  attempts: number
  /** Before the second attempt; before later ones more, up to ten times as long. The service works on in the pauses. */
  pauseMs: number
  /** For one statement. A file that needs longer says so itself: `set local statement_timeout`. */
  statementTimeoutMs: number
  /** For another node's migration of the same database: all its attempts, and long statements. */
  turnMs: number
}

export const PATIENCE: Patience = {
  lockTimeoutMs: 2_000,
  attempts: 10,
  pauseMs: 1_000,
  statementTimeoutMs: 10 * 60_000,
  turnMs: 30 * 60_000,
}

/** What the parts of one run share. */
export interface Run {
  ownerUrl: string
  applicationName: string
  client: pg.Client
  blockers: Blockers
  patience: Patience
  log: Logger
}

/** Session-level, so that nodes which start together wait for each other; our own number. */
export const TURN = 0x77_78_6d_69

const codeOf = (error: unknown) =>
  (error as { code?: unknown }).code ?? ((error as Error).cause as { code?: unknown } | undefined)?.code
/** A lock not to be had in time, or a deadlock, which is the same in other words. */
const isBlocked = (error: unknown) => ['55P03', '40P01'].includes(codeOf(error) as string)

/** Waits until no other node migrates this database. The lock ends with the connection. */
export async function takeTurn({ client, blockers, patience }: Run): Promise<void> {
  try {
    await inTransaction(client, { lockTimeoutMs: patience.turnMs, statementTimeoutMs: 0 }, () =>
      client.query('select pg_advisory_lock($1)', [TURN]),
    )
  } catch (error) {
    if (!isBlocked(error)) throw error
    throw new MigrationError(
      `Another migration of this database has not ended for ${inWords(patience.turnMs)}. ${blockers.describe()}`,
      { cause: error },
    )
  }
}

/** A transaction of the migrating connection, tried until its locks are to be had. */
export const step = <Result>(run: Run, what: string, work: () => Promise<Result>): Promise<Result> =>
  patiently(run, what, () => inTransaction(run.client, run.patience, work))

/** Tries `work`, which does everything or nothing, until its locks are to be had, and says why where they are not. */
export async function patiently<Result>(
  { blockers, patience, log }: Run,
  what: string,
  work: () => Promise<Result>,
): Promise<Result> {
  blockers.clear()
  try {
    return await pRetry(work, {
      retries: patience.attempts - 1,
      factor: 1.5,
      minTimeout: patience.pauseMs,
      maxTimeout: 10 * patience.pauseMs,
      shouldRetry: ({ error }) => isBlocked(error),
      onFailedAttempt: ({ error, attemptNumber }) => {
        if (isBlocked(error))
          log.warn({ what, attempt: attemptNumber, reason: error.message }, blockers.describe())
      },
    })
  } catch (error) {
    throw explain(error as Error, patience, blockers)
  }
}

function explain(error: Error, patience: Patience, blockers: Blockers): Error {
  if (error instanceof MigrationError) return error
  const because = (text: string) =>
    new MigrationError(`${error.message}. Nothing was left half-done. ${text}`, { cause: error })
  if (isBlocked(error)) {
    const limit = `It was tried ${patience.attempts} times, and never waited longer than ${inWords(patience.lockTimeoutMs)}, so as not to hold up the service.`
    return because(`${limit} ${blockers.describe()} Then run migrate again.`)
  }
  if (codeOf(error) === '57014')
    return because(
      `Somebody cancelled it, or a statement took longer than ${inWords(patience.statementTimeoutMs)}: run migrate again when the database has less to do.`,
    )
  if (!isUnavailable(error.cause ?? error)) return error
  return new MigrationError(
    `${error.message}. The step was done as a whole or not at all: run migrate again.`,
    { cause: error },
  )
}

type Limits = Pick<Patience, 'lockTimeoutMs' | 'statementTimeoutMs'>

/** The limits are the transaction's: the connection keeps nothing of them. */
async function inTransaction<Result>(client: pg.Client, limits: Limits, work: () => Promise<Result>) {
  await client.query('begin')
  try {
    await client.query(
      `select set_config('lock_timeout', $1, true), set_config('statement_timeout', $2, true)`,
      [String(limits.lockTimeoutMs), String(limits.statementTimeoutMs)],
    )
    const result = await work()
    await client.query('commit')
    return result
  } catch (error) {
    await client.query('rollback').catch(() => {})
    throw error
  }
}

const inWords = (ms: number) => (ms < 60_000 ? `${ms / 1_000} s` : `${ms / 60_000} minutes`)
