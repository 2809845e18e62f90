// Hop before: src/app.ts mounts this at /simulator in development; the `simulator` command listens with simulatorApp().
// Hop after: none, this stands in for WeChat.
import express, { type Express, type Router } from 'express'
import { SIMULATOR_APP_ID, SIMULATOR_APP_SECRET } from './app_id.ts'
import { newApp } from './control/apps.ts'
import { type Control, controlOf, controlOperations } from './control/index.ts'
import type { PushOptions } from './push.ts'
import { simulatorRouter } from './router.ts'
import { SETTINGS } from './settings.ts'
import { createState } from './state.ts'
import type { Call, Endpoint, Fault, FaultPlan } from './types.ts'

export { SIMULATOR_APP_ID, SIMULATOR_APP_SECRET } from './app_id.ts'
export type { Control } from './control/index.ts'
export { ControlError } from './control/operation.ts'
export type { PushOptions } from './push.ts'
export type { Call, Endpoint, Fault } from './types.ts'

export interface SimulatorOptions {
  /** appid → secret, at least one; the first is the default of the control endpoints. Default: SIMULATOR_APP_ID alone. */
  apps?: Record<string, string>
  /** The clock, in Unix milliseconds. Default: Date.now. */
  now?: () => number
  /** The dice of faults with a probability, from 0 to below 1. Default: Math.random. */
  random?: () => number
  /** Lifetime of access tokens in seconds. Default: 7200. */
  tokenLifeSeconds?: number
  /** Pages that the published mini programs have, for `check_path` of getwxacodeunlimit. Default: whatever is asked for. */
  pages?: string[]
  /** Whether WeChat's limits on calls a day and a minute are enforced from the start. Default: true. */
  quotas?: boolean
  /** The message push, as it is configured at WeChat. Default: `POST /push-events` is refused. */
  push?: PushOptions | undefined
  /** Told of every call of a WeChat endpoint, just before it is answered. Default: nobody is told. */
  onCall?: (call: Call) => void
}

/** Which calls a fault befalls; `times: Infinity` until it is removed (`control.clearFaults()`). */
export type FaultOptions = Partial<Omit<FaultPlan, 'endpoint' | 'fault'>>

export interface Simulator {
  /** WeChat's endpoints and the control endpoints; everything else is 404. Mount it before any body parser. */
  router: Router
  /** The last 10,000 calls of WeChat's endpoints in order of arrival; errcode is null until the answer. */
  calls: readonly Call[]
  /** How many calls each of WeChat's endpoints has had. */
  callCounts: Readonly<Record<Endpoint, number>>
  /**
   * Plans a fault, without options for the next call of `endpoint`. It strikes before anything is looked at, with
   * `after: true` once the call has taken effect (code spent, token issued), successful or not.
   */
  failNext: (endpoint: FaultPlan['endpoint'], fault: Fault, options?: FaultOptions) => void
  /** `control.killTokens`: makes every access token issued so far, or those of an app or a kind, invalid (40001). */
  killTokens: Control['killTokens']
  /** The control endpoints as functions, with the same input and the same answers. */
  control: Control
}

/**
 * A stand-in for WeChat's server API, in memory: token, stable_token, jscode2session, checksession, resetusersessionkey,
 * getuserphonenumber, getwxacodeunlimit; control endpoints in the part of the user's phone, of WeChat's administration and of
 * bad luck; and the other way round `POST /push-events`, which sends a message push to the service. docs/simulator.md.
 */
export function createSimulator(options: SimulatorOptions = {}): Simulator {
  const { apps = { [SIMULATOR_APP_ID]: SIMULATOR_APP_SECRET }, now = Date.now, onCall = () => {} } = options
  const { tokenLifeSeconds: token_life_seconds = SETTINGS.token_life_seconds, pages = null } = options
  const { push, quotas = true, random = Math.random } = options
  const state = createState({
    apps: new Map(Object.entries(apps).map(([appid, secret]) => [appid, newApp(secret)])),
    settings: { ...SETTINGS, token_life_seconds, pages },
    ...{ now, onCall, random, quotas, push },
  })
  const operations = controlOperations(state)
  const control = controlOf(operations)
  const once = { after: false, times: 1, probability: 1 }
  return {
    router: simulatorRouter(state, operations),
    calls: state.calls,
    callCounts: state.callCounts,
    failNext: (endpoint, fault, plan) => void state.faults.add({ ...once, ...plan, endpoint, fault }),
    killTokens: control.killTokens,
    control,
  }
}

/** A simulator as an application of its own, which answers at `/simulator` and, as WeChat itself does, at `/`. */
export function simulatorApp(simulator: Simulator = createSimulator()): Express {
  return express().disable('x-powered-by').use('/simulator', simulator.router).use('/', simulator.router)
}
