import { WechatError } from './errors.ts'

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000
/** The pages say "a day", not where: Beijing's is assumed. */
const BEIJING_MS = 8 * 3_600_000

/** What is limited, in which window, and how WeChat says that it is used up. Source: the page of each endpoint. */
const RATES = {
  token_day: { windowMs: DAY_MS, errcode: 45009 },
  stable_token_minute: { windowMs: MINUTE_MS, errcode: 45011 },
  stable_token_day: { windowMs: DAY_MS, errcode: 45009 },
  getwxacodeunlimit_minute: { windowMs: MINUTE_MS, errcode: 45009 },
  jscode2session_user_minute: { windowMs: MINUTE_MS, errcode: 45011 },
} as const
type Rate = keyof typeof RATES
const RATE_NAMES = Object.keys(RATES) as Rate[]

/**
 * Calls in a window; `phone_trial_taps`: taps of an app that are free; `phone_taps`: taps that it has in all, trial and bought
 * ones. Null: no limit.
 */
export const LIMITS = {
  token_day: 2_000,
  stable_token_minute: 10_000,
  stable_token_day: 500_000,
  getwxacodeunlimit_minute: 5_000,
  jscode2session_user_minute: 100,
  phone_trial_taps: 1_000,
  phone_taps: null,
} as const
export type Limits = Record<keyof typeof LIMITS, number | null>

/** The price of a tap of either button in fen, hundredths of a yuan. */
const FEN = { quick: 3, realtime: 4 } as const

interface Taps {
  taps: number
  charged: number
  exchanged: number
  fen: number
}

/** The client's errno for a phone button whose quota is used up. */
export const TAPS_USED_UP = 1_400_001

/** What every app has used up of WeChat's limits. A call counts as soon as it is known whose it is, whatever comes of it; one that is over the limit does not. */
export class Quotas {
  readonly #now: () => number
  readonly #windows = new Map<Rate, { window: number; counts: Map<string, number> }>()
  readonly #taps = new Map<string, Taps>()
  enforced: boolean
  limits: Limits = { ...LIMITS }

  /** `now` in Unix milliseconds. */
  constructor(now: () => number, enforced: boolean) {
    this.#now = now
    this.enforced = enforced
  }

  /** Counts a call against `rates`. Throws WechatError where one of them is used up; then nothing is counted. */
  spend(appid: string, rates: Rate[], user = ''): void {
    const subject = `${appid} ${user}`
    for (const rate of rates) {
      const limit = this.limits[rate]
      if (!this.enforced || limit === null || this.#used(rate, subject) < limit) continue
      throw new WechatError(RATES[rate].errcode)
    }
    for (const rate of rates) this.#counts(rate).set(subject, this.#used(rate, subject) + 1)
  }

  /** Counts a tap on the phone button, which is charged here and not when its code is exchanged; false: there is none left. */
  tap(appid: string, button: keyof typeof FEN): boolean {
    const { phone_taps, phone_trial_taps } = this.limits
    const used = this.#tapsOf(appid)
    if (this.enforced && phone_taps !== null && used.taps >= phone_taps) return false
    const isFree = phone_trial_taps === null || used.taps < phone_trial_taps
    used.taps += 1
    used.charged += isFree ? 0 : 1
    used.fen += isFree ? 0 : FEN[button]
    return true
  }

  /** Notes that the code of a tap was exchanged. */
  exchange(appid: string): void {
    this.#tapsOf(appid).exchanged += 1
  }

  /** What an app has used of each limit in the current window; of the user's one, the most of any user. */
  usedBy(appid: string) {
    const { taps, charged, exchanged, fen } = this.#tapsOf(appid)
    const rates = RATE_NAMES.map(rate => {
      const counts = [...this.#counts(rate)].filter(([subject]) => subject.startsWith(`${appid} `))
      return [rate, Math.max(0, ...counts.map(([, count]) => count))] as const
    })
    return {
      ...(Object.fromEntries(rates) as Record<Rate, number>),
      phone_taps: { taps, exchanged, charged, cost_cny: fen / 100 },
    }
  }

  #tapsOf(appid: string): Taps {
    const taps = this.#taps.get(appid) ?? { taps: 0, charged: 0, exchanged: 0, fen: 0 }
    this.#taps.set(appid, taps)
    return taps
  }

  #used(rate: Rate, subject: string): number {
    return this.#counts(rate).get(subject) ?? 0
  }

  /** The counts of the current window; those of the last one are forgotten. */
  #counts(rate: Rate): Map<string, number> {
    const window = Math.floor((this.#now() + BEIJING_MS) / RATES[rate].windowMs)
    const held = this.#windows.get(rate)
    if (held?.window === window) return held.counts
    const counts = new Map<string, number>()
    this.#windows.set(rate, { window, counts })
    return counts
  }
}
