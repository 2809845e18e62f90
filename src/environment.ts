import { z } from 'zod'
import { RETENTION } from './tasks/retention.ts'
import { SigningKey, VerificationKeys } from './tokens/jwk.ts'

// Every variable of the environment: its form, its default, and what is wrong where it has another form.

const flag = z.enum(['true', 'false'], 'is neither true nor false').transform(value => value === 'true')
const milliseconds = z.coerce
  .number('is not a number of milliseconds')
  .int('is not a whole number')
  .min(1, 'is not positive')
  .max(600_000, 'is more than ten minutes')
const count = z.coerce.number('is not a number').int('is not a whole number').min(1, 'is not positive')
const seconds = z.coerce
  .number('is not a number of seconds')
  .int('is not a whole number')
  .min(300, 'is less than 300 seconds, the least that an access token lives')
  .max(2_147_483_647, 'is more than 68 years')
const days = z
  .string()
  .regex(/^(forever|[1-9]\d{0,4})$/, 'is neither forever nor a whole number of days from 1 to 99999')
  .transform(text => (text === 'forever' ? null : Number(text)))
const postgresUrl = z.string().regex(/^postgres(ql)?:\/\//, 'is not a postgres:// URL')
const httpUrl = z
  .url({ protocol: /^https?$/, error: 'is not an http(s) URL' })
  .transform(url => url.replace(/\/+$/, ''))
const appid = z.string().regex(/^wx[0-9a-f]{16}$/, 'is not an appid: wx and 16 hexadecimal digits')
const json = z.string().transform((text, ctx) => {
  try {
    return JSON.parse(text) as unknown
  } catch {
    ctx.addIssue({ code: 'custom', message: 'is not JSON' })
    return z.NEVER
  }
})
const apps = json.pipe(
  z.record(
    appid,
    z.string('has a secret that is not a string').min(1, 'has an empty secret'),
    'is not an object of appid → secret',
  ),
)
const commaSeparated = z
  .string()
  .regex(/[^\s,]/, 'is nothing but commas')
  .transform(text =>
    text
      .split(',')
      .map(item => item.trim())
      .filter(Boolean),
  )
const origins = commaSeparated.pipe(
  z
    .array(z.string().refine(isOrigin, 'is no origin as browsers send it, such as https://h5.example.com'))
    .refine(list => list.length === 1 || !list.includes('*'), 'has origins beside *, which means all'),
)
/** As JSON too: an old JWT_SECRET may have a comma in it. */
const dataKeys = z.string().transform((text, ctx) => {
  const isJson = /^\s*\[\s*"/.test(text)
  const parsed = (isJson ? json.pipe(z.array(z.string().min(1))) : commaSeparated).safeParse(text)
  if (parsed.success) return parsed.data
  const message = isJson ? 'is not a JSON list of keys' : parsed.error.issues[0]!.message
  ctx.addIssue({ code: 'custom', message })
  return z.NEVER
})
const secret = z.string().refine(value => Buffer.byteLength(value) >= 32, 'is shorter than 32 bytes')

/** `*`, or scheme, host and port in the one spelling of browsers; patterns would never match. */
function isOrigin(text: string): boolean {
  if (text === '*') return true
  return /^https?:\/\/[^*]+$/.test(text) && URL.canParse(text) && new URL(text).origin === text
}

export const Environment = z.object({
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
  DATABASE_POOL_SIZE: count.default(10),
  DATABASE_TIMEOUT_MS: milliseconds.default(3_000),
  DATA_DIR: z.string().min(1, 'is empty').default('.data'),
  WECHAT_APP_ID: appid.optional(),
  WECHAT_APP_SECRET: z.string().min(1, 'is empty').optional(),
  WECHAT_APPS: apps.default({}),
  WECHAT_API_URL: httpUrl.optional(),
  WECHAT_PUSH_TOKEN: z
    .string()
    .regex(/^[A-Za-z0-9]{3,32}$/, 'is not a token of the message push: 3 to 32 letters and digits')
    .optional(),
  WECHAT_PUSH_AES_KEY: z
    .string()
    .regex(/^[A-Za-z0-9+/]{43}$/, 'is not an EncodingAESKey of the message push: 43 letters and digits')
    .transform(key => Buffer.from(`${key}=`, 'base64'))
    .optional(),
  WECHAT_SEND_OPENID: flag.default(false),
  WECHAT_TOKEN_KIND: z.enum(['stable', 'legacy'], 'is neither stable nor legacy').default('stable'),
  WECHAT_TIMEOUT_MS: milliseconds.default(5_000),
  WECHAT_CONNECT_TIMEOUT_MS: milliseconds.default(2_000),
  WECHAT_MAX_CALLS: count.default(100),
  WECHAT_MAX_QUEUE: count.default(400),
  WECHAT_MONTHLY_BUDGET: z
    .string()
    .regex(/^(?=.*[1-9])\d{1,9}(\.\d{1,2})?$/, 'is not an amount of CNY such as 300 or 49.50')
    .transform(Number)
    .optional(),
  JWT_SECRET: secret.optional(),
  JWT_SIGNING_KEY: json.pipe(SigningKey).optional(),
  JWT_VERIFICATION_KEYS: json.pipe(VerificationKeys).default([]),
  JWT_EXPIRY: z.coerce
    .number('is not a number of seconds')
    .int('is not a whole number')
    .min(300, 'is less than 300 seconds, which existing clients cannot follow')
    .default(3600),
  SESSION_TIMEBOX: seconds.optional(),
  SESSION_INACTIVITY_TIMEOUT: seconds.optional(),
  SESSION_SINGLE_PER_USER: flag.default(false),
  ACCOUNT_DELETION: z
    .enum(['on', 'off'], 'is neither on nor off')
    .transform(value => value === 'on')
    .default(false),
  ANON_KEY: z.string().min(1, 'is empty').optional(),
  SERVICE_ROLE_KEY: z.string().min(1, 'is empty').optional(),
  DATA_KEY: dataKeys.optional(),
  SITE_URL: httpUrl.optional(),
  PHONE_CONFLICT: z.enum(['reject', 'merge'], 'is neither reject nor merge').default('reject'),
  WEBHOOK_ALLOW_PRIVATE: flag.optional(),
  CORS_ORIGINS: origins.default([]),
  RATE_LIMITS: z
    .enum(['on', 'off'], 'is neither on nor off')
    .transform(value => value === 'on')
    .optional(),
  TRUSTED_PROXIES: z.coerce
    .number('is not a number of proxies')
    .int('is not a whole number')
    .min(0, 'is negative')
    .max(16, 'is more than 16')
    .default(0),
  RETENTION_LEDGER: days.default(RETENTION.ledger),
  RETENTION_AUDIT: days.default(RETENTION.audit),
  RETENTION_PHONE_HISTORY: days.default(RETENTION.phoneHistory),
  RETENTION_EVENTS: days.default(RETENTION.events),
  RETENTION_TOMBSTONES: days.default(RETENTION.tombstones),
  PHONE_FORMAT: z.enum(['wechat', 'e164', 'gotrue'], 'is neither wechat, e164 nor gotrue').default('wechat'),
  GRAPHIQL: flag.optional(),
  LOG_LEVEL: z
    .enum(
      ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'],
      'is not fatal, error, warn, info, debug, trace or silent',
    )
    .default('info'),
})
export type Environment = z.infer<typeof Environment>
