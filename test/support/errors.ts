import { inspect } from 'node:util'

/** Everything an error tells to whoever looks deep enough: causes, hidden members, stacks. */
export const everythingOf = (error: unknown): string =>
  [inspect(error, { depth: Infinity, showHidden: true, maxStringLength: Infinity }), ...chain(error)].join(
    '\n',
  )

const chain = (error: unknown): string[] =>
  error instanceof Error
    ? [error.message, error.stack ?? '', JSON.stringify(error), ...chain(error.cause)]
    : [String(error)]
