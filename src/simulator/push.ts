// Hop before: control/push.ts. Hop after: the service's own address for pushes.
import { randomBytes } from 'node:crypto'
import { encrypt, sign } from './push_cipher.ts'

/** The page "message push" of a mini program at WeChat. */
export interface PushOptions {
  token: string
  /** 32 bytes; undefined: encrypted pushes are refused. */
  aesKey?: Buffer | undefined
  /** Where pushes go for which no URL is named. */
  url?: string | undefined
}

/** What the event says, and how it is written. */
export interface PushMessage {
  event: string
  openid: string
  revoke_info?: string | number | string[] | undefined
  plugin_id?: string | undefined
  open_pid?: string | undefined
  format: 'json' | 'xml'
  /** Some of WeChat's samples have keys of JSON with a space before them. */
  spaced_keys: boolean
  encrypted: boolean
}

/** What a service has to answer within; after that, or after anything else, WeChat tries again, three times in all. */
const TIMEOUT_MS = 5_000
const ATTEMPTS = 3
/** More of an answer is not told. */
const ANSWER_CHARACTERS = 1_000

/** A push as it goes out; `now` in Unix milliseconds. Encrypted only where there is a key. */
export function pushOf(push: PushOptions, target: string, appid: string, now: number, message: PushMessage) {
  const { format, event, openid, revoke_info, plugin_id, open_pid } = message
  const seconds = Math.floor(now / 1000)
  const toUser = `gh_${appid.slice(-12)}`
  const fields = {
    ToUserName: toUser,
    FromUserName: openid,
    CreateTime: format === 'json' ? seconds : String(seconds),
    MsgType: 'event',
    Event: event,
    OpenID: openid,
    AppID: appid,
    ...(revoke_info !== undefined && { RevokeInfo: revoke_info }),
    ...(plugin_id !== undefined && { PluginID: plugin_id }),
    ...(open_pid !== undefined && { OpenPID: open_pid }),
  }
  const text = render(format, message.spaced_keys ? spaced(fields) : fields)
  const { url, timestamp, nonce } = signedUrl(push, target, now)
  url.searchParams.set('openid', openid)
  if (!message.encrypted) return { url, body: text }
  const Encrypt = encrypt(push.aesKey!, text, appid)
  url.searchParams.set('encrypt_type', 'aes')
  url.searchParams.set('msg_signature', sign([push.token, timestamp, nonce, Encrypt]))
  return { url, body: render(format, { ToUserName: toUser, Encrypt }) }
}

/** How WeChat asks a new address whether it knows the token: by GET, and wants `echostr` back. */
export async function checkUrl(push: PushOptions, target: string, now: number) {
  const { url } = signedUrl(push, target, now)
  const echostr = String(randomBytes(8).readBigUInt64BE())
  url.searchParams.set('echostr', echostr)
  const { status, body } = await ask(url, {})
  return { echoed: status === 200 && body === echostr, status, body }
}

/** Sends a push until it is taken, at most three times: how often, and what the service said last. */
export async function deliver(url: URL, body: string, format: 'json' | 'xml') {
  const headers = { 'content-type': format === 'json' ? 'application/json' : 'text/xml' }
  for (let attempts = 1; ; attempts++) {
    const outcome = await ask(url, { method: 'POST', headers, body })
    const isTaken = outcome.status === 200 && ['', 'success'].includes(outcome.body)
    if (isTaken || attempts === ATTEMPTS) return { attempts, ...outcome }
  }
}

function ask(url: URL, init: RequestInit): Promise<{ status: number | null; body: string }> {
  return fetch(url, { ...init, signal: AbortSignal.timeout(TIMEOUT_MS), redirect: 'manual' })
    .then(async response => ({
      status: response.status,
      body: (await response.text()).slice(0, ANSWER_CHARACTERS),
    }))
    .catch((error: Error) => ({ status: null, body: `${error.cause ?? error}` }))
}

function signedUrl({ token }: PushOptions, target: string, now: number) {
  const timestamp = String(Math.floor(now / 1000))
  const nonce = String(randomBytes(4).readUInt32BE())
  const url = new URL(target)
  const query = { signature: sign([token, timestamp, nonce]), timestamp, nonce }
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value)
  return { url, timestamp, nonce }
}

/** Which keys have the space differs from sample to sample; here all but the first. */
const spaced = (fields: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(fields).map(([name, value], at) => [at > 0 ? ` ${name}` : name, value]))

function render(format: 'json' | 'xml', members: Record<string, unknown>): string {
  if (format === 'json') return JSON.stringify(members)
  const elements = Object.entries(members).flatMap(([name, value]) =>
    [value].flat().map(item => `<${name}><![CDATA[${String(item).replaceAll(']]>', '')}]]></${name}>`),
  )
  return `<xml>${elements.join('')}</xml>`
}
