// Before: src/wechat/http.ts, which tells of every call. After: sql/schema/auth_private/wechat_count_calls.sql.
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Statement } from '../db/database.ts'
import { statements } from '../db/statements.ts'
import type { Logger } from '../log.ts'
import type { Observe } from './http.ts'

/** What a killed process loses at most. */
const FLUSH_MS = 5_000
/** How long an ending process waits for its last counts to be written. */
const CLOSE_MS = 2_000

/** A month of an app in which the taps have come to 80 % of the budget; bigint and numeric are texts. */
interface BudgetWarning {
  appid: string
  /** `2026-11`. */
  month: string
  taps: string
  /** CNY. */
  cost: string
}

export interface UsageOptions {
  /** `all` of the web service's connections, or of a worker's, whose login owns the function. */
  query(statement: Statement, values: unknown[]): Promise<BudgetWarning[]>
  log: Logger
  /** CNY for an app and calendar month; undefined: there is none. */
  monthlyBudget?: number | undefined
  /** Milliseconds between the first call that is counted and the statement that writes it down. */
  flushMs?: number
}

interface Count {
  appid: string
  day: string
  endpoint: string
  errcode: number | null
  calls: number
}

/** How often WeChat is called, in memory for some seconds, then in the database. */
export interface Usage {
  observe: Observe
  /** Writes down what is left, as far as that can be done in two seconds. */
  close(): Promise<void>
}

/** The calls are counted in the memory of this process, and nobody who calls WeChat waits for the database here. */
export function createUsage({ query, log, monthlyBudget: budget, flushMs = FLUSH_MS }: UsageOptions): Usage {
  const counterId = randomUUID()
  let counts = new Map<string, Count>()
  /** Sent, and not known to be written: sent again as it is, under the same number, until the database has said so. */
  let sent: Count[] | undefined
  let flush = 0
  let timer: NodeJS.Timeout | undefined
  let running: Promise<boolean> | undefined
  let isClosed = false

  function schedule() {
    if (isClosed || timer || running || (counts.size === 0 && !sent)) return
    timer = setTimeout(() => {
      timer = undefined
      void send()
    }, flushMs)
    // What waits must not keep a process alive that has nothing else to do.
    timer.unref()
  }

  /** One at a time. Answers whether what was sent is written. */
  function send(): Promise<boolean> {
    running ??= write().finally(() => {
      running = undefined
      schedule()
    })
    return running
  }

  async function write(): Promise<boolean> {
    if (!sent) {
      sent = [...counts.values()]
      counts = new Map()
      flush++
    }
    try {
      const warnings = await query(statements.countCalls, valuesOf(counterId, flush, sent, budget))
      sent = undefined
      for (const warning of warnings)
        log.warn({ ...warning, budget }, '80 % of the budget of the month is used up')
      return true
    } catch (err) {
      log.warn({ err }, 'calls of WeChat could not be written down; they wait')
      return false
    }
  }

  async function writeRest() {
    if (running) await running
    while (sent || counts.size > 0) if (!(await send())) return
  }

  return {
    observe({ appid, endpoint, errcode }) {
      const day = dayInBeijing(Date.now())
      const key = `${day} ${appid} ${endpoint} ${errcode}`
      const count = counts.get(key)
      if (count) count.calls++
      else counts.set(key, { appid, day, endpoint, errcode, calls: 1 })
      schedule()
    },
    async close() {
      isClosed = true
      clearTimeout(timer)
      const over = new AbortController()
      const { signal } = over
      await Promise.race([writeRest(), sleep(CLOSE_MS, undefined, { signal }).catch(() => {})])
      over.abort()
      const left = [...(sent ?? []), ...counts.values()]
      const calls = left.reduce((sum, count) => sum + count.calls, 0)
      if (calls > 0)
        log.warn({ calls }, 'calls of WeChat were not written down, or not known to be, before the end')
    },
  }
}

/** `2026-11-23`. China has one time zone, eight hours ahead, and no summer time. */
const dayInBeijing = (ms: number) => new Date(ms + 8 * 3_600_000).toISOString().slice(0, 10)

const valuesOf = (counterId: string, flush: number, counts: Count[], budget: number | undefined) => [
  counterId,
  flush,
  counts.map(({ appid }) => appid),
  counts.map(({ day }) => day),
  counts.map(({ endpoint }) => endpoint),
  counts.map(({ errcode }) => errcode),
  counts.map(({ calls }) => calls),
  budget ?? null,
]
