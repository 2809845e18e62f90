import { codeOfErrcode, deadTokenErrcodes } from './errcodes.ts'
import type { Endpoint, Observe } from './http.ts'

/** So long it is told; whoever asks WeChat again renews or clears it. */
const TOLD_MS = 3_600_000

export interface Trouble {
  endpoint: Endpoint
  errcode: number
  advice: string | undefined
  /** Unix milliseconds. */
  at: number
}

/** What WeChat refused an app last for a reason that only an operator can mend, until it succeeds: for `/health/ready`. */
export interface Troubles {
  of(appid: string): Trouble[]
  observe: Observe
}

export function createTroubles(): Troubles {
  const last = new Map<string, Map<Endpoint, Trouble>>()
  return {
    of: appid => [...(last.get(appid)?.values() ?? [])].filter(({ at }) => at > Date.now() - TOLD_MS),
    observe({ appid, endpoint, errcode, advice }) {
      const own = last.get(appid) ?? new Map<Endpoint, Trouble>()
      last.set(appid, own)
      if (errcode === null || deadTokenErrcodes.has(errcode)) return
      if (codeOfErrcode(errcode) === 'wechat_misconfigured')
        own.set(endpoint, { endpoint, errcode, advice, at: Date.now() })
      else own.delete(endpoint)
    },
  }
}
