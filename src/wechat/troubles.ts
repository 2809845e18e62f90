import { codeOfErrcode, deadTokenErrcodes } from './errcodes.ts'
import type { Endpoint, Observe } from './http.ts'

export interface Trouble {
  endpoint: Endpoint
  errcode: number
  advice: string | undefined
}

/** What WeChat refused an app last for a reason that only an operator can mend, until it succeeds: for `/health/ready`. */
export interface Troubles {
  of(appid: string): Trouble[]
  observe: Observe
}

export function createTroubles(): Troubles {
  const last = new Map<string, Map<Endpoint, Trouble>>()
  return {
    of: appid => [...(last.get(appid)?.values() ?? [])],
    observe({ appid, endpoint, errcode, advice }) {
      const own = last.get(appid) ?? new Map<Endpoint, Trouble>()
      last.set(appid, own)
      if (errcode === null || deadTokenErrcodes.has(errcode)) return
      if (codeOfErrcode(errcode) === 'wechat_misconfigured') own.set(endpoint, { endpoint, errcode, advice })
      else own.delete(endpoint)
    },
  }
}
