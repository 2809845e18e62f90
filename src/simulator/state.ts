import { CodeStore } from './codes.ts'
import { FaultList } from './faults.ts'
import type { PushOptions } from './push.ts'
import { Quotas } from './quotas.ts'
import { SessionStore } from './sessions.ts'
import type { Settings } from './settings.ts'
import { TokenStore } from './tokens.ts'
import { type Call, ENDPOINTS, type Endpoint } from './types.ts'

/** The oldest calls are forgotten, so that a simulator may run for weeks; the counts go on. */
const CALLS_KEPT = 10_000

/** What a login code stands for. */
export interface Login {
  openid: string
  unionid?: string | undefined
}

/** What a phone code stands for: national digits, country code without plus, and the openid it is tied to, if any. */
export interface Phone {
  national: string
  countryCode: string
  openid?: string | undefined
}

/** A mini program, and what WeChat has been told about it. */
export interface App {
  secret: string
  /** From where tokens may be asked for, addresses and networks (1.2.3.0/24); null: from anywhere. */
  allowedIps: readonly string[] | null
  /** The secret is frozen: no tokens. */
  frozen: boolean
  /** Endpoints that the app may not call. */
  unauthorized: readonly Endpoint[]
  /** Bound to an Open Platform account: its users' unionids are told. */
  openPlatform: boolean
}

/** How a simulator starts, and to what a reset brings it back. */
export interface Start {
  apps: ReadonlyMap<string, App>
  /** Unix milliseconds. */
  now: () => number
  /** From 0 to below 1. */
  random: () => number
  settings: Settings
  quotas: boolean
  /** Where pushes go, and how they are proven; undefined: none are sent. */
  push: PushOptions | undefined
  onCall: (call: Call) => void
}

/** What a reset makes anew. */
interface Memory {
  apps: Map<string, App>
  settings: Settings
  tokens: TokenStore
  loginCodes: CodeStore<Login>
  phoneCodes: CodeStore<Phone>
  sessions: SessionStore
  faults: FaultList
  quotas: Quotas
  push: PushOptions | undefined
  /** By how much the clock was put forward. */
  skippedMs: number
}

/** Everything a simulator knows; nothing of it outlives the process. */
export interface State extends Memory {
  /** Unix milliseconds. */
  readonly now: () => number
  readonly onCall: (call: Call) => void
  /** The last calls, and how many there were of each endpoint: these two stay the same objects for ever. */
  readonly calls: Call[]
  readonly callCounts: Record<Endpoint, number>
  /** The app of codes and pushes for which none is named: the first one. */
  readonly defaultApp: string
  readonly reset: () => void
}

export function createState(start: Start): State {
  const [defaultApp] = start.apps.keys()
  if (defaultApp === undefined) throw new TypeError('the simulator needs at least one app')
  const counts = Object.fromEntries(ENDPOINTS.map(endpoint => [endpoint, 0]))
  const now = () => start.now() + state.skippedMs
  const fresh = (): Memory => ({
    apps: new Map([...start.apps].map(([appid, app]) => [appid, { ...app }])),
    settings: { ...start.settings },
    tokens: new TokenStore(now, () => state.settings),
    loginCodes: new CodeStore(now, 16),
    phoneCodes: new CodeStore(now, 32),
    sessions: new SessionStore(),
    faults: new FaultList(start.random),
    quotas: new Quotas(now, start.quotas),
    push: start.push,
    skippedMs: 0,
  })
  const state: State = {
    ...fresh(),
    ...{ now, onCall: start.onCall, defaultApp },
    ...{ calls: [], callCounts: counts as Record<Endpoint, number> },
    reset: () => {
      Object.assign(state, fresh())
      forgetCalls(state)
    },
  }
  return state
}

/** Counts a call on its arrival; its errcode is filled in when it is answered. */
export function recordCall(state: State, endpoint: Endpoint): Call {
  const call: Call = { endpoint, appid: null, errcode: null, at: state.now(), ms: null, fault: null }
  state.callCounts[endpoint] += 1
  state.calls.push(call)
  if (state.calls.length > CALLS_KEPT) state.calls.shift()
  return call
}

export function forgetCalls({ calls, callCounts }: State): void {
  calls.length = 0
  for (const endpoint of ENDPOINTS) callCounts[endpoint] = 0
}
