import { randomBytes } from 'node:crypto'
import { SIMULATOR_APP_ID } from '../../src/simulator/index.ts'
import { encrypt, sign } from '../../src/simulator/push_cipher.ts'
import { secret } from '../support/leaks.ts'

export const TOKEN = secret('aTokenOfThePushes')
export const AES_KEY = secret('abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG')
export const KEY = Buffer.from(`${AES_KEY}=`, 'base64')
export const APP = SIMULATOR_APP_ID
export const OTHER_APP = 'wx00000000000000bb'

/** The environment of a node that receives pushes of two apps. */
export const PUSH_ENV = {
  WECHAT_PUSH_TOKEN: TOKEN,
  WECHAT_APPS: JSON.stringify({ [OTHER_APP]: 'the secret of the other app' }),
}

export type Members = Record<string, unknown>
export type Format = 'json' | 'xml'

export const revocation = (openid: string, more: Members = {}): Members => ({
  ToUserName: 'gh_870882ca4b1',
  FromUserName: 'owAqB1v0ahK_Xlc7GshIDdf2yf7E',
  CreateTime: 1_626_857_200,
  MsgType: 'event',
  Event: 'user_authorization_revoke',
  OpenID: openid,
  AppID: APP,
  RevokeInfo: '8',
  PluginID: '0',
  OpenPID: '',
  ...more,
})

export function render(format: Format, members: Members): string {
  if (format === 'json') return JSON.stringify(members)
  const elements = Object.entries(members).flatMap(([name, value]) =>
    [value].flat().map(item => `<${name}>${item}</${name.trim()}>`),
  )
  return `<xml>\n${elements.join('\n')}\n</xml>`
}

export interface Sending {
  query?: Record<string, string>
  /** Encrypted for this app with this key. */
  aes?: { key?: Buffer; appid?: string } | undefined
  /** Members beside the encrypted one, as in WeChat's compatible mode. */
  beside?: Members
  headers?: Record<string, string>
}

/** A query that WeChat signed. */
export function signed(more: Record<string, string> = {}, timestamp = '1714036504') {
  const nonce = String(randomBytes(4).readUInt32BE())
  return { signature: sign([TOKEN, timestamp, nonce]), timestamp, nonce, ...more }
}

/** Sends a push as WeChat does, or nearly. */
export async function send(url: string, format: Format, members: Members, sending: Sending = {}) {
  const { aes, beside = {}, headers = {} } = sending
  const query = signed()
  let body = render(format, members)
  let more = {}
  if (aes) {
    const Encrypt = encrypt(aes.key ?? KEY, body, aes.appid ?? APP)
    more = { encrypt_type: 'aes', msg_signature: sign([TOKEN, query.timestamp, query.nonce, Encrypt]) }
    body = render(format, { ToUserName: 'gh_870882ca4b1', Encrypt, ...beside })
  }
  return sendRaw(url, body, { ...query, ...more, ...sending.query }, headers)
}

export async function sendRaw(url: string, body: string | Buffer, query: object, headers: object = {}) {
  const response = await fetch(`${url}/wechat/push?${new URLSearchParams({ ...query })}`, {
    method: 'POST',
    body: body as string,
    headers: { 'content-type': 'text/plain', ...headers },
  })
  const text = await response.text()
  return { status: response.status, type: response.headers.get('content-type'), text, code: codeOf(text) }
}

/** The catalogue's name in an answer. */
export const codeOf = (text: string): string | undefined =>
  text.startsWith('{') ? JSON.parse(text).error_code : undefined
