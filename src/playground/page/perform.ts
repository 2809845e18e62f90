import { addCall, changeCall } from './calls.ts'
import type { Operation } from './operations.ts'
import { entrance } from './preferences.ts'

export interface Failure {
  /** The catalogue's name; `no_answer` where none came. */
  code: string
  errorId?: string | undefined
}
export type Result<T> = { ok: true; value: T } | { ok: false; failure: Failure }

const NO_ANSWER: Result<never> = { ok: false, failure: { code: 'no_answer' } }

let count = 0
const ours = `playground-${Math.random().toString(36).slice(2, 8)}`

export interface Circumstances {
  /** The access token of whoever asks. */
  token?: string | undefined
  /** The phone loses the network before the answer arrives. */
  lose?: boolean
}

/** Asks the service by the entrance that is chosen, and writes down what was sent and answered. */
export async function perform<T>(
  operation: Operation<T>,
  { token, lose = false }: Circumstances = {},
): Promise<Result<T>> {
  const asks = entrance.value === 'GraphQL' ? byGraphql(operation) : byRest(operation)
  const { method, path, sent } = asks
  const request = `${ours}-${++count}`
  const call = { request, at: Date.now(), method, path: path.split('?')[0]!, operation: operation.name, sent }
  addCall({ ...call, steps: [] })
  try {
    const response = await fetch(path, {
      method,
      headers: {
        'x-request-id': request,
        ...(sent !== undefined && { 'content-type': 'application/json' }),
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      },
      ...(sent !== undefined && { body: JSON.stringify(sent) }),
    })
    const text = await response.text()
    const answer = text === '' ? undefined : JSON.parse(text)
    const result = asks.read(response.ok, answer as never)
    const failure = result.ok ? {} : { failure: result.failure.code }
    changeCall(request, call => ({ ...call, ...failure, answer, isLost: lose }))
    return lose ? NO_ANSWER : result
  } catch {
    changeCall(request, call => ({ ...call, isLost: true }))
    return NO_ANSWER
  }
}

/** A request, and what its answer means. */
interface Asks<T> {
  method: string
  path: string
  sent: object | undefined
  read(ok: boolean, answer: never): Result<T>
}

interface GraphqlAnswer {
  data?: unknown
  errors?: { extensions?: { code?: string; error_id?: string } }[]
}

function byGraphql<T>({ graphql, variables }: Operation<T>): Asks<T> {
  return {
    ...{ method: 'POST', path: '/graphql', sent: { query: graphql.document, variables } },
    read(_ok, { data, errors }: GraphqlAnswer) {
      if (!errors) return { ok: true, value: graphql.read(data as never) }
      const { code = 'unexpected_failure', error_id: errorId } = errors[0]?.extensions ?? {}
      return { ok: false, failure: { code, errorId } }
    },
  }
}

interface RestError {
  error_code: string
  error_id?: string
}

function byRest<T>({ rest }: Operation<T>): Asks<T> {
  return {
    ...{ method: rest.method, path: `/auth/v1${rest.path}`, sent: rest.body },
    read(ok, answer: RestError) {
      if (ok) return { ok: true, value: rest.read(answer as never) }
      return { ok: false, failure: { code: answer.error_code, errorId: answer.error_id } }
    },
  }
}
