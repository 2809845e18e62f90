import { ENDPOINTS } from '../wechat/http.ts'
import { ERRCODES, OPERATIONS, OUTCOMES, ROUTES, RPCS, STATUSES } from './labels.ts'

/** Before every name of ours. */
export const PREFIX = 'postgraphile_wechat_'

/** So many rows are counted at most: a count that has reached it says "at least". */
export const COUNTED = 10_000

export interface Definition {
  type: 'counter' | 'gauge' | 'histogram'
  /**
   * `process`: of the process that is asked; sum over the nodes. `database`: of the database; every node says the same, so
   * take the greatest. The latter are rows of sql/schema/auth_private/metrics.sql.
   */
  of: 'process' | 'database'
  /** Seconds and such; what has none is a number of things. */
  unit?: string
  /** What it is, in a sentence. */
  help: string
  /** What to make of it. */
  advice: string
  /** All that a label may say; `appids`: those of the configuration. */
  labels: Record<string, readonly string[] | 'appids' | 'version'>
  /** Upper ends of a histogram's buckets. */
  buckets?: readonly number[]
}

/** From what a cached answer takes to what the slowest time limit allows. */
const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

/** Every metric of the service, by its name without the prefix. docs/metrics.md is made of this. */
export const catalogue = {
  build_info: {
    type: 'gauge',
    of: 'process',
    help: '1, with the version of this service as a label.',
    advice: 'Two versions at once are a rollout; for longer than one takes, a node was forgotten.',
    labels: { version: 'version' },
  },
  http_request_duration_seconds: {
    type: 'histogram',
    of: 'process',
    unit: 'seconds',
    help: 'HTTP requests by class of their route and of their status, until the answer was sent.',
    advice:
      'What is refused before an operation begins (bad tokens, bad documents) is here only. In GraphQL an operation that fails is 2xx: see the operations.',
    labels: { route: ROUTES, status: STATUSES },
    buckets: SECONDS,
  },
  rpc_duration_seconds: {
    type: 'histogram',
    of: 'process',
    unit: 'seconds',
    help: 'Operations by name and outcome, REST and GraphQL together: ok, or the error as docs/errors.md has it.',
    advice:
      "unexpected_failure is a bug: the log has it. wechat_unavailable, wechat_misconfigured and database_unavailable have metrics of their own below. The other errors are callers'.",
    labels: { rpc: RPCS, outcome: OUTCOMES },
    buckets: SECONDS,
  },
  rate_limit_refusals_total: {
    type: 'counter',
    of: 'process',
    help: 'Operations that were refused because somebody was over a limit of docs/operations.md.',
    advice:
      'A steady few are scripts. Many at once, with no fewer users than usual: TRUSTED_PROXIES may be wrong, so that all clients are one.',
    labels: { operation: OPERATIONS },
  },
  api_call_duration_seconds: {
    type: 'histogram',
    of: 'process',
    unit: 'seconds',
    help: 'Calls of WeChat by interface and outcome: ok, or the error of docs/errors.md that the answer means.',
    advice:
      'wechat_unavailable: WeChat, the way to it, or a quota. wechat_misconfigured of getuserphonenumber may be an access token that died early; it is replaced and the call repeated.',
    labels: { endpoint: ENDPOINTS, outcome: OUTCOMES },
    buckets: SECONDS,
  },
  api_answers_total: {
    type: 'counter',
    of: 'process',
    help: "WeChat's answers by app, interface and errcode; without an answer, what was wrong in a word.",
    advice:
      'errcode 0 of getuserphonenumber is what WeChat charges for. Errcodes that this service does not know are "other"; the log has the number and the rid.',
    labels: { appid: 'appids', endpoint: ENDPOINTS, errcode: ERRCODES },
  },
  api_calls: {
    type: 'gauge',
    of: 'process',
    help: 'Calls of WeChat by interface: with WeChat at this moment (up to WECHAT_MAX_CALLS for each app), and waiting for room (up to WECHAT_MAX_QUEUE for each).',
    advice: 'waiting above 0 for long: WeChat hangs, or this node needs more room.',
    labels: { endpoint: ENDPOINTS, state: ['in_flight', 'waiting'] },
  },
  api_calls_refused_total: {
    type: 'counter',
    of: 'process',
    help: 'Calls of WeChat that were not made, because too many waited already. Callers get wechat_unavailable.',
    advice: 'WeChat hangs: see the durations. If it does not, raise WECHAT_MAX_CALLS, or add a node.',
    labels: { endpoint: ENDPOINTS },
  },
  access_token_age_seconds: {
    type: 'gauge',
    of: 'database',
    unit: 'seconds',
    help: "Since WeChat's access token was last fetched, by app. Not there until the first time.",
    advice:
      'A worker that knows the app replaces it every two hours. Without one it is fetched where it is needed: in an app that nobody uses it may be old.',
    labels: { appid: 'appids' },
  },
  access_token_remaining_seconds: {
    type: 'gauge',
    of: 'database',
    unit: 'seconds',
    help: "Until the end of WeChat's access token, by app; 0 where it has ended, or WeChat has refused it.",
    advice:
      'At 300 the worker fetches the next one, at 180 whoever needs it (docs/wechat.md). Below that in an app that is used: see access_token_failures.',
    labels: { appid: 'appids' },
  },
  access_token_failures: {
    type: 'gauge',
    of: 'database',
    help: "How often WeChat's access token could not be fetched since it last could, by app, workers and nodes together.",
    advice:
      'The column failure of auth_private.wechat_access_tokens, the log and /health/ready say why, and what to do.',
    labels: { appid: 'appids' },
  },
  database_up: {
    type: 'gauge',
    of: 'process',
    help: '1: the database answered when it was last asked for its metrics, seconds ago; 0: not, or not in time, and its metrics are left out.',
    advice:
      'With database_pool_waiting above 0 the connections are too few, or are held; else the database is away.',
    labels: {},
  },
  database_pool_connections: {
    type: 'gauge',
    of: 'process',
    help: 'Connections of this node to the database.',
    advice: 'All busy for long: raise DATABASE_POOL_SIZE, or look for what is slow.',
    labels: { state: ['busy', 'idle'] },
  },
  database_pool_size: {
    type: 'gauge',
    of: 'process',
    help: 'The most connections that this node makes: DATABASE_POOL_SIZE.',
    advice: 'All nodes and workers together have to stay below max_connections of the database.',
    labels: {},
  },
  database_pool_waiting: {
    type: 'gauge',
    of: 'process',
    help: 'Statements of this node that wait for a connection.',
    advice:
      'Above 0 for long: requests take longer, and end as database_unavailable after DATABASE_TIMEOUT_MS.',
    labels: {},
  },
  jobs: {
    type: 'gauge',
    of: 'database',
    help: `Jobs of graphile-worker, the application's too: due, scheduled for later, running, failed for good. Of ${COUNTED} at most.`,
    advice:
      'failed stay until somebody looks: select id, task_identifier, last_error from graphile_worker.jobs where attempts >= max_attempts. Not there: run migrate, which lets the service see them.',
    labels: { state: ['due', 'scheduled', 'running', 'failed'] },
  },
  jobs_oldest_due_seconds: {
    type: 'gauge',
    of: 'database',
    unit: 'seconds',
    help: 'Since when the job is due that has waited longest; 0: none is.',
    advice: 'Grows where no worker runs, or where none knows the task.',
    labels: {},
  },
  outbox_events: {
    type: 'gauge',
    of: 'database',
    help: `Events that have not become deliveries yet. Up to ${COUNTED}.`,
    advice: 'A worker relays them once a second. Grows where none runs.',
    labels: {},
  },
  outbox_oldest_event_seconds: {
    type: 'gauge',
    of: 'database',
    unit: 'seconds',
    help: 'The event lag: the age of the oldest event that has not become deliveries; 0: there is none.',
    advice: 'Above a few seconds: is a worker running, and what does its log say? Nothing is lost meanwhile.',
    labels: {},
  },
  deliveries: {
    type: 'gauge',
    of: 'database',
    help: `Deliveries to webhooks and to the task auth_event: waiting for their first attempt, retrying after failures, failed for good. Up to ${COUNTED} that wait, and as many that failed.`,
    advice:
      'auth.admin_list_failed_deliveries says why, auth.admin_replay_deliveries lets them be tried again (docs/webhooks.md).',
    labels: { state: ['waiting', 'retrying', 'failed'] },
  },
  deliveries_oldest_due_seconds: {
    type: 'gauge',
    of: 'database',
    unit: 'seconds',
    help: 'Since when the delivery is due that has waited longest; 0: none is.',
    advice: 'A subscriber that is slow, or more deliveries than the workers can make.',
    labels: {},
  },
  ledger_claims: {
    type: 'gauge',
    of: 'database',
    help: `Phone codes of the last five minutes without an outcome: pending (WeChat is being asked), released (it gave no answer, and the code may be sent again), lost (whoever asked is gone, and said nothing). Up to ${COUNTED}.`,
    advice:
      'lost: a node died or lost its database while it asked. The user taps again, or his client sends the code again.',
    labels: { state: ['pending', 'released', 'lost'] },
  },
} as const satisfies Record<string, Definition>

