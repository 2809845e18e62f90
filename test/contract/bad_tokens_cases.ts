import { randomUUID } from 'node:crypto'
import type { RawHeaders } from '../support/raw.ts'
import { JWT_SECRET } from '../support/service.ts'
import { type Bench, jwt, KID, now, pairs, part } from './bad_tokens_bench.ts'

/** A token, or all headers that say who calls. None of them is good. */
export type Case = [name: string, make: (b: Bench) => string | RawHeaders]

export const bearer = (token: string): RawHeaders => [['authorization', `Bearer ${token}`]]

export const wrongForm: Case[] = [
  ['empty', () => ''],
  ['blank', () => '   '],
  ['one letter', () => 'x'],
  ['null', () => 'null'],
  ['undefined', () => 'undefined'],
  ['{}', () => '{}'],
  ['a uuid', () => randomUUID()],
  ['dots', () => '..'],
  ['four dots', () => '....'],
  ['a refresh token', b => b.refresh],
  ['two parts', b => `${b.head}.${b.payload}`],
  ['no signature', b => `${b.head}.${b.payload}.`],
  ['no header', b => `.${b.payload}.${b.mac}`],
  ['no payload', b => `${b.head}..${b.mac}`],
  ['a dot at the end', b => `${b.good}.`],
  ['a dot at the beginning', b => `.${b.good}`],
  ['a fourth part', b => `${b.good}.${b.mac}`],
  ['five parts, as a JWE', b => `${part({ alg: 'dir', enc: 'A256GCM' })}..${b.payload}.${b.mac}.${b.mac}`],
  ['a JWT in a JWT', b => jwt({ ...b.header, cty: 'JWT' }, b.good, b.key)],
  ['upper case', b => b.good.toUpperCase()],
  ['turned around', b => [...b.good].reverse().join('')],
  ['quoted', b => `"${b.good}"`],
  ['with %20 behind', b => `${b.good}%20`],
  ['with NUL written out', b => `${b.good}\\u0000`],
  ['twice', b => `${b.good} ${b.good}`],
  ['twice with a comma', b => `${b.good},${b.good}`],
  ['non-ASCII bytes', b => `${b.good}\u00e9\u00ff`],
  ['emoji', () => Buffer.from('😀').toString('latin1')],
  ['8 KB', () => 'x'.repeat(8_192)],
  ['8 KB that look like a JWT', b => `${b.head}.${part('x'.repeat(6_000))}.${b.mac}`],
  ['the anon key with garbage behind', b => `${b.apiKeys.anon}x`],
  ['the anon key cut', b => b.apiKeys.anon.slice(0, -1)],
  ['the anon key in part', b => b.apiKeys.anon.split('.')[1]!],
  [
    'the anon key with the role changed',
    b => b.apiKeys.anon.replace(/\.[^.]*\./, `.${part({ role: 'service_role' })}.`),
  ],
  ['the secret itself', () => JWT_SECRET.replaceAll(' ', '_')],
]

export const wrongSignature: Case[] = [
  ['signature cut by one', b => b.good.slice(0, -1)],
  ['signature cut in half', b => b.good.slice(0, -b.mac.length / 2)],
  ['signature with more', b => `${b.good}AAAA`],
  ['signature padded', b => `${b.good}${'='.repeat(-b.mac.length & 3)}`],
  ['signature in the other alphabet', b => otherAlphabet(b)],
  ['signature in another spelling of the same bytes', b => otherSpelling(b)],
  ['signature of zeroes', b => `${b.head}.${b.payload}.${Buffer.alloc(64).toString('base64url')}`],
  ['signature as hex', b => `${b.head}.${b.payload}.${Buffer.from(b.mac, 'base64url').toString('hex')}`],
  ['signature of another token', b => `${b.head}.${b.payload}.${b.signed({ aal: 'x' }).split('.')[2]}`],
  ['payload edited', b => `${b.head}.${part({ ...b.claims, sub: randomUUID() })}.${b.mac}`],
  ['payload made service_role', b => `${b.head}.${part({ ...b.claims, role: 'service_role' })}.${b.mac}`],
  ['payload made to live', b => `${b.head}.${part({ ...b.claims, exp: now() + 9e6 })}.${b.mac}`],
  ['header edited', b => `${part({ ...b.header, typ: 'x' })}.${b.payload}.${b.mac}`],
  [
    'a foreign secret',
    b => jwt({ alg: 'HS256', typ: 'JWT' }, b.claims, 'another secret of 32 bytes or more'),
  ],
  ['an empty secret', b => jwt({ alg: 'HS256' }, b.claims, '')],
  ['service_role by a foreign secret', () => jwt({ alg: 'HS256' }, { role: 'service_role' }, 'x'.repeat(40))],
  ['a foreign key', b => jwt({ alg: 'ES256', kid: KID }, b.claims, pairs.stranger.privateKey)],
]

