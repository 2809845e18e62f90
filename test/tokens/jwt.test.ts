import { createPublicKey, randomUUID } from 'node:crypto'
import { jest } from '@jest/globals'
import { exportJWK, generateKeyPair, importJWK, type JWK, type JWTPayload, jwtVerify, SignJWT } from 'jose'
import { AppError } from '../../src/errors.ts'
import { createTokens, makeApiKey, type TokenOptions, type Tokens } from '../../src/tokens/jwt.ts'
import { everythingOf } from '../support/errors.ts'

const JWT_SECRET = 'a secret of the tests, 32 bytes or more'
const ISSUER = 'http://site.test/auth/v1'
const bytes = (text: string) => new TextEncoder().encode(text)
const secretKey = bytes(JWT_SECRET)
const now = () => Math.floor(Date.now() / 1000)

type SigningKey = NonNullable<TokenOptions['signingKey']>
const keys = {} as Record<'ES256' | 'RS256' | 'other ES256' | 'other RS256', SigningKey>
let base: Omit<TokenOptions, 'signingKey'>

beforeAll(async () => {
  for (const name of ['ES256', 'RS256', 'other ES256', 'other RS256'] as const) {
    const { privateKey } = await generateKeyPair(name.slice(-5), { extractable: true })
    keys[name] = { ...(await exportJWK(privateKey)), kid: `key-${name.slice(-5)}` } as SigningKey
  }
  base = {
    secret: JWT_SECRET,
    verificationKeys: [],
    issuer: ISSUER,
    expiry: 3600,
    anonKey: await makeApiKey(JWT_SECRET, 'anon'),
    serviceRoleKey: await makeApiKey(JWT_SECRET, 'service_role'),
  }
})

const kinds = ['HS256', 'ES256', 'RS256'] as const
type Kind = (typeof kinds)[number]
const make = (kind: Kind, more: Partial<TokenOptions> = {}): Promise<Tokens> =>
  createTokens({ ...base, signingKey: kind === 'HS256' ? undefined : keys[kind], ...more })

const user = { sub: randomUUID(), session_id: randomUUID(), role: 'authenticated' }
/** The claims of a good token; `undefined` in `more` removes one. */
const good = (more: object = {}): JWTPayload =>
  JSON.parse(JSON.stringify({ ...user, iss: ISSUER, aud: 'authenticated', exp: now() + 60, ...more }))

/** Signs as an attacker, or another service, might: any header, any claims, any key. */
async function forge(kind: Kind, claims: object, header: object = {}, key?: SigningKey | string) {
  const jwk = kind === 'HS256' ? undefined : ((key as SigningKey | undefined) ?? keys[kind])
  return new SignJWT(claims as JWTPayload)
    .setProtectedHeader({ alg: kind, ...(jwk && { kid: jwk.kid }), ...header })
    .sign(jwk ? await importJWK(jwk, kind) : typeof key === 'string' ? bytes(key) : secretKey)
}

const refused = async (tokens: Tokens, token: string) => {
  const error = await tokens.verify(token).then(
    caller => caller,
    (error: unknown) => error,
  )
  expect(error).toBeInstanceOf(AppError)
  // Why is kept, for whoever debugs; the caller is not told.
  expect(error).toMatchObject({ code: 'bad_jwt', status: 403, cause: expect.any(Error) })
  return error as AppError
}

/** `seconds` since 1970: what every clock of this process says meanwhile. */
async function atTime(seconds: number, work: () => Promise<unknown>) {
  jest.useFakeTimers({
    now: seconds * 1000,
    doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate', 'setTimeout'],
  })
  try {
    await work()
  } finally {
    jest.useRealTimers()
  }
}

const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
/** Ends in another character where the last one has bits to spare. */
const sameBytes = (part: string) => {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const spellings = [...alphabet].map(last => part.slice(0, -1) + last)
  const bytes = Buffer.from(part, 'base64url')
  return spellings.find(text => text !== part && Buffer.from(text, 'base64url').equals(bytes)) ?? part
}
const decode = (token: string, index: number) =>
  JSON.parse(Buffer.from(token.split('.')[index]!, 'base64url').toString())

