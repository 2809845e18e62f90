import { createSecretKey, hkdfSync, type KeyObject } from 'node:crypto'
import type { z } from 'zod'
import { Environment } from './environment.ts'
import type { PushKeys } from './push/envelope.ts'
import { SIMULATOR_APP_ID, SIMULATOR_APP_SECRET } from './simulator/app_id.ts'
import type { Retention } from './tasks/retention.ts'
import type { AsymmetricJwk, VerificationKey } from './tokens/jwk.ts'
import type { CallLimits } from './wechat/calls.ts'

export type Env = Record<string, string | undefined>

/** The environment cannot be used: every fault, one a line. The process ends with exit code 78 (EX_CONFIG). */
export class ConfigError extends Error {
  readonly faults: string[]

  constructor(faults: string[]) {
    super(`The configuration cannot be used:\n${faults.map(fault => `  - ${fault}`).join('\n')}`)
    this.faults = faults
  }
}

export const EXIT_CONFIG = 78

/** What every part of the service is told, read once from the environment. */
export interface Config {
  production: boolean
  /** PostgreSQL is ours, in `dataDir`; else `databaseUrl` was given. */
  embedded: boolean
  host: string
  port: number
  databaseUrl: string | undefined
  databaseOwnerUrl: string | undefined
  databasePoolSize: number
  databaseTimeoutMs: number
  dataDir: string
  wechat: {
    /** appid → secret; never empty. */
    apps: Record<string, string>
    defaultAppid: string
    /** Undefined: the simulator that this service serves itself. */
    apiUrl: string | undefined
    sendOpenid: boolean
    tokenKind: 'stable' | 'legacy'
    timeoutMs: number
    connectTimeoutMs: number
    /** Of each interface, in this process. */
    limits: CallLimits
    /** CNY for the taps of an app in a month; undefined: nobody is warned. */
    monthlyBudget: number | undefined
  }
  /** WeChat's message push; undefined: it is not received. */
  push: PushKeys | undefined
  jwt: {
    secret: string
    signingKey: AsymmetricJwk | undefined
    verificationKeys: VerificationKey[]
    /** Seconds. */
    expiry: number
    anonKey: string | undefined
    serviceRoleKey: string | undefined
  }
  session: {
    /** Seconds from the sign-in; null: no limit. */
    timebox: number | null
    /** Seconds from the last refresh; null: no limit. */
    inactivity: number | null
    /** A sign-in ends the user's other sessions. */
    singlePerUser: boolean
  }
  /** Whether a user may delete his own account. */
  accountDeletion: boolean
  /** What becomes of an account that binds the phone of another one. */
  phoneConflict: 'reject' | 'merge'
  /** 32 bytes each; the first is used, all are recognised. As key objects: an HMAC by bytes takes five times as long. */
  dataKeys: KeyObject[]
  /** Undefined: the URL under which the service listens. */
  siteUrl: string | undefined
  /** Whose pages may call from a browser; `*` alone: everybody's. */
  corsOrigins: string[]
  rateLimits: boolean
  /** What the worker deletes, and when. */
  retention: Retention
  /** How many proxies' entries of `X-Forwarded-For` are believed. */
  trustedProxies: number
  phoneFormat: 'wechat' | 'e164' | 'gotrue'
  /** Deliver events to private and loopback addresses too. */
  webhookAllowPrivate: boolean
  graphiql: boolean
  logLevel: Environment['LOG_LEVEL']
}

const kdf = (material: string, purpose: string) =>
  createSecretKey(Buffer.from(hkdfSync('sha256', material, '', purpose, 32)))

/** What the embedded default generates before anything can be served. */
const generatedNames = [
  'DATABASE_URL',
  'DATABASE_OWNER_URL',
  'JWT_SECRET',
  'ANON_KEY',
  'SERVICE_ROLE_KEY',
  'SITE_URL',
] as const

/**
 * Parses the environment. `generated` holds what the embedded default wrote into `DATA_DIR/env`; what the environment
 * says itself goes first. Without a DATABASE_URL, outside production, the configuration is embedded; then a missing
 * `generated` only means that nothing was generated yet. Raises ConfigError with all faults.
 */