export type Name = keyof typeof catalogue
export const names = Object.keys(catalogue) as Name[]
export const definitionOf = (name: Name): Definition => catalogue[name]

/** prom-client's own, of the process; those of /proc are on Linux only. */
export const processMetrics: Record<string, string> = {
  process_cpu_user_seconds_total: 'CPU time in user mode',
  process_cpu_system_seconds_total: 'CPU time in the kernel',
  process_cpu_seconds_total: 'both',
  process_start_time_seconds: 'when the process began, in seconds since 1970',
  process_resident_memory_bytes: 'memory that the process has',
  process_virtual_memory_bytes: 'its address space (Linux)',
  process_heap_bytes: 'its data segment (Linux)',
  process_open_fds: 'open files and sockets (Linux)',
  process_max_fds: 'how many it may have open (Linux)',
  nodejs_eventloop_lag_seconds: 'how late the event loop was when last asked',
  nodejs_eventloop_lag_min_seconds: 'the least since the last scrape',
  nodejs_eventloop_lag_max_seconds: 'the most since the last scrape',
  nodejs_eventloop_lag_mean_seconds: 'the mean since the last scrape',
  nodejs_eventloop_lag_stddev_seconds: 'its standard deviation',
  nodejs_eventloop_lag_p50_seconds: 'the median since the last scrape',
  nodejs_eventloop_lag_p90_seconds: 'nine of ten were below',
  nodejs_eventloop_lag_p99_seconds: '99 of 100 were below; above 0.1 the CPU is what is missing',
  nodejs_active_resources: 'what keeps the process busy, by type',
  nodejs_active_resources_total: 'all of it',
  nodejs_active_handles: 'handles of libuv, by type',
  nodejs_active_handles_total: 'all of them; grows without end where connections leak',
  nodejs_active_requests: 'requests of libuv, by type',
  nodejs_active_requests_total: 'all of them',
  nodejs_heap_size_total_bytes: 'the heap of JavaScript',
  nodejs_heap_size_used_bytes: 'what of it is in use',
  nodejs_external_memory_bytes: 'memory outside it that it holds',
  nodejs_heap_space_size_total_bytes: 'the heap, by space',
  nodejs_heap_space_size_used_bytes: 'what of it is in use, by space',
  nodejs_heap_space_size_available_bytes: 'what of it is free, by space',
  nodejs_version_info: "Node's version, as labels",
  nodejs_gc_duration_seconds: 'garbage collections, by kind: a histogram',
}