describe.each(kinds)('%s', kind => {
  let tokens: Tokens
  beforeAll(async () => {
    tokens = await make(kind)
  })

  test('what was signed is verified, claims included', async () => {
    const at = now()
    const token = await tokens.sign({ ...user, phone: '+8613800138000', app_metadata: { a: [1] } }, at)
    const claims = {
      ...user,
      phone: '+8613800138000',
      app_metadata: { a: [1] },
      iss: ISSUER,
      aud: 'authenticated',
      iat: at,
      exp: at + 3600,
    }
    expect(await tokens.verify(token)).toEqual({
      role: 'authenticated',
      sessionId: user.session_id,
      claims,
    })
    expect(decode(token, 1)).toEqual(claims)
    expect(decode(token, 0)).toEqual({
      alg: kind,
      typ: 'JWT',
      ...(kind !== 'HS256' && { kid: keys[kind].kid }),
    })
  })

  test('a token that was verified before ends all the same', async () => {
    const token = await forge(kind, good())
    const first = await tokens.verify(token)
    expect(await tokens.verify(token)).toBe(first)
    await atTime(now() + 59, async () => expect(await tokens.verify(token)).toBe(first))
    await atTime(now() + 60, () => refused(tokens, token))
  })

  test('claims cannot name another issuer, audience or end', async () => {
    const at = now()
    const token = await tokens.sign({ ...user, iss: 'x', aud: 'x', exp: 1, iat: 1 }, at)
    expect(decode(token, 1)).toMatchObject({ iss: ISSUER, aud: 'authenticated', iat: at, exp: at + 3600 })
  })

  test('a token may end earlier than others, if whoever signs it says so', async () => {
    const at = now()
    const token = await tokens.sign({ ...user, exp: 1 }, at, at + 5)
    expect(decode(token, 1)).toMatchObject({ iat: at, exp: at + 5 })
    expect(await tokens.verify(token)).toMatchObject({ role: 'authenticated' })
    await refused(tokens, await tokens.sign(user, at, at - 1))
  })

  test('a token as others make it, with the same claims, is good', async () => {
    expect(await tokens.verify(await forge(kind, good()))).toMatchObject({ role: 'authenticated' })
  })

  test.each<[string, () => object]>([
    ['expired', () => ({ exp: now() - 1 })],
    ['expired just now', () => ({ exp: now() })],
    ['nbf in the future', () => ({ nbf: now() + 60 })],
    ['no exp', () => ({ exp: undefined })],
    ['exp in a string', () => ({ exp: String(now() + 60) })],
    ['exp null', () => ({ exp: null })],
    ['another audience', () => ({ aud: 'anon' })],
    ['no audience', () => ({ aud: undefined })],
    ['several audiences', () => ({ aud: ['authenticated', 'x'] })],
    ['another issuer', () => ({ iss: 'http://other.test/auth/v1' })],
    ['an issuer that is nearly ours', () => ({ iss: `${ISSUER}/` })],
    ['no issuer', () => ({ iss: undefined })],
    ['no sub', () => ({ sub: undefined })],
    ['sub that is no uuid', () => ({ sub: '1' })],
    ['sub that is a number', () => ({ sub: 1 })],
    ['sub with something behind', () => ({ sub: `${user.sub}'` })],
    ['no session_id', () => ({ session_id: undefined })],
    ['session_id null', () => ({ session_id: null })],
    ['session_id that is no uuid', () => ({ session_id: 'x' })],
    ['session_id in a list', () => ({ session_id: [user.session_id] })],
    ['no role', () => ({ role: undefined })],
    ['another role', () => ({ role: 'postgres' })],
    ['role in other letters', () => ({ role: 'Authenticated' })],
    ['roles in a list', () => ({ role: ['authenticated'] })],
  ])('%s: bad_jwt', async (_name, more) => {
    await refused(tokens, await forge(kind, good(more())))
  })

  test('alg none: bad_jwt', async () => {
    for (const alg of ['none', 'None', 'NONE', '']) {
      await refused(tokens, `${part({ alg, typ: 'JWT' })}.${part(good())}.`)
      await refused(tokens, `${part({ alg, kid: 'key-ES256' })}.${part(good({ role: 'service_role' }))}.`)
    }
  })

  test('no signature, a foreign one, an edited payload or header: bad_jwt', async () => {
    const [header, payload, signature] = (await tokens.sign(user, now())).split('.') as [
      string,
      string,
      string,
    ]
    const [, , another] = (await tokens.sign({ ...user, sub: randomUUID() }, now())).split('.')
    for (const token of [
      `${header}.${payload}.`,
      `${header}.${payload}`,
      `${header}.${payload}.${another}`,
      `${header}.${payload}.${signature.slice(0, -4)}`,
      `${header}.${part(good({ sub: randomUUID() }))}.${signature}`,
      `${header}.${part(good({ role: 'service_role' }))}.${signature}`,
      `${part({ ...decode(`${header}.`, 0), typ: 'at+jwt' })}.${payload}.${signature}`,
      `${header}.${payload}.${signature}.`,
      `${header}..${signature}`,
      `.${payload}.${signature}`,
      '..',
      '',
      'nonsense',
      `${part([])}.${payload}.${signature}`,
      `${part(null)}.${payload}.${signature}`,
    ])
      await refused(tokens, token)
  })

  test('every other signature byte: bad_jwt', async () => {
    const token = await tokens.sign(user, now())
    const [header, payload, signature] = token.split('.') as [string, string, string]
    const mac = Buffer.from(signature, 'base64url')
    for (let index = 0; index < mac.length; index += 1) {
      const forged = Buffer.from(mac)
      forged[index]! ^= 1
      await refused(tokens, `${header}.${payload}.${forged.toString('base64url')}`)
    }
  })

  test('keys that a token brings or points to are not used: bad_jwt', async () => {
    for (const stranger of ['other ES256', 'other RS256'] as const) {
      const alg = stranger.slice(-5) as Kind
      const { d, p, q, dp, dq, qi, ...jwk } = keys[stranger] as SigningKey & Record<string, unknown>
      for (const header of [
        { jwk: jwk as JWK },
        { jku: 'http://127.0.0.1:1/jwks.json' },
        { x5u: 'http://127.0.0.1:1/x5u.pem' },
        { x5c: ['MIIB'] },
        { kid: '../../etc/passwd' },
        { kid: "' or 1=1 --" },
        {},
      ])
        await refused(tokens, await forge(alg, good(), header, keys[stranger]))
    }
  })

  test('a good token with such headers is judged by our own key alone', async () => {
    const { d, p, q, dp, dq, qi, ...jwk } = keys['other ES256'] as SigningKey & Record<string, unknown>
    const header = { jwk: jwk as JWK, jku: 'http://127.0.0.1:1/jwks.json' }
    expect(await tokens.verify(await forge(kind, good(), header))).toMatchObject({ role: 'authenticated' })
  })

  test('headers that must be understood and are not: bad_jwt', async () => {
    const [, payload, signature] = (await tokens.sign(user, now())).split('.')
    await refused(
      tokens,
      `${part({ alg: kind, kid: `key-${kind}`, crit: ['exp'], exp: 1 })}.${payload}.${signature}`,
    )
    await refused(
      tokens,
      `${part({ alg: kind, kid: `key-${kind}`, crit: ['b64'], b64: false })}.${payload}.${signature}`,
    )
  })

  test('a foreign secret: bad_jwt', async () => {
    for (const secret of [`${JWT_SECRET} `, JWT_SECRET.slice(0, -1), 'another secret of 32 bytes or more!'])
      for (const claims of [good(), { role: 'service_role' }])
        await refused(tokens, await forge('HS256', claims, {}, secret))
  })

  test.each(['HS384', 'HS512'])('our secret by %s: bad_jwt', async alg => {
    const key = bytes(JWT_SECRET.repeat(2))
    const error = await refused(tokens, await new SignJWT(good()).setProtectedHeader({ alg }).sign(key))
    // Refused for its algorithm: no key is even looked for.
    expect(error.cause).toMatchObject({ code: 'ERR_JOSE_ALG_NOT_ALLOWED' })
  })

  test('another spelling of a good token: bad_jwt', async () => {
    // Of so many claims some part ends in spare bits, and the last character can be another without a change of bytes.
    for (const phone of ['', '1', '12']) {
      const parts = (await tokens.sign({ ...user, phone }, now())).split('.')
      for (const [index, part] of parts.entries())
        for (const spelling of [`${part}=`, `${part}==`, sameBytes(part)].filter(text => text !== part)) {
          const error = await refused(tokens, parts.with(index, spelling).join('.'))
          expect(error.cause).toMatchObject({ message: 'Another spelling of a token' })
        }
    }
  })

  describe('API keys', () => {
    test.each(['anon', 'service_role'] as const)('%s, as a JWT by the secret', async role => {
      expect(await tokens.verify(await makeApiKey(JWT_SECRET, role))).toEqual({ role })
      // No audience, issuer, end or session is asked for: Supabase's keys have others.
      expect(await tokens.verify(await forge('HS256', { role, iss: 'supabase', aud: 'x' }))).toEqual({ role })
    })

    test('as every node makes it, without an end: it is built into programs', async () => {
      const key = await makeApiKey(JWT_SECRET, 'anon')
      expect(await makeApiKey(JWT_SECRET, 'anon')).toBe(key)
      expect(decode(key, 0)).toEqual({ alg: 'HS256', typ: 'JWT' })
      expect(decode(key, 1)).toEqual({ role: 'anon', iss: 'postgraphile-wechat' })
    })

    test('as opaque strings', async () => {
      const opaque = await make(kind, { anonKey: 'sb_publishable_x', serviceRoleKey: 'sb_secret_y' })
      expect(await opaque.verify('sb_publishable_x')).toEqual({ role: 'anon' })
      expect(await opaque.verify('sb_secret_y')).toEqual({ role: 'service_role' })
      expect(await opaque.verify(base.serviceRoleKey)).toEqual({ role: 'service_role' })
      for (const near of ['sb_secret_', 'sb_secret_y ', 'sb_secret_yy', 'SB_SECRET_Y', 'sb_publishable_y'])
        await refused(opaque, near)
    })

    test('expired: bad_jwt', async () => {
      await refused(tokens, await forge('HS256', { role: 'service_role', exp: now() - 1 }))
    })

    test('by a foreign secret: bad_jwt', async () => {
      await refused(tokens, await makeApiKey('another secret of 32 bytes or more!', 'service_role'))
    })

    test.each(['', 'postgres', 'authenticator', 'SERVICE_ROLE', 'authenticated'])(
      'of role %j alone: bad_jwt',
      async role => {
        await refused(tokens, await forge('HS256', { role }))
      },
    )
  })

  test('a refusal tells neither the token nor what is in it', async () => {
    const token = await forge(kind, good({ phone: '+8613800138000', exp: now() - 1 }))
    const error = await refused(tokens, token)
    expect(error.message).toBe('This access token is not valid. Sign in again.')
    const [, payload, signature] = token.split('.')
    for (const secret of [payload!, signature!]) expect(everythingOf(error)).not.toContain(secret)
  })
})

