import { hkdfSync } from 'node:crypto'
import { z } from 'zod'
import { SIMULATOR_APP_ID, SIMULATOR_APP_SECRET } from './simulator/app_id.ts'

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

const flag = z.enum(['true', 'false'], 'is neither true nor false').transform(value => value === 'true')
const milliseconds = z.coerce
  .number('is not a number of milliseconds')
  .int('is not a whole number')
  .min(1, 'is not positive')
  .max(600_000, 'is more than ten minutes')
const postgresUrl = z.string().regex(/^postgres(ql)?:\/\//, 'is not a postgres:// URL')
const httpUrl = z
  .url({ protocol: /^https?$/, error: 'is not an http(s) URL' })
  .transform(url => url.replace(/\/+$/, ''))
const appid = z.string().regex(/^wx[0-9a-f]{16}$/, 'is not an appid: wx and 16 hexadecimal digits')
const apps = z
  .string()
  .transform((text, ctx) => {
    try {
      return JSON.parse(text) as unknown
    } catch {
      ctx.addIssue({ code: 'custom', message: 'is not JSON' })
      return z.NEVER
    }
  })
  .pipe(
    z.record(
      appid,
      z.string('has a secret that is not a string').min(1, 'has an empty secret'),
      'is not an object of appid → secret',
    ),
  )
const signingKey = z
  .string()
  .transform((text, ctx) => {
    try {
      return JSON.parse(text) as unknown
    } catch {
      ctx.addIssue({ code: 'custom', message: 'is not JSON' })
      return z.NEVER
    }
  })
  .pipe(
    z
      .looseObject(
        {
          kty: z.enum(['EC', 'RSA'], 'is neither an EC (ES256) nor an RSA (RS256) key'),
          d: z.string('is not a private key: it has no "d"'),
          kid: z.string('has no "kid"').min(1, 'has an empty "kid"'),
        },
        'is not a JWK',
      )
      .refine(jwk => jwk.kty !== 'EC' || jwk.crv === 'P-256', 'is an EC key of another curve than P-256'),
  )
const secret = z.string().refine(value => Buffer.byteLength(value) >= 32, 'is shorter than 32 bytes')

const Environment = z.object({
  NODE_ENV: z.string().optional(),
  HOST: z.string().min(1, 'is empty').default('127.0.0.1'),
  PORT: z.coerce
    .number('is not a port number')
    .int('is not a port number')
    .min(0, 'is not a port number')
    .max(65535, 'is not a port number')
    .default(5678),
  DATABASE_URL: postgresUrl.optional(),
  DATABASE_OWNER_URL: postgresUrl.optional(),
  DATABASE_POOL_SIZE: z.coerce
    .number('is not a number')
    .int('is not a whole number')
    .min(1, 'is not positive')
    .default(10),
  DATABASE_TIMEOUT_MS: milliseconds.default(3_000),
  DATA_DIR: z.string().min(1, 'is empty').default('.data'),
  WECHAT_APP_ID: appid.optional(),
  WECHAT_APP_SECRET: z.string().min(1, 'is empty').optional(),
  WECHAT_APPS: apps.default({}),
  WECHAT_API_URL: httpUrl.optional(),
  WECHAT_SEND_OPENID: flag.default(false),
  WECHAT_TOKEN_KIND: z.enum(['stable', 'legacy'], 'is neither stable nor legacy').default('stable'),
  WECHAT_TIMEOUT_MS: milliseconds.default(5_000),
  WECHAT_CONNECT_TIMEOUT_MS: milliseconds.default(2_000),
  JWT_SECRET: secret.optional(),
  JWT_SIGNING_KEY: signingKey.optional(),
  JWT_EXPIRY: z.coerce
    .number('is not a number of seconds')
    .int('is not a whole number')
    .min(300, 'is less than 300 seconds, which existing clients cannot follow')
    .default(3600),
  ANON_KEY: z.string().min(1, 'is empty').optional(),
  SERVICE_ROLE_KEY: z.string().min(1, 'is empty').optional(),
  DATA_KEY: z
    .string()
    .regex(/[^\s,]/, 'is nothing but commas')
    .optional(),
  SITE_URL: httpUrl.optional(),
  PHONE_CONFLICT: z.enum(['reject'], 'is not reject').default('reject'),
  PHONE_FORMAT: z.enum(['wechat', 'e164', 'gotrue'], 'is neither wechat, e164 nor gotrue').default('wechat'),
  GRAPHIQL: flag.optional(),
  LOG_LEVEL: z
    .enum(
      ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'],
      'is not fatal, error, warn, info, debug, trace or silent',
    )
    .default('info'),
})
type Environment = z.infer<typeof Environment>

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
  }
  jwt: {
    secret: string
    signingKey: { kty: 'EC' | 'RSA'; kid: string; [member: string]: unknown } | undefined
    /** Seconds. */
    expiry: number
    anonKey: string | undefined
    serviceRoleKey: string | undefined
  }
  /** 32 bytes each; the first is used, all are recognised. */
  dataKeys: Buffer[]
  /** Undefined: the URL under which the service listens. */
  siteUrl: string | undefined
  phoneFormat: 'wechat' | 'e164' | 'gotrue'
  graphiql: boolean
  logLevel: Environment['LOG_LEVEL']
}