const noneLike = ['none', 'None', 'NONE', 'nOnE', '', null, 0, ['none'], { alg: 'none' }, undefined]
export const wrongHeader: Case[] = [
  ...noneLike.flatMap((alg): Case[] => [
    [`alg ${JSON.stringify(alg)}, no signature`, b => `${part({ alg, kid: KID })}.${b.payload}.`],
    [
      `alg ${JSON.stringify(alg)}, the signature left`,
      b => `${part({ alg, kid: KID })}.${b.payload}.${b.mac}`,
    ],
  ]),
  ...['HS384', 'HS512', 'RS384', 'PS256', 'ES384', 'EdDSA', 'hs256', 'HS256 ', 'dir', 'RSA-OAEP'].map(
    (alg): Case => [`alg ${alg}`, b => jwt({ ...b.header, alg }, b.claims, b.key)],
  ),
  ['alg twice', b => jwt(`{"alg":"${b.kind}","alg":"none"}`, b.claims, b.key)],
  ['a header that is no JSON', b => jwt('{', b.claims, b.key)],
  ['a header that is a list', b => jwt([b.header], b.claims, b.key)],
  ['a header that is null', b => jwt('null', b.claims, b.key)],
  ['crit that nobody knows', b => jwt({ ...b.header, crit: ['x'], x: 1 }, b.claims, b.key)],
  ['crit that is empty', b => jwt({ ...b.header, crit: [] }, b.claims, b.key)],
  ['crit of b64', b => jwt({ ...b.header, crit: ['b64'], b64: false }, b.claims, b.key)],
  ...Object.entries({
    jwk: pairs.stranger.publicKey.export({ format: 'jwk' }),
    jku: 'http://127.0.0.1:1/jwks.json',
    x5u: 'http://127.0.0.1:1/x5u.pem',
    x5c: ['MIIB'],
    kid: '../../dev/null',
  }).map(
    ([name, value]): Case => [
      `a key of its own in ${name}`,
      b => jwt({ alg: 'ES256', kid: KID, [name]: value }, b.claims, pairs.stranger.privateKey),
    ],
  ),
]

