// Before: src/app.ts, src/rpc/rpc.ts, src/wechat/http.ts and src/limits/limits.ts, which tell what happens, and
// src/metrics/routes.ts, which asks. After: src/metrics/database.ts, for what the database knows.
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { Config } from '../config.ts'
import type { Database } from '../db/database.ts'
import { fromDatabase } from '../db/errors.ts'
import { AppError } from '../errors.ts'
import type { Logger } from '../log.ts'
import { version } from '../version.ts'
import type { Wechat } from '../wechat/client.ts'
import { codeOfErrcode } from '../wechat/errcodes.ts'
import { ENDPOINTS, type Endpoint, type Observe } from '../wechat/http.ts'
import { definitionOf, type Name, names, PREFIX } from './catalogue.ts'
import { PACE, type Pace, readDatabase } from './database.ts'
import { keepFresh } from './fresh.ts'
import { ALARMING, errcodeOf, OPERATIONS, oneOf, type RouteClass, RPCS } from './labels.ts'

type Labels = Record<string, string>
/** What a metric says at the moment; one without labels, a number. */
type Sample = number | [Labels, number][]

/** What the service counts and measures; of one node, whatever else is in the process. */
export interface Metrics {
  /** Runs an operation, and tells how long it took and how it ended. */
  rpc<T>(name: string, work: () => Promise<T>): Promise<T>
  http(route: RouteClass, status: number | 'aborted', seconds: number): void
  /** A call of WeChat has ended. */
  apiCall: Observe
  /** A call of WeChat was not made: too many wait. */
  apiRefused(endpoint: Endpoint): void
  /** An operation was refused: too many of them. */
  refused(operation: string): void
  /** From now on the metric `name` is there, and says at every scrape what `read` answers. */
  watch(name: Name, read: () => Sample): void
  /** Everything, as Prometheus reads it. */
  scrape(): Promise<string>
}

export interface MetricsOptions {
  config: Pick<Config, 'wechat'>
  db: Database
  log: Logger
  pace?: Partial<Pace> | undefined
  /** Names of the application's own operations. */
  own?: string[]
}

/** The process is one, however many nodes are in it: it is observed once, and when somebody first asks. */
let processRegistry: Registry | undefined
function processMetrics(): Promise<string> {
  if (!processRegistry) {
    processRegistry = new Registry()
    collectDefaultMetrics({ register: processRegistry })
  }
  return processRegistry.metrics()
}

export function createMetrics({
  config: { wechat },
  db,
  log,
  pace: given,
  own = [],
}: MetricsOptions): Metrics {
  const pace = { ...PACE, ...given }
  const registry = new Registry()
  const options = (name: Name) => {
    const { help, labels } = definitionOf(name)
    return { name: PREFIX + name, help, labelNames: Object.keys(labels), registers: [registry] }
  }
  const histogram = (name: Name) => {
    const { buckets = [] } = definitionOf(name)
    return new Histogram({ ...options(name), buckets: [...buckets] })
  }
  const rpcs = histogram('rpc_duration_seconds')
  const requests = histogram('http_request_duration_seconds')
  const calls = histogram('api_call_duration_seconds')
  const answers = new Counter(options('api_answers_total'))
  const refusals = new Counter(options('rate_limit_refusals_total'))
  const overflow = new Counter(options('api_calls_refused_total'))
  const appids = Object.keys(wechat.apps)

  for (const appid of appids)
    for (const endpoint of ENDPOINTS)
      for (const errcode of ALARMING) answers.inc({ appid, endpoint, errcode }, 0)
  for (const endpoint of ENDPOINTS) overflow.inc({ endpoint }, 0)
  for (const operation of [...OPERATIONS, ...own]) refusals.inc({ operation }, 0)
  for (const rpc of [...RPCS, ...own]) rpcs.zero({ rpc, outcome: 'unexpected_failure' })

  const read = readDatabase({ db, log, wechat, pace })
  const up = new Gauge(options('database_up'))
  const gauges = new Map<string, Gauge>(
    names.flatMap(name => (definitionOf(name).of === 'database' ? [[name, new Gauge(options(name))]] : [])),
  )

  /** At once, so that nobody sees a half of it. What was not read is not there, rather than old. */
  async function show() {
    const rows = await read()
    up.set(rows ? 1 : 0)
    for (const gauge of gauges.values()) {
      gauge.reset()
      gauge.remove({})
    }
    // A newer database may tell what this code does not know.
    for (const { name, labels, value } of rows ?? []) gauges.get(name)?.set(labels, value)
  }

  function watch(name: Name, read: () => Sample) {
    const { type } = definitionOf(name)
    const collect = function (this: Gauge | Counter) {
      const sample = read()
      this.reset()
      for (const [labels, value] of typeof sample === 'number' ? [[{}, sample] as const] : sample)
        this.inc(labels, value)
    }
    return type === 'counter'
      ? void new Counter({ ...options(name), collect })
      : void new Gauge({ ...options(name), collect })
  }

  return {
    async rpc(rpc, work) {
      const end = rpcs.startTimer({ rpc })
      try {
        const result = await work()
        end({ outcome: 'ok' })
        return result
      } catch (error) {
        const known = fromDatabase(error)
        end({ outcome: known instanceof AppError ? known.code : 'unexpected_failure' })
        throw error
      }
    },
    http(route, status, seconds) {
      const klass = status === 'aborted' ? status : `${String(status)[0]}xx`
      requests.observe({ route, status: klass }, seconds)
    },
    apiCall({ appid, endpoint, errcode, reason, ms }) {
      const outcome = errcode === 0 ? 'ok' : errcode === null ? 'wechat_unavailable' : codeOfErrcode(errcode)
      calls.observe({ endpoint, outcome }, ms / 1000)
      answers.inc({ appid: oneOf(appids, appid), endpoint, errcode: errcodeOf(errcode, reason) })
    },
    apiRefused: endpoint => overflow.inc({ endpoint }),
    refused: operation => refusals.inc({ operation }),
    watch,
    scrape: keepFresh(pace.answerMs, async () => {
      await show()
      return `${await registry.metrics()}\n${await processMetrics()}`
    }),
  }
}

/** What a node can tell of itself at any moment. */
export function watchNode(
  metrics: Metrics,
  { config, db: { pool }, wechat }: { config: Config; db: Database; wechat: Wechat },
): void {
  metrics.watch('build_info', () => [[{ version }, 1]])
  metrics.watch('database_pool_connections', () => [
    [{ state: 'busy' }, pool.totalCount - pool.idleCount],
    [{ state: 'idle' }, pool.idleCount],
  ])
  metrics.watch('database_pool_size', () => config.databasePoolSize)
  metrics.watch('database_pool_waiting', () => pool.waitingCount)
  metrics.watch('api_calls', () =>
    Object.entries(wechat.load()).flatMap(([endpoint, { inFlight, queued }]): [Labels, number][] => [
      [{ endpoint, state: 'in_flight' }, inFlight],
      [{ endpoint, state: 'waiting' }, queued],
    ]),
  )
}
