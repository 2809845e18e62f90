// Hop before: ../index.ts mounts the routes, and gives the same operations to its own process. Hop after: ../state.ts.
import { Router } from 'express'
import type { State } from '../state.ts'
import { appOperations } from './apps.ts'
import { codeOperations } from './codes.ts'
import { faultOperations } from './faults.ts'
import { handler, type Operation } from './operation.ts'
import { pushOperations } from './push.ts'
import { restOperations } from './rest.ts'
import { tokenOperations } from './tokens.ts'

/** Everything that can be asked of a simulator. */
export const controlOperations = (state: State) => ({
  ...codeOperations(state),
  ...faultOperations(state),
  ...tokenOperations(state),
  ...appOperations(state),
  ...restOperations(state),
  ...pushOperations(state),
})
export type Operations = ReturnType<typeof controlOperations>

/** The operations as functions: what goes in and comes out is what is JSON over HTTP. They throw ControlError. */
export type Control = {
  [Name in keyof Operations]: Operations[Name] extends Operation<infer In, infer Out>
    ? undefined extends In
      ? (input?: In) => Out
      : (input: In) => Out
    : never
}

export const controlOf = (operations: Operations): Control =>
  Object.fromEntries(Object.entries(operations).map(([name, { run }]) => [name, run])) as Control

export function controlRoutes(operations: Operations): Router {
  const router = Router()
  for (const each of Object.values(operations) as Operation[]) {
    const verb = each.method.toLowerCase() as 'get' | 'post' | 'delete'
    router[verb](each.path, handler(each))
  }
  return router
}
