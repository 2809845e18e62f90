import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import express, { type Express, type Request, type Response } from 'express'
import { pinoHttp } from 'pino-http'
import { postgraphile } from 'postgraphile'
import { makePgService } from 'postgraphile/adaptors/pg'
import { grafserv } from 'postgraphile/grafserv/express/v4'
import { PostGraphileAmberPreset } from 'postgraphile/presets/amber'
import { LimitsPlugin } from './graphql/limits.ts'
import { wechatPreset } from './graphql/preset.ts'
import { healthRouter } from './health.ts'
import { type Logger, maskPhones, requestStore } from './log.ts'
import { measureRequests, metricsRouter } from './metrics/routes.ts'
import type { Playground } from './playground/index.ts'
import { pushRouter } from './push/routes.ts'
import { allowOrigins } from './rest/cors.ts'
import { errorHandler, nothingHere } from './rest/errors.ts'
import { authRouter } from './rest/routes.ts'
import type { Services } from './services.ts'
import type { Simulator } from './simulator/index.ts'

export interface App {
  express: Express
  /** Ends GraphQL; the services are the caller's to close. */
  release(): Promise<void>
}

export interface AppOptions {
  /** Stands in for WeChat, under /simulator. */
  simulator?: Simulator | undefined
  /** A phone in the browser, at /. */
  playground?: Playground | undefined
}

/** The web service: REST under /auth/v1, GraphQL, health, metrics, and in development simulator and playground. */
export async function createApp(
  services: Services,
  { simulator, playground }: AppOptions = {},
): Promise<App> {
  const { config, db, log } = services
  const app = express().disable('x-powered-by').disable('etag')
  const played = playground?.of(services)
  if (played) app.use(played.router)
  app.use(measureRequests(services))
  app.use(requestLog(log))
  app.use((req, _res, next) => requestStore.run({ req_id: String(req.id) }, next))
  if (played) app.use(played.watch)
  app.use('/health', healthRouter(services))
  app.use('/metrics', metricsRouter(services))
  app.use('/auth/v1', authRouter(services))
  app.use('/wechat/push', pushRouter(services))
  app.use('/graphql', allowOrigins(config.corsOrigins))
  if (simulator) app.use('/simulator', simulator.router)

  const instance = postgraphile({
    extends: [PostGraphileAmberPreset, wechatPreset(services)],
    plugins: [LimitsPlugin],
    grafserv: {
      graphqlPath: '/graphql',
      graphqlOverGET: false,
      graphiqlOnGraphQLGET: false,
      graphiqlPath: '/graphiql',
      graphiql: config.graphiql,
      websockets: false,
    },
    pgServices: [makePgService({ pool: db.pool, schemas: ['public'] })],
  })
  await instance.getSchema()
  const serv = instance.createServ(grafserv)
  await serv.ready()
  await serv.addTo(app, null)

  if (config.graphiql && !played) app.get('/', (_req, res) => res.redirect('/graphiql'))
  app.use(nothingHere)
  app.use(errorHandler(log))
  return { express: app, release: async () => void (await instance.release()) }
}

/** One line a request, with its id, without its query (codes) and its headers (tokens). */
const requestLog = (log: Logger) =>
  pinoHttp({
    logger: log,
    genReqId: (req, res) => {
      const given = req.headers['x-request-id']
      const id = typeof given === 'string' && /^[\w-]{1,64}$/.test(given) ? given : randomUUID()
      res.setHeader('x-request-id', id)
      return id
    },
    autoLogging: { ignore: req => /^\/(health\/|metrics\/?(\?|$))/.test(req.url ?? '') },
    // pino-http would log the request with its URL and headers: codes and tokens.
    serializers: { req: () => undefined, res: () => undefined },
    customLogLevel: (_req, res) => (res.statusCode >= 500 ? 'warn' : 'info'),
    customSuccessMessage: (req, res, ms) =>
      `${req.method} ${pathOf(req)} ${res.statusCode} in ${Math.round(ms)} ms`,
    customErrorMessage: (req, res) => `${req.method} ${pathOf(req)} ${res.statusCode}`,
    customSuccessObject: (req, res, { responseTime }) => answered(req, res, responseTime),
    customErrorObject: (req, res, _error, { responseTime }) => answered(req, res, responseTime),
  })

const pathOf = (req: IncomingMessage) =>
  maskPhones(((req as Request).originalUrl ?? req.url ?? '').split('?')[0]!)

const answered = (req: IncomingMessage, res: ServerResponse, ms: number) => ({
  req_id: req.id,
  method: req.method,
  path: pathOf(req),
  status: res.statusCode,
  code: (res as Response).locals?.code,
  ms,
})
