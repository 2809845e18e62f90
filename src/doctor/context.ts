// Before: src/doctor/doctor.ts. After: the checks, which share what is here.
import { type Config, ConfigError, type Env, inspectConfig, parseWorkerConfig } from '../config.ts'
import { readEnvFile } from '../db/embedded.ts'
import { type MetricRow, statements } from '../db/statements.ts'
import { need, Skipped, Trouble } from './finding.ts'
import { type Reached, reach } from './reach.ts'
import { openSession, type Session, type UrlName } from './session.ts'

export interface Context {
  /** As it was given, with what the embedded default has generated. */
  env: Env
  config: Config
  /** What is wrong with the environment, for `serve` or for `worker`. */
  faults: string[]
  /** For which of them it is: that of a worker or an operator has the owner's login, and nothing of the web service. */
  kind: 'web' | 'worker'
  /** Rejects with Trouble where it cannot be had, with Skipped where it is not named. */
  web: Promise<Session>
  owner: Promise<Session>
  /** Either of them. */
  database: Promise<Session>
  /** What `/metrics` says of the database. */
  metrics: Promise<MetricRow[]>
  /** Base URL of WeChat's server API, or of a simulator; undefined: no app is named. */
  wechatUrl: string | undefined
  reached: Promise<Reached>
  close(): void
}

export const NO_APP = 'WECHAT_APP_ID is not set'

/** Reads the environment as far as it can be read, and begins to connect. */
export async function openContext(env: Env): Promise<Context> {
  const kind = kindOf(env)
  const { config, faults, generated } = await readConfig(env, kind)
  const sessions: Promise<Session>[] = []
  const connect = async (name: UrlName, url: string | undefined) => {
    if (url === undefined) throw notNamed(name, env, config)
    const session = openSession(name, url, config.embedded)
    sessions.push(session)
    return session
  }
  const web = connect('DATABASE_URL', config.databaseUrl)
  // Where the embedded database is not running, that is said once, and is why the rest is not either.
  const started = config.embedded ? need(web) : Promise.resolve()
  const owner = started.then(() => connect('DATABASE_OWNER_URL', config.databaseOwnerUrl))
  const database = web.catch((error: unknown) =>
    owner.catch((other: unknown) => {
      const isOwners = kind === 'worker' || (error instanceof Skipped && other instanceof Trouble)
      throw isOwners ? other : error
    }),
  )
  const metrics = database.then(({ rows }) =>
    rows<MetricRow>(statements.metrics.text, [Object.keys(config.wechat.apps), config.wechat.tokenKind]),
  )
  const isWithin = config.wechat.apiUrl === undefined
  const isNamed = !isWithin || (!config.production && kind === 'web')
  const wechatUrl = isNamed ? wechatUrlOf(config, env, generated) : undefined
  const reached = (isWithin ? started : Promise.resolve()).then(() => {
    if (wechatUrl === undefined) throw new Skipped(NO_APP)
    return reach(wechatUrl)
  })
  // Each is told by a check of its own.
  for (const promise of [web, owner, database, metrics, reached]) promise.catch(() => {})
  return {
    env: { ...generated, ...env },
    ...{ config, faults, kind, web, owner, database, metrics, wechatUrl, reached },
    close: () => {
      for (const session of sessions)
        session.then(
          ({ close }) => close(),
          () => {},
        )
    },
  }
}

async function readConfig(env: Env, kind: Context['kind']) {
  const first = inspectConfig(env)
  // Without a DATABASE_URL, too, a worker has nothing to do with the embedded database.
  if (kind === 'worker')
    return { config: { ...first.config, embedded: false }, faults: workerFaults(env), generated: {} }
  if (!first.config.embedded) return { ...first, generated: {} }
  const { values, faults } = await readGenerated(first.config.dataDir)
  const { config, faults: others } = inspectConfig(env, values)
  return { config, faults: [...faults, ...others], generated: values }
}

const isSet = (env: Env, name: string) => (env[name] ?? '').trim() !== ''

const kindOf = (env: Env) =>
  isSet(env, 'DATABASE_OWNER_URL') &&
  !['DATABASE_URL', 'JWT_SECRET', 'SITE_URL'].some(name => isSet(env, name))
    ? 'worker'
    : 'web'

function workerFaults(env: Env): string[] {
  try {
    parseWorkerConfig(env)
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.faults
    throw error
  }
}

async function readGenerated(dataDir: string): Promise<{ values: Env; faults: string[] }> {
  try {
    return { values: await readEnvFile(dataDir), faults: [] }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return {
      values: {},
      faults: [`${dataDir}/env cannot be read (${code}): run as the user who runs npm start`],
    }
  }
}

function notNamed(name: UrlName, env: Env, config: Config): Error {
  if (isSet(env, name)) return new Skipped(`${name} does not parse`)
  if (config.embedded) {
    const text = `there is no embedded database in ${config.dataDir} yet`
    return new Trouble(text, 'npm start makes it. Or name a database of your own in DATABASE_URL.', text)
  }
  return new Skipped(`${name} is not set`)
}

/** The simulator is at the service's own address, which the embedded default writes down. */
function wechatUrlOf({ wechat, host, port }: Config, env: Env, generated: Env): string {
  if (wechat.apiUrl !== undefined) return wechat.apiUrl
  const isKnown = generated.SITE_URL !== undefined && !isSet(env, 'SITE_URL')
  const name = ['0.0.0.0', '::'].includes(host) ? '127.0.0.1' : host
  return `${isKnown ? generated.SITE_URL : `http://${name}:${port}`}/simulator`
}