export function parseConfig(env: Env, generated: Env = {}): Config {
  const { config, faults } = inspectConfig(env, generated)
  if (faults.length > 0) throw new ConfigError(faults)
  return config
}

/** The same where faults are to be told beside others: the configuration is then what is left without the ill-formed values. */
export function inspectConfig(env: Env, generated: Env = {}): { config: Config; faults: string[] } {
  const given = setOnly(env)
  const production = given.NODE_ENV === 'production'
  const embedded = given.DATABASE_URL === undefined && !production
  const source: Env = embedded ? { ...pick(generated), ...given } : given
  const parsed = Environment.safeParse(source)
  const illFormed = parsed.error ? faultsOf(parsed.error) : []
  const faults = [...illFormed, ...missing(source, { production, embedded })]
  const wrong = new Set(parsed.error?.issues.map(({ path: [name] }) => name))
  const sound = Object.fromEntries(Object.entries(source).filter(([name]) => !wrong.has(name)))
  return { config: shape(parsed.data ?? Environment.parse(sound), { production, embedded }), faults }
}

const pick = (generated: Env) => Object.fromEntries(generatedNames.map(name => [name, generated[name]]))

/** The owner's login, which is all that `migrate` and `import` need. Raises ConfigError. */
export function parseOwnerUrl(env: Env): string {
  const given = setOnly(env)
  const parsed = Environment.pick(OWNER_NAMES).safeParse(given)
  const faults = ownerFaults(given, parsed.error)
  if (faults.length > 0) throw new ConfigError(faults)
  return parsed.data!.DATABASE_OWNER_URL!
}

const OWNER_NAMES = { DATABASE_OWNER_URL: true, LOG_LEVEL: true } as const

const ownerFaults = (given: Env, error: z.ZodError | undefined) => [
  ...(error ? faultsOf(error) : []),
  ...(given.DATABASE_OWNER_URL
    ? []
    : ['DATABASE_OWNER_URL is not set: it is the login that owns the schema']),
]

/** What `worker` needs: the owner's login, and nothing of the web service. Raises ConfigError. */
export function parseWorkerConfig(env: Env): {
  ownerUrl: string
  webhookAllowPrivate: boolean
  retention: Retention
  /** Whose access tokens the worker keeps; undefined: no app is named. */
  wechat: { config: Config['wechat']; apiUrl: string } | undefined
} {
  const given = setOnly(env)
  const parsed = Environment.pick({
    ...OWNER_NAMES,
    WEBHOOK_ALLOW_PRIVATE: true,
    ...RETENTION_NAMES,
    ...WECHAT_NAMES,
  }).safeParse(given)
  const faults = [...ownerFaults(given, parsed.error), ...halfAnApp(given)]
  if (faults.length > 0) throw new ConfigError(faults)
  const { DATABASE_OWNER_URL, WEBHOOK_ALLOW_PRIVATE = false } = parsed.data!
  const config = wechatOf(parsed.data!)
  const isNamed = given.WECHAT_APP_ID !== undefined || given.WECHAT_API_URL !== undefined
  return {
    wechat: isNamed ? { config, apiUrl: config.apiUrl! } : undefined,
    ownerUrl: DATABASE_OWNER_URL!,
    webhookAllowPrivate: WEBHOOK_ALLOW_PRIVATE,
    retention: retentionOf(parsed.data!),
  }
}

const WECHAT_NAMES = {
  WECHAT_APP_ID: true,
  WECHAT_APP_SECRET: true,
  WECHAT_APPS: true,
  WECHAT_API_URL: true,
  WECHAT_SEND_OPENID: true,
  WECHAT_TOKEN_KIND: true,
  WECHAT_TIMEOUT_MS: true,
  WECHAT_CONNECT_TIMEOUT_MS: true,
  WECHAT_MAX_CALLS: true,
  WECHAT_MAX_QUEUE: true,
  WECHAT_MONTHLY_BUDGET: true,
} as const

