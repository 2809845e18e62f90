import type { IncomingMessage } from 'node:http'
import ipaddr from 'ipaddr.js'
import proxyaddr from 'proxy-addr'

/**
 * Whose request it is, as far as addresses can tell: the connection's peer or, behind `trustedProxies` proxies, the entry
 * of `X-Forwarded-For` that the first of them wrote; what a client writes into that header stands left of it and is
 * ignored. Of an IPv6 address the network (/64), which one customer has to himself. Undefined: the peer has gone.
 */
export function addressOf(req: IncomingMessage, trustedProxies: number): string | undefined {
  const address = proxyaddr(req, (_address, hop) => hop < trustedProxies) as string | undefined
  return address && networkOf(address)
}

function networkOf(address: string): string {
  if (!ipaddr.isValid(address)) return address
  const ip = ipaddr.process(address)
  return ip.kind() === 'ipv6'
    ? (ip as ipaddr.IPv6).toNormalizedString().split(':', 4).join(':')
    : ip.toString()
}
