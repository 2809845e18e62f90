import { decodeJwt, jwtVerify } from 'jose'
import type { Config } from '../config.ts'
import type { Context } from './context.ts'
import { type Finding, fault, ok, plural, Skipped, warning } from './finding.ts'

// Keys and secrets: what can be said of them without showing them.

export function keyChecks(context: Context) {
  const ofWeb = (check: (context: Context) => Finding[] | Promise<Finding[]>) => () => {
    if (context.kind === 'worker') throw new Skipped('this is the environment of a worker, or of an operator')
    return check(context)
  }
  return { secrets: ofWeb(secrets), tokens: ofWeb(tokens), api_keys: ofWeb(apiKeys) }
}

const NO_SECRET = 'JWT_SECRET is not set, or does not parse'
const LEAST_BYTES = 32
const PLACEHOLDERS = /secret|example|change-?_?me|password|insecure|placeholder|your[-_ ]|abcdefgh|12345678/i
/** 32 random bytes in hexadecimal have some 14 different characters, in base64 many more. */
const LEAST_CHARACTERS = 10

const isJwt = (text: string) => /^eyJ[\w-]*\.[\w-]+\.[\w-]+$/.test(text)

function weaknessOf(secret: string): string | undefined {
  if (PLACEHOLDERS.test(secret) || new Set(secret).size < LEAST_CHARACTERS)
    return 'is an example, or as easy to guess'
  if (Buffer.byteLength(secret) < LEAST_BYTES) return `is shorter than ${LEAST_BYTES} bytes`
  return undefined
}

function secrets({ config, env }: Context): Finding[] {
  const { jwt, production } = config
  const opaque = [jwt.serviceRoleKey ?? []].flat().filter(key => !isJwt(key))
  const named: [name: string, values: string[]][] = [
    ['JWT_SECRET', jwt.secret ? [jwt.secret] : []],
    // The one that is used; former ones only recognise what is older.
    ['DATA_KEY', firstDataKey(env)],
    ['SERVICE_ROLE_KEY', opaque],
  ]
  if (named.every(([, values]) => values.length === 0)) throw new Skipped('there are none yet')
  const weak = named.flatMap(([name, values]) =>
    values.flatMap(value => {
      const weakness = weaknessOf(value)
      if (!weakness) return []
      const tell = production ? fault : warning
      return tell(
        `${name} ${weakness}`,
        `Make another one with "postgraphile-wechat keys --secret", and replace it as docs/keys.md says.`,
      )
    }),
  )
  const odd = production ? oddAppSecrets(config) : []
  return weak.length + odd.length > 0 ? [...weak, ...odd] : [ok('long, and none is an example')]
}

/** As src/environment.ts reads it: a JSON list, or separated by commas. */
function firstDataKey({ DATA_KEY }: Context['env']): string[] {
  const first = /^\s*\[\s*"/.test(DATA_KEY ?? '')
    ? (JSON.parse(DATA_KEY!) as string[])[0]
    : DATA_KEY?.split(',')
        .map(key => key.trim())
        .find(Boolean)
  return first ? [first] : []
}

const oddAppSecrets = ({ wechat }: Config): Finding[] =>
  Object.entries(wechat.apps)
    .filter(([, secret]) => !/^[0-9a-f]{32}$/.test(secret))
    .map(([appid]) =>
      warning(
        `the AppSecret of ${appid} does not have 32 hexadecimal digits, as all of WeChat's`,
        'Compare WECHAT_APP_SECRET, or WECHAT_APPS, with the console: a space or a quote may have come along.',
      ),
    )

function tokens({ config }: Context): Finding[] {
  const { jwt } = config
  if (!jwt.secret) throw new Skipped(NO_SECRET)
  const former = jwt.verificationKeys.length
  const others = former ? `; ${plural(former, 'more key')} verified` : ''
  const { signingKey } = jwt
  return [
    ok(
      signingKey
        ? `signed by JWT_SIGNING_KEY (${signingKey.kty === 'EC' ? 'ES256' : 'RS256'}, kid ${signingKey.kid})${others}`
        : `signed by JWT_SECRET (HS256): other services cannot verify them${others}`,
    ),
  ]
}

async function apiKeys({ config }: Context): Promise<Finding[]> {
  const { anonKey, serviceRoleKey, secret } = config.jwt
  if (!secret) throw new Skipped(NO_SECRET)
  const found = await Promise.all([
    apiKey('ANON_KEY', anonKey, 'anon', secret),
    apiKey('SERVICE_ROLE_KEY', serviceRoleKey, 'service_role', secret),
  ])
  const wrong = found.filter(finding => finding !== undefined)
  if (wrong.length > 0) return wrong
  return [ok(anonKey || serviceRoleKey ? 'as they should be' : 'made from JWT_SECRET')]
}

async function apiKey(name: string, key: string | undefined, role: string, secret: string) {
  if (!key || !isJwt(key)) return undefined
  const help =
    'Print a new pair with "postgraphile-wechat keys --secret", or leave it unset: then it follows from JWT_SECRET.'
  const said = roleIn(key)
  if (said !== undefined && said !== role)
    return fault(`${name} is a JWT of the role ${said}: whoever has that one is taken for ${role}`, help)
  const isOurs = await jwtVerify(key, new TextEncoder().encode(secret), { algorithms: ['HS256'] }).then(
    () => true,
    () => false,
  )
  if (isOurs) return undefined
  return warning(
    `${name} is a JWT that JWT_SECRET has not signed: here it is good, elsewhere it may not be`,
    help,
  )
}

function roleIn(jwt: string): string | undefined {
  try {
    const { role } = decodeJwt(jwt)
    return ['anon', 'service_role'].includes(role as string) ? (role as string) : undefined
  } catch {
    return undefined
  }
}
