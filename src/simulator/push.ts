import { randomBytes } from 'node:crypto'
import { Router } from 'express'
import { z } from 'zod'
import { ControlError, control, Id, knownApp, notAnObject } from './control.ts'
import { encrypt, sign } from './push_cipher.ts'
import type { State } from './state.ts'

/** The page "message push" of a mini program at WeChat. */
export interface PushOptions {
  token: string
  /** 32 bytes; undefined: encrypted pushes are refused. */
  aesKey?: Buffer | undefined
  /** Where pushes go for which no URL is named. */
  url?: string | undefined
}

/** What a service has to answer within; after that, or after anything else, WeChat tries again, three times in all. */
const TIMEOUT_MS = 5_000
const ATTEMPTS = 3

const USAGE =
  'POST /push-events takes JSON {"event": "user_authorization_revoke", "openid": "…", "revoke_info"?: "8", ' +
  '"appid"?: "…", "format"?: "json" or "xml", "encrypted"?: true, "url"?: "http://…"}'

const PushRequest = z.strictObject(
  {
    event: z.string().min(1).max(128),
    openid: Id,
    revoke_info: z.union([z.string().max(128), z.number(), z.array(z.string())]).optional(),
    appid: Id.optional(),
    format: z.enum(['json', 'xml']).default('json'),
    encrypted: z.boolean().default(false),
    url: z.url({ protocol: /^https?$/ }).optional(),
  },
  notAnObject,
)
type PushRequest = z.infer<typeof PushRequest>

/** `POST /push-events` sends a push as WeChat does, and answers what became of it: `{attempts, status, body}`. */
export const pushRoutes = (state: State, defaultApp: string) =>
  Router().post(
    '/push-events',
    control(USAGE, PushRequest, request => {
      const appid = knownApp(state, request.appid ?? defaultApp)
      const { url, body } = pushOf(state, appid, request)
      return deliver(url, body, request.format)
    }),
  )

function pushOf({ push, now }: State, appid: string, request: PushRequest) {
  if (!push) throw new ControlError('the simulator knows no WECHAT_PUSH_TOKEN to sign pushes with')
  const target = request.url ?? push.url
  if (target === undefined) throw new ControlError('url: where the push should go')
  const seconds = Math.floor(now() / 1000)
  const toUser = `gh_${appid.slice(-12)}`
  const message = render(request.format, {
    ToUserName: toUser,
    FromUserName: request.openid,
    CreateTime: request.format === 'json' ? seconds : String(seconds),
    MsgType: 'event',
    Event: request.event,
    OpenID: request.openid,
    AppID: appid,
    ...(request.revoke_info !== undefined && { RevokeInfo: request.revoke_info }),
  })
  const timestamp = String(seconds)
  const nonce = String(randomBytes(4).readUInt32BE())
  const url = new URL(target)
  const query = { signature: sign([push.token, timestamp, nonce]), timestamp, nonce, openid: request.openid }
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value)
  if (!request.encrypted) return { url, body: message }
  if (!push.aesKey) throw new ControlError('encrypted: the simulator knows no WECHAT_PUSH_AES_KEY')
  const Encrypt = encrypt(push.aesKey, message, appid)
  url.searchParams.set('encrypt_type', 'aes')
  url.searchParams.set('msg_signature', sign([push.token, timestamp, nonce, Encrypt]))
  return { url, body: render(request.format, { ToUserName: toUser, Encrypt }) }
}

function render(format: 'json' | 'xml', members: Record<string, unknown>): string {
  if (format === 'json') return JSON.stringify(members)
  const elements = Object.entries(members).flatMap(([name, value]) =>
    [value].flat().map(item => `<${name}><![CDATA[${String(item).replaceAll(']]>', '')}]]></${name}>`),
  )
  return `<xml>${elements.join('')}</xml>`
}

async function deliver(url: URL, body: string, format: 'json' | 'xml') {
  const headers = { 'content-type': format === 'json' ? 'application/json' : 'text/xml' }
  for (let attempts = 1; ; attempts++) {
    const outcome = await fetch(url, {
      method: 'POST',
      headers,
      body,
      signal: AbortSignal.timeout(TIMEOUT_MS),
      redirect: 'manual',
    }).then(
      async response => ({ status: response.status, body: await response.text() }),
      (error: Error) => ({ status: null, body: `${error.cause ?? error}` }),
    )
    const isTaken = outcome.status === 200 && ['', 'success'].includes(outcome.body)
    if (isTaken || attempts === ATTEMPTS) return { attempts, ...outcome }
  }
}
