import type { IncomingMessage } from 'node:http'
import ipaddr from 'ipaddr.js'
import proxyaddr from 'proxy-addr'

/**
 * Whose request it is, as far as addresses can tell: the connection's peer or, behind `trustedProxies` proxies, the entry
 * of `X-Forwarded-For` that the first of them wrote; what a client writes into that header stands left of it and is
 * ignored. Of an IPv6 address the network (/64): nobody gets less. Those whose address is not known share one name:
 * a peer that hangs up at once has none any more, and must not be free.
 */
export function addressOf(req: IncomingMessage | undefined, trustedProxies: number): string {
  const address = req && (proxyaddr(req, (_address, hop) => hop < trustedProxies) as string | undefined)
  return address ? networkOf(withoutPort(address)) : 'unknown'
}

/** Some proxies write `192.0.2.1:1234` or `[2001:db8::1]:1234`. */
const withoutPort = (address: string) => address.replace(/^\[(.+)\](?::\d+)?$|^([^:]+):\d+$/, '$1$2')

function networkOf(address: string): string {
  if (!ipaddr.isValid(address)) return address
  const ip = ipaddr.process(address)
  return ip.kind() === 'ipv6'
    ? (ip as ipaddr.IPv6).toNormalizedString().split(':', 4).join(':')
    : ip.toString()
}