const kdf = (material: string, purpose: string) => Buffer.from(hkdfSync('sha256', material, '', purpose, 32))

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
  // A variable that is set to nothing is not set: that is what `VAR= npm start` and compose files mean.
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value?.trim() !== ''))
  const production = given.NODE_ENV === 'production'
  const embedded = given.DATABASE_URL === undefined && !production
  const source: Env = embedded ? { ...pick(generated), ...given } : given
  const parsed = Environment.safeParse(source)
  const illFormed = parsed.error?.issues.map(issue => `${String(issue.path[0])} ${issue.message}`) ?? []
  const faults = [...illFormed, ...missing(source, { production, embedded })]
  if (!parsed.success || faults.length > 0) throw new ConfigError(faults)
  return shape(parsed.data, { production, embedded })
}

const pick = (generated: Env) => Object.fromEntries(generatedNames.map(name => [name, generated[name]]))

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
  if (env.WECHAT_APP_ID !== undefined) require('WECHAT_APP_SECRET', 'WECHAT_APP_ID needs its secret')
  if (env.WECHAT_APP_SECRET !== undefined) require('WECHAT_APP_ID', 'WECHAT_APP_SECRET needs its app')
  if (env.ANON_KEY !== undefined && env.ANON_KEY === env.SERVICE_ROLE_KEY) {
    faults.push('SERVICE_ROLE_KEY equals ANON_KEY: everybody would be an administrator')
  }
  return faults
}

function shape(
  env: Environment,
  { production, embedded }: { production: boolean; embedded: boolean },
): Config {
  const simulated = env.WECHAT_APP_ID === undefined
  const defaultAppid = env.WECHAT_APP_ID ?? SIMULATOR_APP_ID
  const jwtSecret = env.JWT_SECRET ?? ''
  const dataKeys = env.DATA_KEY?.split(',')
    .map(key => key.trim())
    .filter(Boolean) ?? [jwtSecret]
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
    wechat: {
      apps: { [defaultAppid]: env.WECHAT_APP_SECRET ?? SIMULATOR_APP_SECRET, ...env.WECHAT_APPS },
      defaultAppid,
      apiUrl: env.WECHAT_API_URL ?? (simulated ? undefined : 'https://api.weixin.qq.com'),
      sendOpenid: env.WECHAT_SEND_OPENID,
      tokenKind: env.WECHAT_TOKEN_KIND,
      timeoutMs: env.WECHAT_TIMEOUT_MS,
      connectTimeoutMs: env.WECHAT_CONNECT_TIMEOUT_MS,
    },
    jwt: {
      secret: jwtSecret,
      signingKey: env.JWT_SIGNING_KEY,
      expiry: env.JWT_EXPIRY,
      anonKey: env.ANON_KEY,
      serviceRoleKey: env.SERVICE_ROLE_KEY,
    },
    dataKeys: dataKeys.map(key => kdf(key, 'postgraphile-wechat data key')),
    siteUrl: env.SITE_URL,
    phoneFormat: env.PHONE_FORMAT,
    graphiql: env.GRAPHIQL ?? !production,
    logLevel: env.LOG_LEVEL,
  }
}
