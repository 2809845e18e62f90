import { z } from 'zod'
import { LIMITS, type Limits } from '../quotas.ts'
import { Settings } from '../settings.ts'
import { forgetCalls, type State } from '../state.ts'
import { ENDPOINTS } from '../types.ts'
import { NOTHING, Nothing, notAnObject, operation } from './operation.ts'

const SETTINGS_TAKES = `JSON {"${Object.keys(Settings.shape).join('"?: …, "')}"?: …}`
const QUOTAS_TAKES = 'JSON {"enforced"?: false, "limits"?: {"token_day": 5, …: null for no limit}}'
const CALLS_TAKES = '?limit=100&endpoint=getuserphonenumber, both optional'

const Limit = z.int().min(0).max(1_000_000_000).nullable()
const names = Object.keys(LIMITS) as (keyof Limits)[]
const QuotasRequest = z
  .strictObject(
    {
      enforced: z.boolean().optional(),
      limits: z
        .strictObject(
          Object.fromEntries(names.map(name => [name, Limit])) as Record<keyof Limits, typeof Limit>,
        )
        .partial()
        .optional(),
    },
    notAnObject,
  )
  .prefault({})
const SettingsRequest = z.strictObject(Settings.partial().shape, notAnObject).prefault({})
const CallsRequest = z
  .strictObject({
    limit: z.coerce.number('must be a number').int().min(1).max(10_000).default(100),
    endpoint: z.enum(ENDPOINTS).optional(),
  })
  .prefault({})

/** Quotas, settings, calls, and the way back to the start. */
export function restOperations(state: State) {
  const quotas = () => ({
    enforced: state.quotas.enforced,
    limits: state.quotas.limits,
    apps: [...state.apps.keys()].map(appid => ({ appid, used: state.quotas.usedBy(appid) })),
  })
  return {
    quotas: operation('GET /quotas', NOTHING, Nothing, quotas),
    setQuotas: operation('POST /quotas', QUOTAS_TAKES, QuotasRequest, ({ enforced, limits }) => {
      state.quotas.enforced = enforced ?? state.quotas.enforced
      state.quotas.limits = defined(state.quotas.limits, limits ?? {})
      return quotas()
    }),
    settings: operation('GET /settings', NOTHING, Nothing, () => state.settings),
    set: operation('POST /settings', SETTINGS_TAKES, SettingsRequest, given => {
      state.settings = defined(state.settings, given)
      return state.settings
    }),
    calls: operation('GET /calls', CALLS_TAKES, CallsRequest, ({ limit, endpoint }) => ({
      counts: { ...state.callCounts },
      calls: state.calls
        .filter(call => endpoint === undefined || call.endpoint === endpoint)
        .slice(-limit)
        .map(({ at, ...call }) => ({ at: new Date(at).toISOString(), ...call })),
    })),
    clearCalls: operation('DELETE /calls', NOTHING, Nothing, () => {
      const forgotten = state.calls.length
      forgetCalls(state)
      return { forgotten }
    }),
    reset: operation('POST /reset', NOTHING, Nothing, () => {
      state.reset()
      return { reset: true }
    }),
  }
}

/** `before` with what `given` says; a member that is undefined says nothing. */
function defined<T extends object>(before: T, given: { [K in keyof T]?: T[K] | undefined }): T {
  const said = Object.entries(given).filter(([, value]) => value !== undefined)
  return { ...before, ...(Object.fromEntries(said) as Partial<T>) }
}