describe.each(['ES256', 'RS256'] as const)('with a signing key, %s', kind => {
  let tokens: Tokens
  beforeAll(async () => {
    tokens = await make(kind)
  })

  test('a user token by the secret, issued before, stays valid', async () => {
    const before = await (await make('HS256')).sign(user, now())
    expect(await tokens.verify(before)).toMatchObject({
      role: 'authenticated',
      sessionId: user.session_id,
    })
  })

  test('the public key is no secret: HS256 signed with it is refused', async () => {
    const [jwk] = tokens.jwks.keys as [JWK]
    const publicKey = createPublicKey({ key: jwk as object, format: 'jwk' } as never)
    const secrets = [
      publicKey.export({ type: 'spki', format: 'pem' }) as string,
      (publicKey.export({ type: 'spki', format: 'pem' }) as string).trim(),
      (publicKey.export({ type: 'spki', format: 'der' }) as Buffer).toString('latin1'),
      JSON.stringify(jwk),
      String(jwk.n ?? jwk.x),
    ]
    for (const secret of secrets)
      for (const header of [{}, { kid: keys[kind].kid }])
        await refused(tokens, await forge('HS256', good(), header, secret))
  })

  test('API keys are not made with it', async () => {
    for (const role of ['anon', 'service_role'])
      await refused(tokens, await forge(kind, good({ role, sub: user.sub })))
  })

  test('another kid, no kid, another algorithm, another key of that name: bad_jwt', async () => {
    const other = kind === 'ES256' ? 'RS256' : 'ES256'
    const unknown = await refused(tokens, await forge(kind, good(), { kid: 'key-of-yesterday' }))
    expect(unknown.cause).toMatchObject({ message: 'No such key' })
    await refused(tokens, await forge(kind, good(), { kid: undefined }))
    await refused(tokens, await forge(other, good()))
    await refused(tokens, await forge(other, good(), { kid: keys[kind].kid }))
    await refused(tokens, await forge(kind, good(), {}, keys[`other ${kind}`]))
  })

  test('the JWKS verifies what was signed, elsewhere', async () => {
    const [jwk] = tokens.jwks.keys as [JWK]
    const token = await tokens.sign(user, now())
    const { payload } = await jwtVerify(token, await importJWK(jwk, kind), {
      issuer: ISSUER,
      audience: 'authenticated',
    })
    expect(payload.sub).toBe(user.sub)
  })

  test('the JWKS has nothing private in it, whatever the key file holds', async () => {
    const signingKey = { ...keys[kind], key_ops: ['sign'], use: 'sig', note: 'hidden', backup: keys[kind].d }
    const { jwks } = await make(kind, { signingKey: signingKey as SigningKey })
    const members = kind === 'ES256' ? ['crv', 'x', 'y'] : ['e', 'n']
    expect(jwks.keys).toHaveLength(1)
    expect(Object.keys(jwks.keys[0]!).sort()).toEqual(['alg', 'kid', 'kty', 'use', ...members].sort())
    expect(jwks.keys[0]).toMatchObject({ alg: kind, kid: keys[kind].kid, use: 'sig' })
    expect(JSON.stringify(jwks)).not.toContain(keys[kind].d)
  })
})

