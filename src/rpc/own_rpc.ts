import { type Rule, rules } from '../limits/rules.ts'
import type { Services } from '../services.ts'
import type { Call } from './rpc.ts'

/** As much of a schema of zod as we use, so that an application may have another version of it. */
export interface InputSchema<Input> {
  safeParse(
    value: unknown,
  ):
    | { success: true; data: Input }
    | { success: false; error: { issues: readonly { path: readonly PropertyKey[]; message: string }[] } }
}

/**
 * One capability: the whole operation, once. GraphQL (src/graphql/mutations.ts) and REST (src/rest/routes.ts) are two
 * ways of calling it, by `execute`. An application gives its own to `createServices`.
 */
export interface OwnRpc<Input, Result extends object> {
  /** The mutation's name. */
  name: string
  /** The mutation's documentation. */
  description: string
  /** Fields of the mutation's input and payload, in SDL, and types that they need; the payload's are those of Result. */
  sdl: { input: string; payload: string; types?: string }
  /** Checks what came from outside; its messages go to the caller. */
  input: InputSchema<Input>
  /** How often it may be done; without them as often as any request. */
  limits?: readonly Rule[]
  run(services: Services, call: Call, input: Input): Promise<Result>
}

// biome-ignore lint/suspicious/noExplicitAny: each checks its own input before `run` sees it
export type AnyRpc = OwnRpc<any, object>

/** The application's operations stand beside ours in GraphQL, in `/auth/v1/rpc`, in limits and metrics. */
export function requireOwnNames(own: readonly AnyRpc[]): void {
  const taken = new Set([...Object.keys(rules), 'currentUser'])
  for (const { name } of own) {
    if (!/^[a-z][A-Za-z0-9]*$/.test(name))
      throw new Error(`The RPC "${name}" needs a name in camelCase: it becomes a field of GraphQL`)
    if (taken.has(name)) throw new Error(`There is an RPC "${name}" already: yours needs another name`)
    taken.add(name)
  }
}
