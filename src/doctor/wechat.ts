// Before: src/doctor/doctor.ts. After: src/wechat/access_token.ts.
import { AppError } from '../errors.ts'
import { createLog } from '../log.ts'
import { fetchToken } from '../wechat/access_token.ts'
import { createCalls } from '../wechat/calls.ts'
import { createWechat } from '../wechat/client.ts'
import { createAsk, createFetch, Unanswered } from '../wechat/http.ts'
import { metricsOf } from './background.ts'
import { type Context, NO_APP } from './context.ts'
import { type Finding, fault, need, ok, Skipped, seconds, Trouble, warning, within } from './finding.ts'

const LIMIT_MS = 5_000

export const wechatChecks = (context: Context) => ({
  reach: () => reachable(context),
  access_token: async () => {
    await need(context.reached)
    return Promise.all(Object.keys(context.config.wechat.apps).map(appid => accessToken(appid, context)))
  },
  shared_token: () => sharedTokens(context),
})

async function reachable(context: Context): Promise<Finding> {
  const { config, wechatUrl } = context
  if (wechatUrl === undefined) throw new Skipped(NO_APP)
  const { host } = new URL(wechatUrl)
  const { ms, address, isSimulator } = await context.reached.catch((error: unknown) => {
    const isOurs = config.wechat.apiUrl === undefined
    if (!isOurs || !(error instanceof Trouble)) throw error
    throw new Trouble(
      `the simulator, which the service has in it, does not answer at ${host}`,
      'Start the service (npm start), and run doctor beside it.',
      'the simulator does not answer',
    )
  })
  if (!isSimulator) return ok(`${host} (${address}) answers after ${ms} ms`)
  if (!config.production) return ok(`a simulator answers at ${host}`)
  return fault(
    `a simulator answers at ${host}: anybody can sign in as anybody`,
    'Take WECHAT_API_URL away, and WeChat itself is asked.',
  )
}

/** Nothing that the fleet has is changed: neither its row nor the token. */
async function accessToken(appid: string, context: Context): Promise<Finding> {
  try {
    const words = await (context.config.wechat.tokenKind === 'stable' ? askStable : askLegacy)(appid, context)
    return ok(`${appid}: ${words}`)
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    return refused(appid, error)
  }
}

function clientOf({ config, wechatUrl }: Context) {
  const wechat = { ...config.wechat, timeoutMs: Math.min(config.wechat.timeoutMs, LIMIT_MS) }
  return { wechat, apiUrl: wechatUrl!, log: createLog('silent') }
}

/** Unforced, so WeChat gives the one that the fleet has as well; but only to a secret and an address that it takes. */
async function askStable(appid: string, context: Context): Promise<string> {
  const { wechat, apiUrl, log } = clientOf(context)
  const { ask } = createCalls(
    createAsk(createFetch(wechat.connectTimeoutMs), log, () => {}),
    wechat.limits,
  )
  const secretOf = () => wechat.apps[appid]!
  const limit = new AbortController()
  const timer = setTimeout(() => limit.abort(lateFor('stable_token')), wechat.timeoutMs)
  const token = await fetchToken(
    { ask, apiUrl, kind: 'stable', secretOf },
    appid,
    limit.signal,
    false,
  ).finally(() => clearTimeout(timer))
  return `WeChat takes its secret and this address; the token ends in ${minutes(token.expires_in)}`
}

/** A new one would end that of the fleet, so only where there is none: as any node would, through the row. */
async function askLegacy(appid: string, context: Context): Promise<string> {
  const session = await need(context.database)
  const { wechat, apiUrl, log } = clientOf(context)
  const db = {
    one: <Row extends object>({ text }: { text: string }, values: unknown[]) =>
      session.row<Row>(text, values),
  }
  const { token } = createWechat({ config: wechat, apiUrl, db, log, marginMs: 0 })
  const { isNew } = await within(wechat.timeoutMs, token.get(appid), () => lateFor('token'))
  await token.settle()
  return isNew
    ? 'WeChat takes its secret and this address'
    : 'the fleet has one; its secret was not tried, because a new legacy token ends the present one'
}

const lateFor = (endpoint: 'stable_token' | 'token') =>
  new AppError('wechat_unavailable', { cause: new Unanswered(endpoint, 'timeout') })

const minutes = (s: number) => (s < 120 ? seconds(s * 1000) : `${Math.round(s / 60)} minutes`)

function refused(appid: string, { wechat, advice, cause, message }: AppError): Finding {
  if (!wechat) {
    const why =
      cause instanceof Unanswered ? cause.reason : ((cause as Error | undefined)?.message ?? message)
    return fault(
      `${appid}: WeChat does not answer properly: ${why}`,
      'Try again in a minute; where it stays so, something in between answers in its place.',
    )
  }
  const rid = wechat.rid ? `, rid ${wechat.rid}` : ''
  const text = `${appid}: WeChat refuses it (errcode ${wechat.errcode}${rid})`
  const help = advice ?? 'look the errcode up in WeChat’s documentation, and ask its support with the rid'
  return fault(text, `${help.charAt(0).toUpperCase()}${help.slice(1)}.`)
}

async function sharedTokens(context: Context): Promise<Finding[]> {
  if (context.wechatUrl === undefined) throw new Skipped(NO_APP)
  const rows = await metricsOf(context)
  return Object.keys(context.config.wechat.apps).map(appid => {
    const numberOf = (name: string) =>
      rows.find(row => row.name === `access_token_${name}` && row.labels.appid === appid)?.value
    const [failures = 0, left] = [numberOf('failures'), numberOf('remaining_seconds')]
    const state = left
      ? `it ends in ${minutes(Math.round(left))}`
      : 'there is none: who needs it next fetches it'
    if (failures === 0) return ok(`${appid}: ${state}`)
    return warning(
      `${appid}: ${state}; ${failures === 1 ? '1 fetch has' : `${failures} fetches have`} failed since the last success`,
      'The column failure of auth_private.wechat_access_tokens, and /health/ready of the nodes, say why.',
    )
  })
}
