import { generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { send, signIn } from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { startProxy } from '../support/proxy.ts'
import { type Node, startNode, startSimulator, type TestSimulator } from '../support/service.ts'

// What everybody may read, whoever he is, and whatever happens to the database.

let db: TestDatabase
let simulator: TestSimulator
let node: Node

beforeAll(async () => {
  db = await createDatabase()
  simulator = await startSimulator()
  node = await startNode({ db, wechatUrl: simulator.url })
})
afterAll(async () => {
  await node.close()
  await simulator.close()
  await db.drop()
})

const get = (path: string, headers: Record<string, string> = {}, at = node) =>
  send(`${at.url}/auth/v1${path}`, { headers })
const claimsOf = (token: string) => JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString())

const pairOf = (kid: string, kty: 'EC' | 'RSA') => {
  const { privateKey } =
    kty === 'EC'
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : generateKeyPairSync('rsa', { modulusLength: 2048 })
  return { ...privateKey.export({ format: 'jwk' }), kid }
}
const PATHS = ['/.well-known/jwks.json', '/.well-known/openid-configuration', '/settings', '/health']

describe('/.well-known/openid-configuration', () => {
  const PATH = '/.well-known/openid-configuration'

  test('has what OpenID Connect Discovery 1.0 requires, under the issuer that the tokens name', async () => {
    const { status, headers, body } = await get(PATH)
    expect(status).toBe(200)
    expect(headers.get('content-type')).toBe('application/json; charset=utf-8')
    const { iss } = claimsOf((await signIn(node, simulator)).accessToken)
    expect(body).toEqual({
      issuer: iss,
      authorization_endpoint: `${iss}/wechat_mini/login`,
      token_endpoint: `${iss}/token`,
      jwks_uri: `${iss}/.well-known/jwks.json`,
      response_types_supported: ['token'],
      grant_types_supported: ['refresh_token'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['HS256'],
      token_endpoint_auth_methods_supported: ['none'],
      claims_supported: expect.any(Array),
    })
  })

  test('every claim that it names is in a token', async () => {
    const { body } = await get(PATH)
    const claims = claimsOf((await signIn(node, simulator)).accessToken)
    expect(Object.keys(claims).sort()).toEqual(body.claims_supported.toSorted())
  })

  test('every endpoint that it names is there', async () => {
    const here = await startNode({ db, wechatUrl: simulator.url, env: { SITE_URL: undefined } })
    try {
      const { body } = await get(PATH, {}, here)
      expect(body.issuer).toBe(`${here.url}/auth/v1`)
      const urls = Object.entries<string>(body).filter(([name]) => /_(endpoint|uri)$/.test(name))
      expect(urls.map(([name]) => name)).toEqual(['authorization_endpoint', 'token_endpoint', 'jwks_uri'])
      for (const [name, url] of urls) expect([name, (await send(url)).status]).not.toEqual([name, 404])
    } finally {
      await here.close()
    }
  })

  test.each<[string, object | undefined, object[], string[]]>([
    ['an EC key', pairOf('a', 'EC'), [], ['ES256']],
    ['an RSA key', pairOf('a', 'RSA'), [], ['RS256']],
    ['a new one of another type', pairOf('a', 'EC'), [pairOf('b', 'RSA')], ['ES256', 'RS256']],
    ['two of a type', pairOf('a', 'EC'), [pairOf('b', 'EC')], ['ES256']],
    ['the secret again, after a key', undefined, [pairOf('b', 'EC')], ['HS256', 'ES256']],
    ['a former secret', pairOf('a', 'EC'), [{ kty: 'oct', kid: 'c', k: 'A'.repeat(43) }], ['ES256']],
  ])('names the algorithms: %s', async (_name, signing, verification, algorithms) => {
    const env = {
      ...(signing && { JWT_SIGNING_KEY: JSON.stringify(signing) }),
      JWT_VERIFICATION_KEYS: JSON.stringify(verification),
    }
    const other = await startNode({ db, wechatUrl: simulator.url, env })
    try {
      const { body } = await get(PATH, {}, other)
      expect(body.id_token_signing_alg_values_supported).toEqual(algorithms)
    } finally {
      await other.close()
    }
  })
})

test('/.well-known/jwks.json has every key that is no secret, and nothing private', async () => {
  const [signing, verifying] = [pairOf('a', 'EC'), pairOf('b', 'RSA')] as Record<string, string>[]
  const oct = { kty: 'oct', kid: 'c', k: Buffer.alloc(32, 'x').toString('base64url') }
  const env = {
    JWT_SIGNING_KEY: JSON.stringify(signing),
    JWT_VERIFICATION_KEYS: JSON.stringify([oct, verifying]),
  }
  const other = await startNode({ db, wechatUrl: simulator.url, env })
  try {
    const { crv, x, y } = signing!
    const { n, e } = verifying!
    expect((await get('/.well-known/jwks.json', {}, other)).body).toEqual({
      keys: [
        { kty: 'EC', crv, x, y, kid: 'a', alg: 'ES256', use: 'sig' },
        { kty: 'RSA', n, e, kid: 'b', alg: 'RS256', use: 'sig' },
      ],
    })
  } finally {
    await other.close()
  }
})

test('/settings: WeChat and nothing else, in the shape of GoTrue', async () => {
  const { status, body } = await get('/settings')
  const { external, ...rest } = body
  expect(status).toBe(200)
  expect(rest).toEqual({
    disable_signup: false,
    mailer_autoconfirm: false,
    phone_autoconfirm: false,
    sms_provider: '',
    mfa_enabled: false,
    saml_enabled: false,
    saml_private_key_next_configured: false,
    passkeys_enabled: false,
  })
  expect(Object.keys(external)).toEqual(expect.arrayContaining(['anonymous_users', 'email', 'phone', 'zoom']))
  expect(Object.keys(external).filter(name => external[name] !== false)).toEqual(['wechat_mini'])
  expect(external.wechat_mini).toBe(true)
})

test('/health: name and version', async () => {
  const { version, name } = JSON.parse(readFileSync('package.json', 'utf8'))
  expect((await get('/health')).body).toEqual({ version, name, description: expect.stringMatching(/WeChat/) })
})

describe.each(PATHS)('%s', path => {
  test('whoever asks, and with whatever: nobody is asked who he is', async () => {
    const { body } = await get(path)
    const user = await signIn(node, simulator)
    await send(`${node.url}/auth/v1/logout`, { method: 'POST', token: user.accessToken })
    for (const headers of [
      { authorization: `Bearer ${node.services.apiKeys.anon}` },
      { authorization: `Bearer ${user.accessToken}` },
      { authorization: 'Bearer nonsense' },
      { authorization: 'nonsense' },
      { apikey: 'nonsense' },
      { 'x-wechat-appid': 'nonsense' },
    ] as Record<string, string>[])
      expect(await get(path, headers)).toMatchObject({ status: 200, body })
  })

  test('may be kept for ten minutes, if it is about keys', async () => {
    const { headers } = await get(path)
    expect(headers.get('cache-control')).toBe(
      path.startsWith('/.well-known/') ? 'public, max-age=600' : 'no-store',
    )
  })

  test.each(['POST', 'PUT', 'DELETE', 'OPTIONS'])('%s: 405', async method => {
    const { status, headers, body } = await send(`${node.url}/auth/v1${path}`, { method })
    expect([status, headers.get('allow'), body.error_code]).toEqual([405, 'GET', 'validation_failed'])
    expect(headers.get('cache-control')).toBe('no-store')
  })
})

test('all that needs no database', async () => {
  const proxy = await startProxy(db.webUrl)
  const cut = await startNode({ db: { ...db, webUrl: proxy.url }, wechatUrl: simulator.url })
  try {
    proxy.cut()
    for (const path of PATHS) expect([path, (await get(path, {}, cut)).status]).toEqual([path, 200])
  } finally {
    await cut.close()
    await proxy.close()
  }
})