function wechatOf(env: Pick<Environment, keyof typeof WECHAT_NAMES>): Config['wechat'] {
  const defaultAppid = env.WECHAT_APP_ID ?? SIMULATOR_APP_ID
  const isSimulated = env.WECHAT_APP_ID === undefined
  return {
    apps: { [defaultAppid]: env.WECHAT_APP_SECRET ?? SIMULATOR_APP_SECRET, ...env.WECHAT_APPS },
    defaultAppid,
    apiUrl: env.WECHAT_API_URL ?? (isSimulated ? undefined : 'https://api.weixin.qq.com'),
    sendOpenid: env.WECHAT_SEND_OPENID,
    tokenKind: env.WECHAT_TOKEN_KIND,
    timeoutMs: env.WECHAT_TIMEOUT_MS,
    connectTimeoutMs: env.WECHAT_CONNECT_TIMEOUT_MS,
    limits: { calls: env.WECHAT_MAX_CALLS, queue: env.WECHAT_MAX_QUEUE },
    monthlyBudget: env.WECHAT_MONTHLY_BUDGET,
  }
}

const RETENTION_NAMES = {
  RETENTION_LEDGER: true,
  RETENTION_AUDIT: true,
  RETENTION_PHONE_HISTORY: true,
  RETENTION_EVENTS: true,
  RETENTION_TOMBSTONES: true,
} as const

const retentionOf = (env: Pick<Environment, keyof typeof RETENTION_NAMES>): Retention => ({
  ledger: env.RETENTION_LEDGER,
  audit: env.RETENTION_AUDIT,
  phoneHistory: env.RETENTION_PHONE_HISTORY,
  events: env.RETENTION_EVENTS,
  tombstones: env.RETENTION_TOMBSTONES,
})

/** The level of the log, which is there before the rest is known; a fault of it is listed with the others. */
export const parseLogLevel = (env: Env): Environment['LOG_LEVEL'] =>
  Environment.shape.LOG_LEVEL.safeParse(setOnly(env).LOG_LEVEL).data ?? 'info'

/** A variable that is set to nothing is not set: that is what `VAR= npm start` and compose files mean. */
const setOnly = (env: Env): Env =>
  Object.fromEntries(Object.entries(env).filter(([, value]) => value?.trim() !== ''))

/** The variable by its name, and in a list by its place: `JWT_VERIFICATION_KEYS[1] has no "kid"`. */
const faultsOf = (error: z.ZodError) =>
  error.issues.map(({ path: [name, place], message }) =>
    typeof place === 'number' ? `${String(name)}[${place}] ${message}` : `${String(name)} ${message}`,
  )

/** What is not there, or contradicts something else; by the texts, so that it can be told beside ill-formed values. */
function missing(env: Env, { production, embedded }: { production: boolean; embedded: boolean }): string[] {
  const faults: string[] = []
  const require = (name: keyof Environment, why: string) => {
    if (env[name] === undefined) faults.push(`${name} is not set: ${why}`)
  }
  if (!embedded)
    require('JWT_SECRET', 'API keys and tokens are made from it; 32 random bytes, equal on all nodes')
  if (production) {
    require('DATABASE_URL', 'in production no database is started')
    require('SITE_URL', 'it is the issuer of the tokens, equal on all nodes')
    require('WECHAT_APP_ID', 'in production there is no simulator')
  }
  if (env.DATABASE_OWNER_URL !== undefined && env.DATABASE_URL === undefined && !production) {
    faults.push(
      'DATABASE_URL is not set, and DATABASE_OWNER_URL is: set both, or neither for the embedded database',
    )
  }
  faults.push(...halfAnApp(env))
  if (env.WECHAT_PUSH_AES_KEY !== undefined) require('WECHAT_PUSH_TOKEN', 'WECHAT_PUSH_AES_KEY needs it')
  const { SESSION_INACTIVITY_TIMEOUT: inactivity, JWT_EXPIRY: expiry = '3600' } = env
  if (inactivity !== undefined && Number(inactivity) < Number(expiry)) {
    faults.push(
      'SESSION_INACTIVITY_TIMEOUT is less than JWT_EXPIRY: who is active all the time refreshes no more often than that',
    )
  }
  if (env.ANON_KEY !== undefined && env.ANON_KEY === env.SERVICE_ROLE_KEY) {
    faults.push('SERVICE_ROLE_KEY equals ANON_KEY: everybody would be an administrator')
  }
  const doubled = placeOfSigningKey(env)
  if (doubled >= 0) {
    faults.push(
      `JWT_VERIFICATION_KEYS[${doubled}] has the "kid" of JWT_SIGNING_KEY, which verifies what it signs: leave it out`,
    )
  }
  return faults
}

