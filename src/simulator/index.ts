// Hop before: src/app.ts mounts this at /simulator in development; the `simulator` command listens with simulatorApp().
// Hop after: none, this stands in for WeChat.
import express, { type Express, Router } from 'express'
import { SIMULATOR_APP_ID, SIMULATOR_APP_SECRET } from './app_id.ts'
import { controlRoutes } from './control.ts'
import { type PushOptions, pushRoutes } from './push.ts'
import { createState } from './state.ts'
import type { Call, Endpoint, Fault } from './types.ts'
import { wechatRoutes } from './wechat.ts'

export { SIMULATOR_APP_ID, SIMULATOR_APP_SECRET } from './app_id.ts'
export type { Call, Endpoint, Fault } from './types.ts'

/** WeChat's longest announced lifetime of an access token. */
const TOKEN_LIFE_SECONDS = 7200

export interface SimulatorOptions {
  /** appid → secret, at least one; the first is the default of the control endpoints. Default: SIMULATOR_APP_ID alone. */
  apps?: Record<string, string>
  /** The clock, in Unix milliseconds. Default: Date.now. */
  now?: () => number
  /** Lifetime of access tokens in seconds. Default: 7200. */
  tokenLifeSeconds?: number
  /** Pages that the published mini programs have, for `check_path` of getwxacodeunlimit. Default: whatever is asked for. */
  pages?: string[]
  /** The message push, as it is configured at WeChat. Default: `POST /push-events` is refused. */
  push?: PushOptions | undefined
  /** Told of every call of a WeChat endpoint, just before it is answered. Default: nobody is told. */
  onCall?: (call: Call) => void
}

export interface Simulator {
  /** WeChat's endpoints and the control endpoints; everything else is 404. Mount it before any body parser. */
  router: Router
  /** The last 10,000 calls of WeChat's endpoints in order of arrival; errcode is null until the answer. */
  calls: readonly Call[]
  /** How many calls each of WeChat's endpoints has had. */
  callCounts: Readonly<Record<Endpoint, number>>
  /**
   * Queues a fault: every call of `endpoint` takes one from the queue. It strikes before anything is looked at,
   * with `after: true` once the call has taken effect (code spent, token issued), successful or not.
   */
  failNext: (endpoint: Endpoint, fault: Fault, options?: { after?: boolean }) => void
  /** Makes every access token issued so far invalid (40001). */
  killTokens: () => void
}

/**
 * A stand-in for WeChat's server API, in memory: token, stable_token, jscode2session, getuserphonenumber,
 * getwxacodeunlimit, and `POST /login-codes`, `POST /phone-codes` in the part of the user's phone;
 * and the other way round `POST /push-events`, which sends a message push to the service. WeChat's limits on
 * calls a day or a minute are not enforced: `failNext` brings up 45009 and 45011, as it does whatever else cannot be
 * provoked from outside.
 */
export function createSimulator(options: SimulatorOptions = {}): Simulator {
  const { apps = { [SIMULATOR_APP_ID]: SIMULATOR_APP_SECRET }, now = Date.now, onCall = () => {} } = options
  const [defaultApp] = Object.keys(apps)
  if (defaultApp === undefined) throw new TypeError('the simulator needs at least one app')
  const { tokenLifeSeconds = TOKEN_LIFE_SECONDS, pages, push } = options
  const state = createState(apps, now, tokenLifeSeconds, onCall, pages, push)
  const router = Router()
    .use(wechatRoutes(state))
    .use(controlRoutes(state, defaultApp))
    .use(pushRoutes(state, defaultApp))
    .use((req, res) => {
      res.status(404).json({ error: `the WeChat simulator has no ${req.method} ${req.path}` })
    })
  return {
    router,
    calls: state.calls,
    callCounts: state.callCounts,
    failNext: (endpoint, fault, { after = false } = {}) => state.faults[endpoint].push({ fault, after }),
    killTokens: () => state.tokens.kill(),
  }
}

/** A simulator as an application of its own, which answers at `/simulator` and, as WeChat itself does, at `/`. */
export function simulatorApp(simulator: Simulator = createSimulator()): Express {
  return express().disable('x-powered-by').use('/simulator', simulator.router).use('/', simulator.router)
}
