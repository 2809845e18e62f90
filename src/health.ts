import { setTimeout as sleep } from 'node:timers/promises'
import { Router } from 'express'
import { codeVersion } from './db/migrate.ts'
import { schemaVersion } from './db/statements.ts'
import { AppError } from './errors.ts'
import type { Services } from './services.ts'
import type { Endpoint } from './wechat/http.ts'

/** Whoever asks for health waits no longer for WeChat. */
const WECHAT_WAIT_MS = 1_000

/**
 * `/health/live`: the process answers. `/health/ready`: the database does too, has the schema of this code, and WeChat gives an
 * access token to at least one app; 503 with what is wrong otherwise. That WeChat is down or slow is said, and is no reason
 * to be taken out of service: only an operator's business is. With `?ignore=wechat` not even that.
 */
export function healthRouter(services: Services): Router {
  const router = Router()
  const appsOf = createAppsOf(services)
  router.get('/live', (_req, res) => void res.json({ status: 'ok' }))
  router.get('/ready', async (req, res) => {
    const [database, apps] = await Promise.all([databaseOf(services), appsOf()])
    const isLeftAlone = req.query.ignore !== 'wechat' && Object.values(apps).every(app => app.isLasting)
    const ok = database === 'ok' && !isLeftAlone
    const wechat = Object.fromEntries(Object.entries(apps).map(([appid, { text }]) => [appid, text]))
    res.status(ok ? 200 : 503).json({ status: ok ? 'ok' : 'unavailable', database, wechat })
  })
  return router
}

async function databaseOf({ db, log }: Services): Promise<string> {
  const needed = codeVersion()
  return schemaVersion(db).then(
    version =>
      version >= needed ? 'ok' : `its schema is of version ${version}, the code needs ${needed}: run migrate`,
    (err: unknown) => {
      log.warn({ err }, 'the service is not ready')
      return 'cannot be reached, or was not migrated'
    },
  )
}

interface AppHealth {
  text: string
  /** There is no access token, and an operator has to do something about it. */
  isLasting: boolean
}

/** What the apps of one process are told; a trouble that only an operator can mend is not over because WeChat is slow. */
function createAppsOf(services: Services): () => Promise<Record<string, AppHealth>> {
  const { config, wechat } = services
  const last = new Map<string, AppHealth>()
  const waiting: AppHealth = { text: 'WeChat has not answered yet', isLasting: false }
  const ask = async (appid: string): Promise<AppHealth> => {
    const health = await wechat.token
      .get(appid)
      .then(() => ({ text: wordsOf(services, appid), isLasting: false }), failed)
    last.set(appid, health)
    return health
  }
  const healthOf = async (appid: string): Promise<AppHealth> => {
    const known = last.get(appid)
    const meanwhile = known?.isLasting ? known : waiting
    return Promise.race([ask(appid), sleep(WECHAT_WAIT_MS, meanwhile, { ref: false })])
  }
  return async () => {
    const entries = Object.keys(config.wechat.apps).map(
      async appid => [appid, await healthOf(appid)] as const,
    )
    return Object.fromEntries(await Promise.all(entries))
  }
}

/** There is a token; what else WeChat refused lately, the next token first. */
function wordsOf({ wechat, troubles }: Services, appid: string): string {
  const next = wechat.token.trouble(appid)
  const lately = troubles.of(appid).filter(({ endpoint }) => !next || !TOKEN_ENDPOINTS.has(endpoint))
  const words = lately.map(({ endpoint, ...trouble }) => `${endpoint}: ${inWords(trouble)}`)
  if (next) words.unshift(`the next access token cannot be fetched: ${inWords(next)}`)
  return words.join('; ') || 'ok'
}

const TOKEN_ENDPOINTS = new Set<Endpoint>(['stable_token', 'token'])

const inWords = ({ advice, errcode }: { advice?: string | undefined; errcode?: number | undefined }) =>
  `${advice ?? (errcode === undefined ? 'WeChat does not answer properly' : 'WeChat refuses it')}${
    errcode === undefined ? '' : ` (errcode ${errcode})`
  }`

function failed(error: unknown): AppHealth {
  if (!(error instanceof AppError)) return { text: 'the access token cannot be had', isLasting: false }
  const { code, advice, wechat, message } = error
  const errcode = wechat ? ` (errcode ${wechat.errcode}${wechat.rid ? `, rid ${wechat.rid}` : ''})` : ''
  return {
    text: `no access token: ${advice ?? message}${errcode}`,
    isLasting: code === 'wechat_misconfigured',
  }
}
