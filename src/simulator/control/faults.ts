import { z } from 'zod'
import type { State } from '../state.ts'
import { ENDPOINTS } from '../types.ts'
import { FaultInput, shownFault } from './fault_input.ts'
import { ControlError, Id, knownApp, NOTHING, Nothing, notAnObject, operation } from './operation.ts'

/** So many faults at once are a mistake. */
const MOST = 1_000

const TAKES =
  'JSON {"endpoint": "getuserphonenumber" or another or "*", "fault": {"errcode": -1} or another, "after"?: true, ' +
  '"times"?: 3 or "always", "appid"?: "…", "probability"?: 0.1}'

const FaultRequest = z.strictObject(
  {
    endpoint: z.enum([...ENDPOINTS, '*']),
    fault: FaultInput,
    after: z.boolean().default(false),
    times: z
      .union([z.int().min(1).max(1_000_000), z.literal('always')], 'must be a whole number or "always"')
      .default(1),
    appid: Id.optional(),
    probability: z.number().min(0).max(1).default(1),
  },
  notAnObject,
)

const FaultId = z.strictObject({
  id: z.coerce.number('must be the number of a fault').int('must be the number of a fault'),
})

/** What goes wrong, from now on. */
export function faultOperations(state: State) {
  return {
    addFault: operation('POST /faults', TAKES, FaultRequest, given => {
      if (given.appid !== undefined) knownApp(state, given.appid)
      if (state.faults.plans.length >= MOST) {
        throw new ControlError(`there are ${MOST} faults already, DELETE /faults removes them`)
      }
      const times = given.times === 'always' ? Infinity : given.times
      return { id: state.faults.add({ ...given, times }) }
    }),
    faults: operation('GET /faults', NOTHING, Nothing, () => ({
      faults: state.faults.plans.map(({ fault, times, ...plan }) => ({
        ...plan,
        fault: shownFault(fault),
        times: times === Infinity ? ('always' as const) : times,
      })),
    })),
    clearFaults: operation('DELETE /faults', NOTHING, Nothing, () => ({ removed: state.faults.remove() })),
    removeFault: operation('DELETE /faults/:id', NOTHING, FaultId, ({ id }) => {
      const removed = state.faults.remove(id)
      if (removed > 0) return { removed }
      throw new ControlError(`id: there is no fault ${id}, or it has struck as often as it should`)
    }),
  }
}
