import { isSafeError } from 'postgraphile/grafast'
import { GraphQLError } from 'postgraphile/grafast/graphql'
import type { JSONValue } from 'postgraphile/grafserv'
import { fromDatabase } from '../db/errors.ts'
import { AppError, catalogue } from '../errors.ts'
import { type Logger, logFailure, logUnforeseen } from '../log.ts'

const extensionsOf = ({ code, wechat, retryAfter }: AppError) => ({
  code,
  ...(wechat && { wechat }),
  ...(retryAfter !== undefined && { retryAfter }),
})

/** The answer to a request that is not executed at all: the catalogue's status. */
export const refusal = (error: AppError, more: object = {}) => ({
  type: 'json' as const,
  statusCode: error.status,
  headers: {
    'content-type': 'application/json; charset=utf-8',
    'cache-control': 'no-store',
    ...(error.retryAfter !== undefined && { 'retry-after': String(error.retryAfter) }),
  },
  json: {
    errors: [{ message: error.message, extensions: { ...extensionsOf(error), ...more } as JSONValue }],
  },
})

/**
 * An error of execution as the caller sees it: errors of the catalogue by name, the executor's own (a variable of the
 * wrong type) as validation_failed, anything unforeseen masked, and logged with the id that the caller gets.
 */
export const maskError =
  (log: Logger) =>
  (error: GraphQLError): GraphQLError => {
    const cause = fromDatabase(error.originalError)
    const { path } = error
    const replace = (message: string, extensions: Record<string, unknown>) =>
      new GraphQLError(message, {
        nodes: error.nodes ?? null,
        source: error.source ?? null,
        positions: error.positions ?? null,
        path: path ?? null,
        extensions,
      })
    if (cause instanceof AppError) {
      logFailure(log, cause)
      return replace(cause.message, extensionsOf(cause))
    }
    // The executor's own refusals point into the document, or miss an operation in it, and have no path. Its words
    // about a variable quote the value, which may be a code.
    const isRefusal =
      error.nodes !== undefined || /^(Unknown operation|Must provide|Schema is not conf)/.test(error.message)
    if (!path && isRefusal && (!cause || cause instanceof GraphQLError)) {
      const variable = /^Variable "(\$\w+)" got invalid value/.exec(error.message)?.[1]
      // The path in it: names alone, so that nothing of the value can look like one.
      const path = / at "([A-Za-z_]+(?:\.(?:[A-Za-z_]+|\d{1,3}))+)"; /.exec(error.message)?.[1]
      const message = variable && `Variable "${variable}" is not of its type${path ? `: ${path}` : ''}`
      return replace(message ?? error.message, { code: 'validation_failed' })
    }
    if (/No \w+ type found in schema/.test(error.message)) {
      return replace('There are no operations of this kind here', { code: 'validation_failed' })
    }
    // What a plan of the application says on purpose, as PostGraphile itself would show it.
    if (cause instanceof GraphQLError || (cause instanceof Error && isSafeError(cause)))
      return replace(cause.message, { ...cause.extensions })
    const error_id = logUnforeseen(log, cause ?? error)
    return replace(catalogue.unexpected_failure.message, { code: 'unexpected_failure', error_id })
  }

/** The words of GraphQL about a document, without the values that they quote: one of them may be a code. */
export const withoutValues = (message: string) =>
  message
    .replace(/^(Syntax Error: .*?\b(?:Name|Int|Float|String|BlockString)) ".*"/s, '$1')
    .replace(/( cannot represent [\w -]+): .*$/s, '$1')
    .replace(/^(Expected value of type .*?), found .*$/s, '$1')
    .replace(/^Value ".*" (does not exist in .*? enum).*$/s, 'The value $1')
