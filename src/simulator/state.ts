import { CodeStore } from './codes.ts'
import type { PushOptions } from './push.ts'
import { TokenStore } from './tokens.ts'
import { type Call, ENDPOINTS, type Endpoint, type PlannedFault } from './types.ts'

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

/** Everything a simulator knows; nothing of it outlives the process. */
export interface State {
  /** Unix milliseconds. */
  now: () => number
  /** appid → secret. */
  apps: Map<string, string>
  tokens: TokenStore
  loginCodes: CodeStore<Login>
  phoneCodes: CodeStore<Phone>
  /** Pages of the published mini programs; undefined: every page is there. */
  pages: ReadonlySet<string> | undefined
  faults: Record<Endpoint, PlannedFault[]>
  calls: Call[]
  callCounts: Record<Endpoint, number>
  onCall: (call: Call) => void
  /** Where pushes go, and how they are proven; undefined: none are sent. */
  push: PushOptions | undefined
}

function perEndpoint<T>(make: () => T): Record<Endpoint, T> {
  return Object.fromEntries(ENDPOINTS.map(endpoint => [endpoint, make()])) as Record<Endpoint, T>
}

/** An empty state. `tokenLifeSeconds` is what access tokens announce as `expires_in`. */
export function createState(
  apps: Record<string, string>,
  now: () => number,
  tokenLifeSeconds: number,
  onCall: (call: Call) => void,
  pages?: string[],
  push?: PushOptions,
): State {
  return {
    now,
    apps: new Map(Object.entries(apps)),
    tokens: new TokenStore(now, tokenLifeSeconds),
    loginCodes: new CodeStore(now, 16),
    phoneCodes: new CodeStore(now, 32),
    pages: pages && new Set(pages),
    faults: perEndpoint(() => []),
    calls: [],
    callCounts: perEndpoint(() => 0),
    onCall,
    push,
  }
}

/** Counts a call on its arrival; its errcode is filled in when it is answered. */
export function recordCall(state: State, endpoint: Endpoint): Call {
  const call: Call = { endpoint, appid: null, errcode: null }
  state.callCounts[endpoint] += 1
  state.calls.push(call)
  if (state.calls.length > CALLS_KEPT) state.calls.shift()
  return call
}
