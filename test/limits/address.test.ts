import type { IncomingMessage } from 'node:http'
import fc from 'fast-check'
import { addressOf } from '../../src/limits/address.ts'
import { ROUNDS } from '../support/rounds.ts'

const from = (peer: string | undefined, forwarded?: string) =>
  ({
    socket: { remoteAddress: peer },
    connection: { remoteAddress: peer },
    headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded },
  }) as unknown as IncomingMessage

test.each<[string, string | undefined, string | undefined, number, string | undefined]>([
  ['the peer', '192.0.2.1', undefined, 0, '192.0.2.1'],
  ['the peer, as IPv6 writes IPv4', '::ffff:192.0.2.1', undefined, 0, '192.0.2.1'],
  ['a network of IPv6', '2001:db8:1:2:3:4:5:6', undefined, 0, '2001:db8:1:2'],
  ['the same network', '2001:db8:1:2::9', undefined, 0, '2001:db8:1:2'],
  ['a proxy that sends no header', '192.0.2.1', undefined, 1, '192.0.2.1'],
  ['fewer entries than proxies', '192.0.2.1', '198.51.100.7', 3, '198.51.100.7'],
  ['an entry that is no address', '192.0.2.1', 'unknown', 1, 'unknown'],
  ['a peer that has gone', undefined, undefined, 0, 'unknown'],
  ['a port', '192.0.2.1', '198.51.100.7:4711', 1, '198.51.100.7'],
  ['a port of IPv6', '192.0.2.1', '[2001:db8:1:2::9]:4711', 1, '2001:db8:1:2'],
  ['IPv6 that ends like a port', '192.0.2.1', '2001:db8:1:2::9', 1, '2001:db8:1:2'],
])('%s', (_what, peer, forwarded, proxies, address) => {
  expect(addressOf(from(peer, forwarded), proxies)).toBe(address)
})

test('whatever a client writes into the header, the address is the one that the first trusted proxy saw', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.ipV4(), fc.ipV6(), fc.stringMatching(/^[ -~]{0,20}$/))),
      fc.array(fc.ipV4(), { maxLength: 3 }),
      (forged, proxies) => {
        const header = [...forged, '203.0.113.9', ...proxies].join(', ')
        return addressOf(from('192.0.2.1', header), proxies.length + 1) === '203.0.113.9'
      },
    ),
    { numRuns: 100 * ROUNDS },
  )
})