const claimValues: [claim: string, values: unknown[]][] = [
  ['exp', [undefined, null, 0, -1, -1e12, '9999999999', true, [9999999999], {}, 'soon']],
  ['nbf', [9999999999, '0', null, [], 1e300]],
  ['iat', ['0', null, []]],
  [
    'aud',
    [undefined, null, '', 'anon', 'Authenticated', ['authenticated'], ['authenticated', 'x'], [], {}, 1],
  ],
  [
    'iss',
    [
      undefined,
      null,
      '',
      'http://evil.test/auth/v1',
      'http://site.test/auth/v1/',
      ['http://site.test/auth/v1'],
    ],
  ],
  ['sub', [undefined, null, '', 'x', 1, '*', "' or 1=1 --", [], {}, '00000000-0000-0000-0000-00000000000g']],
  ['session_id', [undefined, null, '', 'x', 1, [], {}, '%', '../x']],
  [
    'role',
    [undefined, null, '', 'superuser', 'postgres', 'authenticator', 'auth_binder', 'none', 'Authenticated'],
  ],
  ['role', [['authenticated'], {}, 1, true, 'authenticated ', 'anon,service_role', 'authenticated\0']],
]
export const wrongClaims: Case[] = [
  ['expired just now', b => b.signed({ exp: now() })],
  ['expired long ago', b => b.signed({ exp: now() - 1e8 })],
  ['good in an hour', b => b.signed({ nbf: now() + 3600 })],
  ['exp beyond every number', b => b.raw(JSON.stringify(b.claims).replace(/"exp":\d+/, '"exp":1e400'))],
  [
    'role twice, the last one wrong',
    b => b.raw(JSON.stringify(b.claims).replace(/}$/, ',"role":"postgres"}')),
  ],
  ['claims in __proto__', b => b.raw(`{"__proto__":${JSON.stringify(b.claims)}}`)],
  ['a payload that is no JSON', b => b.raw('{')],
  ['a payload that is a list', b => b.raw(JSON.stringify([b.claims]))],
  ['a payload that is a string', b => b.raw('"x"')],
  ['a payload that is null', b => b.raw('null')],
  ['an empty payload', b => b.raw('{}')],
  ['a payload with NUL behind', b => b.raw(`${JSON.stringify(b.claims)}\0`)],
  ...claimValues.flatMap(([claim, values]) =>
    values.map((value): Case => [`${claim} ${JSON.stringify(value)}`, b => b.signed({ [claim]: value })]),
  ),
]

export const wrongTransport: Case[] = [
  ['no scheme', b => [['authorization', b.good]]],
  ['an empty header', () => [['authorization', '']]],
  ['the scheme alone', () => [['authorization', 'Bearer']]],
  ['a tab between', b => [['authorization', `Bearer\t${b.good}`]]],
  ['no space between', b => [['authorization', `Bearer${b.good}`]]],
  ['Basic', b => [['authorization', `Basic ${Buffer.from(`user:${b.good}`).toString('base64')}`]]],
  ['Basic around a token', b => [['authorization', `Basic ${b.good}`]]],
  ['Token', b => [['authorization', `Token ${b.good}`]]],
  ['Digest', b => [['authorization', `Digest token="${b.good}"`]]],
  ['Bearer twice in one', b => [['authorization', `Bearer Bearer ${b.good}`]]],
  ['two good headers', b => [...bearer(b.good), ...bearer(b.good)]],
  ['a good header, then a bad one', b => [...bearer(b.good), ...bearer('x')]],
  ['a bad header, then a good one', b => [...bearer('x'), ...bearer(b.good)]],
  [
    'the anon key, then the service-role key',
    b => [...bearer(b.apiKeys.anon), ...bearer(b.apiKeys.serviceRole)],
  ],
  ['a bad bearer beside a good apikey', b => [...bearer('x'), ['apikey', b.apiKeys.anon]]],
  ['an empty bearer beside a mighty apikey', b => [...bearer(''), ['apikey', b.apiKeys.serviceRole]]],
  ['a bad apikey', () => [['apikey', 'x']]],
  ['a cut apikey', b => [['apikey', b.apiKeys.serviceRole.slice(0, -1)]]],
  ['an apikey with Bearer', b => [['apikey', `Bearer ${b.apiKeys.anon}`]]],
  [
    'two apikeys',
    b => [
      ['apikey', b.apiKeys.anon],
      ['apikey', b.apiKeys.serviceRole],
    ],
  ],
  ['an expired user token as the apikey', b => [['apikey', b.signed({ exp: now() - 1 })]]],
]

/** Other bytes never decode to the same; another spelling of them might. */
function otherAlphabet(b: Bench): string {
  for (;;) {
    const [head, payload, mac] = b.signed({ jti: randomUUID() }).split('.')
    const other = mac!.replaceAll('-', '+').replaceAll('_', '/')
    if (other !== mac) return `${head}.${payload}.${other}`
  }
}
/** The last character of a signature has bits that decoders skip, where its length is no multiple of three. */
function otherSpelling(b: Bench): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const last = alphabet[alphabet.indexOf(b.mac.at(-1)!) ^ 1]!
  return `${b.good.slice(0, -1)}${last}`
}
