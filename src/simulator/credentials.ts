import { BlockList, isIP, isIPv4 } from 'node:net'
import { WechatError } from './errors.ts'
import type { Exchange } from './exchange.ts'
import type { State } from './state.ts'
import type { Endpoint } from './types.ts'

type Credentials = Record<'appid' | 'secret' | 'grant_type', string | null | undefined>

export function credentialsOf(query: URLSearchParams): Credentials {
  return { appid: query.get('appid'), secret: query.get('secret'), grant_type: query.get('grant_type') }
}

/** The appid, if these are an app's credentials. Which of several faults WeChat names is undocumented: gaps first. */
export function checkApp(
  state: State,
  { appid, secret, grant_type }: Credentials,
  grantType: string,
): string {
  if (!appid) throw new WechatError(41002)
  if (!secret) throw new WechatError(41004)
  if (grant_type !== grantType) throw new WechatError(40002)
  const app = state.apps.get(appid)
  if (app === undefined) throw new WechatError(40013)
  if (secret !== app.secret) throw new WechatError(40125)
  return appid
}

/** What the two token endpoints ask besides: that the secret is not frozen (40243), and the sender's address allowed (40164). */
export function checkTokenIssue(state: State, appid: string, { req }: Exchange): void {
  const { frozen, allowedIps } = state.apps.get(appid)!
  if (frozen) throw new WechatError(40243)
  const mapped = req.socket.remoteAddress ?? ''
  const address = mapped.replace(/^::ffff:(?=\d+\.)/, '')
  if (allowedIps === null || isAllowed(address, allowedIps)) return
  const v6 = isIPv4(address) ? `::ffff:${address}` : address
  throw new WechatError(40164, `invalid ip ${address} ipv6 ${v6}, not in whitelist`)
}

/** The app whose good token a call carries, noted in the call; 48001 where the app may not call this endpoint. */
export function checkToken(state: State, { query, call }: Exchange): string {
  const appid = state.tokens.appOf(query.get('access_token'))
  call.appid = appid
  if (state.apps.get(appid)?.unauthorized.includes(call.endpoint as Endpoint)) throw new WechatError(48001)
  return appid
}

/** Whether an address is one of these, or in a network of these. */
function isAllowed(address: string, allowed: readonly string[]): boolean {
  if (isIP(address) === 0) return false
  const list = new BlockList()
  for (const entry of allowed) {
    const [base, bits] = entry.split('/') as [string, string?]
    const family = isIPv4(base) ? 'ipv4' : 'ipv6'
    if (bits === undefined) list.addAddress(base, family)
    else list.addSubnet(base, Number(bits), family)
  }
  return list.check(address, isIPv4(address) ? 'ipv4' : 'ipv6')
}
