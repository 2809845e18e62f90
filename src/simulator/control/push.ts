import { z } from 'zod'
import { checkUrl, deliver, type PushOptions, pushOf } from '../push.ts'
import type { State } from '../state.ts'
import { ControlError, Id, knownApp, notAnObject, operation } from './operation.ts'

const EVENT =
  'JSON {"event": "user_authorization_revoke", "openid": "…", "revoke_info"?: "8", "appid"?: "…", ' +
  '"format"?: "json" or "xml", "encrypted"?: true, "spaced_keys"?: true, "plugin_id"?: "…", "open_pid"?: "…", ' +
  '"url"?: "http://…"}'
const CHECK = 'JSON {"url"?: "http://…"}'
const CONFIG = 'JSON {"token": "…", "aes_key"?: "…", "url"?: "http://…"}'

const WebAddress = z.url({ protocol: /^https?$/, error: 'must be an http(s) URL' }).max(2_048)

const EventRequest = z.strictObject(
  {
    event: z.string().min(1).max(128),
    openid: Id,
    revoke_info: z.union([z.string().max(128), z.number(), z.array(z.string())]).optional(),
    plugin_id: Id.optional(),
    open_pid: Id.optional(),
    appid: Id.optional(),
    format: z.enum(['json', 'xml']).default('json'),
    encrypted: z.boolean().default(false),
    spaced_keys: z.boolean().default(false),
    url: WebAddress.optional(),
  },
  notAnObject,
)
const CheckRequest = z.strictObject({ url: WebAddress.optional() }, notAnObject).prefault({})

export const PushToken = z.string().regex(/^[A-Za-z0-9]{3,32}$/, 'must be 3 to 32 letters and digits')
export const PushAesKey = z
  .string()
  .regex(/^[A-Za-z0-9+/]{43}$/, 'must be an EncodingAESKey: 43 letters and digits')
  .transform(key => Buffer.from(`${key}=`, 'base64'))
const ConfigRequest = z.strictObject(
  { token: PushToken, aes_key: PushAesKey.optional(), url: WebAddress.optional() },
  notAnObject,
)

/** The message push: what WeChat sends to the service. */
export function pushOperations(state: State) {
  return {
    configurePush: operation(
      'POST /push-config',
      CONFIG,
      ConfigRequest,
      ({ token, aes_key: aesKey, url }) => {
        state.push = { token, aesKey, url }
        return { url: url ?? null, encrypted: aesKey !== undefined }
      },
    ),
    checkPush: operation('POST /push-checks', CHECK, CheckRequest, request => {
      const { push, target } = targetOf(state, request.url)
      return checkUrl(push, target, state.now())
    }),
    pushEvent: operation('POST /push-events', EVENT, EventRequest, request => {
      const appid = knownApp(state, request.appid ?? state.defaultApp)
      const { push, target } = targetOf(state, request.url)
      if (request.encrypted && !push.aesKey) {
        throw new ControlError('encrypted: the simulator knows no WECHAT_PUSH_AES_KEY')
      }
      if (request.spaced_keys && request.format === 'xml') {
        throw new ControlError('spaced_keys: an element of XML cannot have a space before its name')
      }
      const { url, body } = pushOf(push, target, appid, state.now(), request)
      return deliver(url, body, request.format)
    }),
  }
}

function targetOf({ push }: State, named: string | undefined): { push: PushOptions; target: string } {
  if (!push) {
    throw new ControlError(
      'the simulator knows no WECHAT_PUSH_TOKEN to sign pushes with, POST /push-config tells it',
    )
  }
  const target = named ?? push.url
  if (target === undefined) throw new ControlError('url: where the push should go')
  return { push, target }
}
