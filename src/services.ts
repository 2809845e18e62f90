import { type Config, ConfigError } from './config.ts'
import { type Database, openDatabase } from './db/database.ts'
import { createLimits, type Limits } from './limits/limits.ts'
import type { Logger } from './log.ts'
import type { Pace } from './metrics/database.ts'
import { createMetrics, type Metrics, watchNode } from './metrics/metrics.ts'
import { type AnyRpc, requireOwnNames } from './rpc/own_rpc.ts'
import { createTokens, makeApiKey, type Tokens } from './tokens/jwt.ts'
import { createRefreshTokens, type RefreshTokens } from './tokens/refresh_token.ts'
import { createWechat, type Wechat } from './wechat/client.ts'
import type { Fetch, Observe } from './wechat/http.ts'
import { createTroubles, type Troubles } from './wechat/troubles.ts'
import { createUsage } from './wechat/usage.ts'

/** What an operation works with; made once a process. */
export interface Services {
  config: Config
  siteUrl: string
  /** Base URL of WeChat's server API, or of the simulator, without a slash at the end. */
  wechatUrl: string
  apiKeys: { anon: string; serviceRole: string }
  db: Database
  wechat: Wechat
  troubles: Troubles
  tokens: Tokens
  refreshTokens: RefreshTokens
  limits: Limits
  metrics: Metrics
  log: Logger
  /** The application's own operations. */
  rpcs: readonly AnyRpc[]
  /** Writes down what is counted, and ends the connections. */
  close(): Promise<void>
}

export interface ServiceOptions {
  /** Raises ConfigError where it has no `databaseUrl`, or where neither it nor `ownUrl` says what the service needs. */
  config: Config
  /** Where the service listens: issuer of the tokens unless SITE_URL says so, and home of the simulator. */
  ownUrl?: string | undefined
  log: Logger
  /** Operations of the application's own, which GraphQL and REST serve as ours: docs/companion_rpc.md. */
  rpcs?: readonly AnyRpc[]
  /** Asks WeChat, instead of node-fetch. */
  fetch?: Fetch | undefined
  /** How old metrics may be; tests are less patient. */
  metricsPace?: Partial<Pace> | undefined
}

export async function createServices({
  config,
  ownUrl,
  log,
  rpcs = [],
  fetch,
  metricsPace,
}: ServiceOptions): Promise<Services> {
  requireOwnNames(rpcs)
  const siteUrl = config.siteUrl ?? ownUrl
  const apiUrl = config.wechat.apiUrl ?? (ownUrl && `${ownUrl}/simulator`)
  const { databaseUrl } = config
  if (siteUrl === undefined || apiUrl === undefined || databaseUrl === undefined) {
    throw new ConfigError([
      ...(databaseUrl === undefined ? ['DATABASE_URL is not set'] : []),
      ...(siteUrl === undefined ? ['SITE_URL is not set: it is the issuer of the tokens'] : []),
      ...(apiUrl === undefined ? ['WECHAT_APP_ID is not set, nor the WECHAT_API_URL of a simulator'] : []),
    ])
  }
  const { secret, signingKey, verificationKeys, expiry } = config.jwt
  const apiKeys = {
    anon: config.jwt.anonKey ?? (await makeApiKey(secret, 'anon')),
    serviceRole: config.jwt.serviceRoleKey ?? (await makeApiKey(secret, 'service_role')),
  }
  const tokens = await createTokens({
    secret,
    signingKey,
    verificationKeys,
    expiry,
    issuer: `${siteUrl}/auth/v1`,
    anonKey: apiKeys.anon,
    serviceRoleKey: apiKeys.serviceRole,
  })
  const db = openDatabase({
    url: databaseUrl,
    poolSize: config.databasePoolSize,
    timeoutMs: config.databaseTimeoutMs,
    log,
  })
  const troubles = createTroubles()
  const usage = createUsage({ query: db.all, log, monthlyBudget: config.wechat.monthlyBudget })
  const metrics = createMetrics({ config, db, log, pace: metricsPace, own: rpcs.map(({ name }) => name) })
  const observers: Observe[] = [troubles.observe, usage.observe, metrics.apiCall]
  const observe: Observe = call => {
    for (const tell of observers) tell(call)
  }
  const onRefused = metrics.apiRefused
  const wechat = createWechat({ config: config.wechat, apiUrl, db, log, fetch, observe, onRefused })
  watchNode(metrics, { config, db, wechat })
  const refreshTokens = createRefreshTokens(config.dataKeys)
  const limits = createLimits(config, db, metrics.refused, rpcs)
  return {
    config,
    siteUrl,
    wechatUrl: apiUrl,
    apiKeys,
    db,
    wechat,
    troubles,
    tokens,
    refreshTokens,
    limits,
    metrics,
    log,
    rpcs,
    async close() {
      await wechat.token.settle()
      await usage.close()
      await db.close()
    },
  }
}
