import { randomBytes } from 'node:crypto'
import { createApp } from './app.ts'
import { banner } from './banner.ts'
import { type Config, ConfigError, type Env, parseConfig } from './config.ts'
import { readEnvFile, startEmbedded, writeEnvFile } from './db/embedded.ts'
import { orUnreachable } from './db/errors.ts'
import { inWords, NO_MEMBER, TOO_POWERFUL } from './db/logins.ts'
import { codeVersion, MigrationError, migrate } from './db/migrate.ts'
import { loginIsTooPowerful, schemaVersion } from './db/statements.ts'
import type { Logger } from './log.ts'
import { createPlayground } from './playground/index.ts'
import { BEHIND_A_PROXY, listen } from './server.ts'
import { createServices, type Services } from './services.ts'
import { createSimulator } from './simulator/index.ts'
import { startWorker } from './tasks/worker.ts'
import { createFetch } from './wechat/http.ts'

export interface StartOptions {
  env: Env
  config: Config
  log: Logger
  /** Run the worker in this process, where the owner's login is known. */
  worker: boolean
  /** Migrate first, where the owner's login is known. */
  migrate: boolean
  /** Called once everything answers, but not in production. */
  onReady?: (banner: string) => void
  /** Aborts a start that still waits for the embedded database. */
  signal: AbortSignal
  /** Called if the embedded database is gone for good. */
  onFatal(error: Error): void
}

export interface Running {
  url: string
  /** Ends everything in the order in which nothing is lost. */
  stop(): Promise<void>
}

/** Starts the service with all it needs: the embedded database where none is named, migrations, worker, web. */
export async function start(options: StartOptions): Promise<Running> {
  const { log } = options
  const ends: (() => Promise<void>)[] = []
  // What fails to end must not keep the rest from ending, PostgreSQL least of all.
  const stop = async () => {
    const errors: unknown[] = []
    for (let end = ends.pop(); end; end = ends.pop())
      await end().catch((error: unknown) => errors.push(error))
    if (errors.length > 0) throw new AggregateError(errors, 'Not everything could be ended in order')
  }
  try {
    const url = await bringUp(options, ends)
    return { url, stop }
  } catch (error) {
    await stop().catch((err: unknown) => log.error({ err }, 'not everything that had started could be ended'))
    throw error
  }
}

async function bringUp({ env, config: given, log, ...options }: StartOptions, ends: (() => Promise<void>)[]) {
  // The directory before the port: a second start on the same directory is told so, whatever its port.
  const generated = given.embedded ? await withEmbedded(given, log, options, ends) : {}
  // In production the port opens last: where it is closed a proxy asks another node, and 503 it would pass on.
  const early = given.production ? undefined : await listen(given.host, given.port)
  // Here for a start that fails before it serves.
  if (early) ends.push(() => early.close())
  const config = given.embedded ? parseConfig(env, { ...generated, SITE_URL: early?.url }) : given

  const ownerUrl = config.databaseOwnerUrl
  // A newer database is for a newer version that is being rolled out; nodes of this one go on until they are replaced.
  if (ownerUrl && options.migrate) await migrate({ ownerUrl, log, acceptNewer: true })
  const simulated = config.wechat.apiUrl === undefined
  const playground = config.production ? undefined : createPlayground({ ownerUrl, simulated })
  const fetch = playground?.watchFetch(createFetch(config.wechat.connectTimeoutMs))
  const services = await createServices({ config, ownUrl: early?.url, log, fetch })
  ends.push(() => services.close())
  const powerful = await loginIsTooPowerful(services.db).catch(orUnreachable('DATABASE_URL'))
  if (config.production && powerful) throw new ConfigError([inWords(TOO_POWERFUL)])
  await requireSchema(services)
  if (config.embedded) {
    const { anon, serviceRole } = services.apiKeys
    await writeEnvFile(config.dataDir, {
      ANON_KEY: anon,
      SERVICE_ROLE_KEY: serviceRole,
      SITE_URL: services.siteUrl,
    })
  }

  if (simulated && !config.embedded) {
    log.warn(
      'WeChat is simulated: anybody can sign in as anybody. With NODE_ENV=production that cannot happen',
    )
  }
  const simulator = config.production
    ? undefined
    : createSimulator({
        apps: config.wechat.apps,
        push: config.push && { ...config.push, url: `${early?.url}/wechat/push` },
      })
  const app = await createApp(services, { simulator, playground })
  ends.push(() => app.release())
  const hasWorker = options.worker && ownerUrl !== undefined
  if (hasWorker) {
    const { webhookAllowPrivate, retention } = config
    const { wechatUrl: apiUrl, metrics } = services
    const wechat = { config: config.wechat, apiUrl, observe: metrics.apiCall }
    const worker = await startWorker({ ownerUrl, log, webhookAllowPrivate, retention, wechat })
    ends.push(() => worker.stop())
  }
  const http = early ?? (await listen(given.host, given.port, BEHIND_A_PROXY))
  http.serve(app.express)
  // Ended first: requests in flight finish before what they work with is taken away. But for the streams of the
  // playground, which would never finish.
  ends.push(() => http.close())
  if (playground) ends.push(() => playground.close())
  log.info({ url: http.url, worker: hasWorker }, 'the service answers')
  // The banner holds keys and is for people; production has logs.
  if (!config.production) options.onReady?.(banner(services, http.url, { simulated, worker: hasWorker }))
  return http.url
}

/** Says what to do where the database was not migrated, or does not let us in, before anything is built on it. */
async function requireSchema({ db }: Services) {
  const version = await schemaVersion(db).catch((error: unknown) => {
    const { code } = error as { code?: unknown }
    if (code === '42P01') return 0
    if (code === '42501') throw new ConfigError([inWords(NO_MEMBER)])
    return orUnreachable('DATABASE_URL')(error)
  })
  if (version < codeVersion()) {
    throw new MigrationError(
      `The database has version ${version} of the schema, this code needs ${codeVersion()}: run "postgraphile-wechat migrate" ` +
        'with DATABASE_OWNER_URL',
    )
  }
}

/** Starts the embedded database. Answers what was generated once and is kept in `DATA_DIR/env`. */
async function withEmbedded(
  config: Config,
  log: Logger,
  { onFatal, signal }: Pick<StartOptions, 'onFatal' | 'signal'>,
  ends: (() => Promise<void>)[],
): Promise<Env> {
  const embedded = await startEmbedded({
    dataDir: config.dataDir,
    log: (level, msg, fields) => log[level](fields ?? {}, msg),
    onExit: onFatal,
    signal,
  })
  ends.push(() => embedded.stop())
  const generated = await readEnvFile(config.dataDir)
  if (generated.JWT_SECRET === undefined) {
    generated.JWT_SECRET = randomBytes(32).toString('base64url')
    await writeEnvFile(config.dataDir, { JWT_SECRET: generated.JWT_SECRET })
  }
  // The keys follow from the secret and the URL from the port: what stands in the file is for people and programs.
  const { ANON_KEY: _anon, SERVICE_ROLE_KEY: _service, SITE_URL: _site, ...kept } = generated
  return kept
}
