// Before: an operation of the application's own, or src/graphql/pg_session.ts. After: its tables, under its caller's role.
import type { DatabaseError, PoolClient, QueryResultRow } from 'pg'
import { fromDatabase, isUnavailable } from '../db/errors.ts'
import { statements } from '../db/statements.ts'
import { AppError } from '../errors.ts'
import type { Services } from '../services.ts'
import type { Caller } from '../tokens/jwt.ts'
import type { Call } from './rpc.ts'

/** Runs a statement and answers its rows. */
export type Query = <Row extends QueryResultRow>(text: string, values?: unknown[]) => Promise<Row[]>

/**
 * A transaction under the caller's role and claims, so that the policies of the application's tables hold and `auth.uid()`
 * is he; committed when `work` is done, undone where it throws. Raises `session_not_found` and `user_banned` where the
 * session has ended, `no_authorization` where a right or a policy refuses, `validation_failed` where a constraint does, and
 * `database_unavailable`. It holds a connection of the node's pool: WeChat is asked before or after it.
 */
export async function asCaller<T>(
  { db }: Pick<Services, 'db'>,
  call: Call,
  work: (query: Query) => Promise<T>,
): Promise<T> {
  const client = await db.pool.connect().catch((error: unknown) => {
    throw fromDatabase(error)
  })
  let isApplications = false
  let isOver = false
  const query = async <Row extends QueryResultRow>(text: string, values: unknown[] = []) => {
    if (isOver) throw new Error('The transaction of asCaller is over: await its statements')
    return (await client.query<Row>(text, values)).rows
  }
  try {
    await client.query('begin')
    await client.query(callerStatement(call.caller))
    call.isEntered = true
    isApplications = true
    const result = await work(query)
    isOver = true
    // PostgreSQL's answer to the commit of a transaction in which a statement has failed.
    if ((await client.query('commit')).command === 'ROLLBACK')
      throw new Error('A statement had failed, and its error was not passed on: nothing was written')
    client.release()
    return result
  } catch (error) {
    isOver = true
    client.release(!(await isUndone(client, error)))
    throw fromDatabase(isApplications ? fromApplication(error, call.caller) : error)
  }
}

/** Whether the connection is as it was; the next caller would find himself in this transaction otherwise. */
const isUndone = async (client: PoolClient, error: unknown): Promise<boolean> =>
  !isUnavailable(error) &&
  client.query('rollback').then(
    () => true,
    () => false,
  )

/** Makes a transaction the caller's. Raises where his session has ended or he is banned. */
export function callerStatement(caller: Caller) {
  const isUser = caller.role === 'authenticated'
  const { name, text } = isUser ? statements.setUser : statements.setCaller
  return { name, text, values: [JSON.stringify(isUser ? caller.claims : { role: caller.role }), caller.role] }
}

/**
 * What the application's own tables refuse is the caller's to mend: a right or a policy (42501), or a constraint (class
 * 23), which is named. The rest is nobody's business outside.
 */
export function fromApplication(error: unknown, { role }: Caller): unknown {
  const { code, constraint, column } = error as Partial<DatabaseError>
  if (code === '42501') {
    const message = role === 'anon' ? undefined : 'You may not do this'
    return new AppError('no_authorization', { cause: error, ...(message && { message }) })
  }
  if (code?.startsWith('23')) {
    const what = constraint
      ? `the constraint ${constraint}`
      : column
        ? `the column ${column}`
        : 'a constraint'
    return new AppError('validation_failed', { cause: error, message: `This violates ${what}` })
  }
  return error
}