test('without a signing key there is no key to publish, and no asymmetric token is good', async () => {
  const tokens = await make('HS256')
  expect(tokens.jwks).toEqual({ keys: [] })
  await refused(tokens, await forge('ES256', good()))
  await refused(tokens, await forge('RS256', good()))
})

describe('several keys', () => {
  const FORMER = 'a secret of last year, 32 bytes or more'
  const OLDEST = 'a secret of long ago, 32 bytes or more!'
  const oct = (secret: string, kid: string) => ({
    kty: 'oct' as const,
    k: Buffer.from(secret).toString('base64url'),
    kid,
  })
  const publicOf = ({ kty, kid, crv, x, y, n, e }: SigningKey) =>
    JSON.parse(JSON.stringify({ kty, kid, crv, x, y, n, e })) as SigningKey
  let tokens: Tokens
  beforeAll(async () => {
    const former = [oct(FORMER, 'former'), oct(OLDEST, 'oldest')]
    const others = [{ ...keys['other ES256'], kid: 'old' }, publicOf(keys.RS256)]
    tokens = await make('ES256', { verificationKeys: [others[0]!, former[0]!, others[1]!, former[1]!] })
  })

  test('the first one signs; all are published in public form, and no secret is', async () => {
    expect(decode(await tokens.sign(user, now()), 0)).toEqual({ alg: 'ES256', kid: 'key-ES256', typ: 'JWT' })
    expect(tokens.jwks.keys).toEqual([
      { ...publicOf(keys.ES256), alg: 'ES256', use: 'sig' },
      { ...publicOf({ ...keys['other ES256'], kid: 'old' }), alg: 'ES256', use: 'sig' },
      { ...publicOf(keys.RS256), alg: 'RS256', use: 'sig' },
    ])
    const published = JSON.stringify(tokens.jwks)
    for (const value of [keys.ES256.d, keys['other ES256'].d, 'oct', oct(FORMER, 'former').k])
      expect(published).not.toContain(value)
    expect(tokens.algorithms).toEqual(['ES256', 'RS256'])
  })

  test.each<[string, () => Promise<string>]>([
    ['the signing key', () => forge('ES256', good())],
    ['a verification key', () => forge('ES256', good(), { kid: 'old' }, keys['other ES256'])],
    ['a verification key of another type', () => forge('RS256', good())],
    ['the secret', () => forge('HS256', good())],
    ['a former secret', () => forge('HS256', good(), {}, FORMER)],
    ['the oldest secret', () => forge('HS256', good(), {}, OLDEST)],
    ['a former secret, by its kid', () => forge('HS256', good(), { kid: 'oldest' }, OLDEST)],
    ['the secret, by a kid of its own', () => forge('HS256', good(), { kid: 'mine' })],
  ])('a user token by %s is good', async (_name, forged) => {
    expect(await tokens.verify(await forged())).toMatchObject({ role: 'authenticated' })
  })

  test.each<[string, () => Promise<string>]>([
    ['the key of one kid under another', () => forge('ES256', good(), { kid: 'old' })],
    ['the EC key under the kid of RSA', () => forge('ES256', good(), { kid: 'key-RS256' })],
    ['the RSA key under the kid of EC', () => forge('RS256', good(), { kid: 'key-ES256' })],
    ['a foreign RSA key', () => forge('RS256', good(), {}, keys['other RS256'])],
    ['a secret under the kid of EC', () => forge('HS256', good(), { kid: 'key-ES256' })],
    ['a secret under the kid of RSA', () => forge('HS256', good(), { kid: 'key-RS256' })],
    ['the secret under the kid of a former one', () => forge('HS256', good(), { kid: 'former' })],
    ['a former secret under the kid of another', () => forge('HS256', good(), { kid: 'oldest' }, FORMER)],
    ['the EC key under the kid of a former secret', () => forge('ES256', good(), { kid: 'former' })],
    ['no secret of ours', () => forge('HS256', good(), {}, 'no secret of ours, 32 bytes or more')],
    ['a former secret, expired', () => forge('HS256', good({ exp: now() - 1 }), {}, FORMER)],
  ])('a user token by %s: bad_jwt', async (_name, forged) => {
    await refused(tokens, await forged())
  })

  test('what is wrong with a token is kept of the key that signed it, not of the last one tried', async () => {
    for (const secret of [JWT_SECRET, FORMER]) {
      const error = await refused(tokens, await forge('HS256', good({ exp: now() - 1 }), {}, secret))
      expect(error.cause).toMatchObject({ code: 'ERR_JWT_EXPIRED' })
    }
  })

  test.each(['anon', 'service_role'] as const)('a former secret makes no API keys: %s', async role => {
    for (const secret of [FORMER, OLDEST]) {
      await refused(tokens, await makeApiKey(secret, role))
      await refused(tokens, await forge('HS256', good({ role }), {}, secret))
      await refused(tokens, await forge('HS256', { role }, { kid: 'former' }, secret))
    }
  })

  test('an API key of a former secret is one as long as it is named', async () => {
    const anonKey = await makeApiKey(FORMER, 'anon')
    const named = await make('HS256', { anonKey, verificationKeys: [oct(FORMER, 'former')] })
    expect(await named.verify(anonKey)).toEqual({ role: 'anon' })
    expect(await named.verify(await makeApiKey(JWT_SECRET, 'anon'))).toEqual({ role: 'anon' })
  })

  test('without a signing key the secret signs, and the others verify', async () => {
    const back = await make('HS256', { verificationKeys: [keys.ES256, oct(FORMER, 'former')] })
    expect(decode(await back.sign(user, now()), 0)).toEqual({ alg: 'HS256', typ: 'JWT' })
    for (const token of [await forge('ES256', good()), await forge('HS256', good(), {}, FORMER)])
      expect(await back.verify(token)).toMatchObject({ role: 'authenticated' })
    expect(back.jwks.keys.map(({ kid }) => kid)).toEqual(['key-ES256'])
    expect(back.algorithms).toEqual(['HS256', 'ES256'])
  })
})