/** An app without its secret, or the other way round. */
function halfAnApp({ WECHAT_APP_ID: appid, WECHAT_APP_SECRET: secret }: Env): string[] {
  if (appid !== undefined && secret === undefined)
    return ['WECHAT_APP_SECRET is not set: WECHAT_APP_ID needs its secret']
  if (appid === undefined && secret !== undefined)
    return ['WECHAT_APP_ID is not set: WECHAT_APP_SECRET needs its app']
  return []
}

/** Where among the verification keys one has the name of the signing key; -1: nowhere. */
function placeOfSigningKey(env: Env): number {
  const { JWT_SIGNING_KEY, JWT_VERIFICATION_KEYS } = Environment.shape
  const signing = JWT_SIGNING_KEY.safeParse(env.JWT_SIGNING_KEY).data
  const others = JWT_VERIFICATION_KEYS.safeParse(env.JWT_VERIFICATION_KEYS).data ?? []
  return others.findIndex(({ kid }) => kid === signing?.kid)
}

function shape(
  env: Environment,
  { production, embedded }: { production: boolean; embedded: boolean },
): Config {
  const jwtSecret = env.JWT_SECRET ?? ''
  const dataKeys = env.DATA_KEY ?? [jwtSecret]
  return {
    production,
    embedded,
    host: env.HOST,
    port: env.PORT,
    databaseUrl: env.DATABASE_URL,
    databaseOwnerUrl: env.DATABASE_OWNER_URL,
    databasePoolSize: env.DATABASE_POOL_SIZE,
    databaseTimeoutMs: env.DATABASE_TIMEOUT_MS,
    dataDir: env.DATA_DIR,
    wechat: wechatOf(env),
    push:
      env.WECHAT_PUSH_TOKEN === undefined
        ? undefined
        : { token: env.WECHAT_PUSH_TOKEN, aesKey: env.WECHAT_PUSH_AES_KEY },
    jwt: {
      secret: jwtSecret,
      signingKey: env.JWT_SIGNING_KEY,
      verificationKeys: env.JWT_VERIFICATION_KEYS,
      expiry: env.JWT_EXPIRY,
      anonKey: env.ANON_KEY,
      serviceRoleKey: env.SERVICE_ROLE_KEY,
    },
    session: {
      timebox: env.SESSION_TIMEBOX ?? null,
      inactivity: env.SESSION_INACTIVITY_TIMEOUT ?? null,
      singlePerUser: env.SESSION_SINGLE_PER_USER,
    },
    accountDeletion: env.ACCOUNT_DELETION,
    phoneConflict: env.PHONE_CONFLICT,
    dataKeys: dataKeys.map(key => kdf(key, 'postgraphile-wechat data key')),
    siteUrl: env.SITE_URL,
    corsOrigins: env.CORS_ORIGINS,
    retention: retentionOf(env),
    rateLimits: env.RATE_LIMITS ?? !embedded,
    trustedProxies: env.TRUSTED_PROXIES,
    phoneFormat: env.PHONE_FORMAT,
    webhookAllowPrivate: env.WEBHOOK_ALLOW_PRIVATE ?? embedded,
    graphiql: env.GRAPHIQL ?? !production,
    logLevel: env.LOG_LEVEL,
  }
}
