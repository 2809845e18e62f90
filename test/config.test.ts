import { generateKeyPairSync } from 'node:crypto'
import { ConfigError, type Env, EXIT_CONFIG, parseConfig, parseWorkerConfig } from '../src/config.ts'
import { SIMULATOR_APP_ID, SIMULATOR_APP_SECRET } from '../src/simulator/index.ts'

const SECRET = 'a secret of exactly 32 bytes ...'
const APP = 'wx00000000000000aa'
const OTHER = 'wx00000000000000bb'
const DATABASE_URL = 'postgres://authenticator@db.test/app'

const pairOf = (keys: { privateKey: { export(options: { format: 'jwk' }): object } }) =>
  keys.privateKey.export({ format: 'jwk' }) as Record<string, string>
const EC = pairOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }))
const RSA = pairOf(generateKeyPairSync('rsa', { modulusLength: 2048 }))
const OCT = { kty: 'oct', k: Buffer.from(SECRET).toString('base64url') }

/** What an own database needs, and nothing else. */
const external: Env = { DATABASE_URL, JWT_SECRET: SECRET }
const production: Env = {
  ...external,
  NODE_ENV: 'production',
  SITE_URL: 'https://site.test',
  WECHAT_APP_ID: APP,
  WECHAT_APP_SECRET: 'the-secret-of-the-app',
}

function faultsOf(env: Env, generated?: Env): string[] {
  try {
    parseConfig(env, generated)
  } catch (error) {
    if (error instanceof ConfigError) return error.faults
    throw error
  }
  return []
}

test('defaults', () => {
  expect(parseConfig(external)).toMatchObject({
    production: false,
    embedded: false,
    host: '127.0.0.1',
    port: 5678,
    databaseUrl: DATABASE_URL,
    databaseOwnerUrl: undefined,
    dataDir: '.data',
    wechat: {
      apps: { [SIMULATOR_APP_ID]: SIMULATOR_APP_SECRET },
      defaultAppid: SIMULATOR_APP_ID,
      apiUrl: undefined,
      sendOpenid: false,
      tokenKind: 'stable',
    },
    push: undefined,
    jwt: {
      secret: SECRET,
      signingKey: undefined,
      verificationKeys: [],
      expiry: 3600,
      anonKey: undefined,
      serviceRoleKey: undefined,
    },
    siteUrl: undefined,
    corsOrigins: [],
    phoneFormat: 'wechat',
    graphiql: true,
    logLevel: 'info',
  })
})

test.each<[string, Env, boolean]>([
  ['with the embedded database', {}, true],
  ['with the embedded database, forbidden', { WEBHOOK_ALLOW_PRIVATE: 'false' }, false],
  ['with another', external, false],
  ['with another, allowed', { ...external, WEBHOOK_ALLOW_PRIVATE: 'true' }, true],
  ['in production', production, false],
])('webhooks to private addresses %s', (_what, env, isAllowed) => {
  expect(parseConfig(env).webhookAllowPrivate).toBe(isAllowed)
})

test('the worker is told whether webhooks may lead to private addresses', () => {
  const owner = { DATABASE_OWNER_URL: 'postgres://owner@db.test/app' }
  expect(parseWorkerConfig(owner).webhookAllowPrivate).toBe(false)
  expect(parseWorkerConfig({ ...owner, WEBHOOK_ALLOW_PRIVATE: 'true' }).webhookAllowPrivate).toBe(true)
  expect(() => parseWorkerConfig({ ...owner, WEBHOOK_ALLOW_PRIVATE: 'yes' })).toThrow(
    'WEBHOOK_ALLOW_PRIVATE is neither true nor false',
  )
})

test('what is set is taken', () => {
  const config = parseConfig({
    ...production,
    HOST: '0.0.0.0',
    PORT: '0',
    DATABASE_OWNER_URL: 'postgresql://owner@db.test/app',
    WECHAT_API_URL: 'http://wechat.test/',
    WECHAT_SEND_OPENID: 'true',
    WECHAT_PUSH_TOKEN: 'AAAAA',
    WECHAT_PUSH_AES_KEY: 'a'.repeat(43),
    WECHAT_TOKEN_KIND: 'legacy',
    WECHAT_TIMEOUT_MS: '100',
    WECHAT_CONNECT_TIMEOUT_MS: '50',
    WECHAT_MONTHLY_BUDGET: '49.50',
    JWT_EXPIRY: '600',
    ANON_KEY: 'an-anon-key',
    SERVICE_ROLE_KEY: 'a-service-role-key',
    SITE_URL: 'https://site.test//',
    PHONE_FORMAT: 'e164',
    RATE_LIMITS: 'off',
    TRUSTED_PROXIES: '2',
    GRAPHIQL: 'true',
    LOG_LEVEL: 'silent',
  })
  expect(config).toMatchObject({
    production: true,
    embedded: false,
    host: '0.0.0.0',
    port: 0,
    databaseOwnerUrl: 'postgresql://owner@db.test/app',
    wechat: {
      apps: { [APP]: 'the-secret-of-the-app' },
      defaultAppid: APP,
      apiUrl: 'http://wechat.test',
      sendOpenid: true,
      tokenKind: 'legacy',
      timeoutMs: 100,
      connectTimeoutMs: 50,
      monthlyBudget: 49.5,
    },
    push: { token: 'AAAAA', aesKey: Buffer.from(`${'a'.repeat(43)}=`, 'base64') },
    jwt: { expiry: 600, anonKey: 'an-anon-key', serviceRoleKey: 'a-service-role-key' },
    siteUrl: 'https://site.test',
    rateLimits: false,
    trustedProxies: 2,
    phoneFormat: 'e164',
    graphiql: true,
    logLevel: 'silent',
  })
})

test('what is kept how long, for the worker and for all in one process', () => {
  const env = { RETENTION_LEDGER: 'forever', RETENTION_AUDIT: '1', RETENTION_TOMBSTONES: '36500' }
  const retention = { ledger: null, audit: 1, phoneHistory: 365, events: 30, tombstones: 36_500 }
  expect(parseConfig({ ...external, ...env })).toMatchObject({ retention })
  const owner = { DATABASE_OWNER_URL: 'postgres://owner@db.test/app' }
  expect(parseWorkerConfig({ ...owner, ...env })).toMatchObject({ retention })
  expect(parseWorkerConfig(owner)).toMatchObject({
    retention: { ledger: 7, audit: 365, phoneHistory: 365, events: 30, tombstones: null },
  })
  expect(() => parseWorkerConfig({ ...owner, RETENTION_AUDIT: 'x' })).toThrow('RETENTION_AUDIT is neither')
})

test('rate limits are on by default, but for the embedded database', () => {
  expect(parseConfig(production)).toMatchObject({ rateLimits: true, trustedProxies: 0 })
  expect(parseConfig({ ...production, RATE_LIMITS: 'off' }).rateLimits).toBe(false)
  expect(parseConfig({}, {}).rateLimits).toBe(false)
  expect(parseConfig({ RATE_LIMITS: 'on' }, {}).rateLimits).toBe(true)
})

test('all faults are told together, ill-formed values beside missing ones', () => {
  const env = {
    ...production,
    DATABASE_URL: 'mysql://x',
    SITE_URL: undefined,
    WECHAT_APP_SECRET: undefined,
    PORT: 'x',
    JWT_SECRET: 'short',
    JWT_EXPIRY: '1',
    ANON_KEY: 'same',
    SERVICE_ROLE_KEY: 'same',
    WECHAT_APPS: '{',
    PHONE_FORMAT: 'dots',
  }
  const faults = faultsOf(env)
  expect(faults.map(fault => fault.split(' ')[0]).sort()).toEqual([
    'DATABASE_URL',
    'JWT_EXPIRY',
    'JWT_SECRET',
    'PHONE_FORMAT',
    'PORT',
    'SERVICE_ROLE_KEY',
    'SITE_URL',
    'WECHAT_APPS',
    'WECHAT_APP_SECRET',
  ])
  expect(() => parseConfig(env)).toThrow(faults.map(fault => `  - ${fault}`).join('\n'))
  expect(EXIT_CONFIG).toBe(78)
})

test.each<[env: Env, faults: string[]]>([
  [{ PORT: 'x' }, ['PORT is not a port number']],
  [{ PORT: '65536' }, ['PORT is not a port number']],
  [{ PORT: '-1' }, ['PORT is not a port number']],
  [{ PORT: '1.5' }, ['PORT is not a port number']],
  [{ DATABASE_URL: 'db.test' }, ['DATABASE_URL is not a postgres:// URL']],
  [{ DATABASE_OWNER_URL: 'http://db.test' }, ['DATABASE_OWNER_URL is not a postgres:// URL']],
  [{ JWT_SECRET: SECRET.slice(1) }, ['JWT_SECRET is shorter than 32 bytes']],
  [{ JWT_EXPIRY: '299' }, ['JWT_EXPIRY is less than 300 seconds, which existing clients cannot follow']],
  [{ JWT_EXPIRY: '1h' }, ['JWT_EXPIRY is not a number of seconds']],
  [{ JWT_EXPIRY: '300.5' }, ['JWT_EXPIRY is not a whole number']],
  [
    { SESSION_TIMEBOX: '299' },
    ['SESSION_TIMEBOX is less than 300 seconds, the least that an access token lives'],
  ],
  [{ SESSION_TIMEBOX: '1 day' }, ['SESSION_TIMEBOX is not a number of seconds']],
  [{ SESSION_INACTIVITY_TIMEOUT: '1e12' }, ['SESSION_INACTIVITY_TIMEOUT is more than 68 years']],
  [
    { SESSION_INACTIVITY_TIMEOUT: '3599' },
    [
      'SESSION_INACTIVITY_TIMEOUT is less than JWT_EXPIRY: who is active all the time refreshes no more often than that',
    ],
  ],
  [{ SESSION_SINGLE_PER_USER: 'yes' }, ['SESSION_SINGLE_PER_USER is neither true nor false']],
  [{ ACCOUNT_DELETION: 'true' }, ['ACCOUNT_DELETION is neither on nor off']],
  [{ SITE_URL: 'site.test' }, ['SITE_URL is not an http(s) URL']],
  [{ SITE_URL: 'ftp://site.test' }, ['SITE_URL is not an http(s) URL']],
  [{ WECHAT_API_URL: 'javascript:0' }, ['WECHAT_API_URL is not an http(s) URL']],
  [
    { WECHAT_PUSH_TOKEN: 'a-b' },
    ['WECHAT_PUSH_TOKEN is not a token of the message push: 3 to 32 letters and digits'],
  ],
  [
    { WECHAT_PUSH_TOKEN: 'abc', WECHAT_PUSH_AES_KEY: 'a'.repeat(42) },
    ['WECHAT_PUSH_AES_KEY is not an EncodingAESKey of the message push: 43 letters and digits'],
  ],
  [{ WECHAT_PUSH_AES_KEY: 'a'.repeat(43) }, ['WECHAT_PUSH_TOKEN is not set: WECHAT_PUSH_AES_KEY needs it']],
  [{ WECHAT_SEND_OPENID: 'yes' }, ['WECHAT_SEND_OPENID is neither true nor false']],
  [{ WECHAT_TOKEN_KIND: 'new' }, ['WECHAT_TOKEN_KIND is neither stable nor legacy']],
  [{ WECHAT_TIMEOUT_MS: '0' }, ['WECHAT_TIMEOUT_MS is not positive']],
  [{ WECHAT_TIMEOUT_MS: '5s' }, ['WECHAT_TIMEOUT_MS is not a number of milliseconds']],
  [{ WECHAT_CONNECT_TIMEOUT_MS: '0.5' }, ['WECHAT_CONNECT_TIMEOUT_MS is not a whole number']],
  ...['0', '0.00', '-1', '1e3', '1.234', 'CNY 300', '1,000', '9999999999'].map(
    (WECHAT_MONTHLY_BUDGET): [Env, string[]] => [
      { WECHAT_MONTHLY_BUDGET },
      ['WECHAT_MONTHLY_BUDGET is not an amount of CNY such as 300 or 49.50'],
    ],
  ),
  [{ DATABASE_POOL_SIZE: '0' }, ['DATABASE_POOL_SIZE is not positive']],
  [{ DATA_KEY: ' , ,' }, ['DATA_KEY is nothing but commas']],
  [{ DATA_KEY: '["new", "old"' }, ['DATA_KEY is not a JSON list of keys']],
  [{ DATA_KEY: '["new", ""]' }, ['DATA_KEY is not a JSON list of keys']],
  [{ DATA_KEY: '["new", 5]' }, ['DATA_KEY is not a JSON list of keys']],
  [{ PHONE_FORMAT: 'E164' }, ['PHONE_FORMAT is neither wechat, e164 nor gotrue']],
  [{ RATE_LIMITS: 'true' }, ['RATE_LIMITS is neither on nor off']],
  ...['0', '-1', '1.5', '100000', '07', '1 week', 'never'].map((RETENTION_LEDGER): [Env, string[]] => [
    { RETENTION_LEDGER },
    ['RETENTION_LEDGER is neither forever nor a whole number of days from 1 to 99999'],
  ]),
  [{ TRUSTED_PROXIES: 'all' }, ['TRUSTED_PROXIES is not a number of proxies']],
  [{ TRUSTED_PROXIES: '-1' }, ['TRUSTED_PROXIES is negative']],
  [{ TRUSTED_PROXIES: '1.5' }, ['TRUSTED_PROXIES is not a whole number']],
  [{ TRUSTED_PROXIES: '17' }, ['TRUSTED_PROXIES is more than 16']],
  [{ LOG_LEVEL: 'loud' }, ['LOG_LEVEL is not fatal, error, warn, info, debug, trace or silent']],
  [
    { WECHAT_APP_ID: 'wx1', WECHAT_APP_SECRET: 'x' },
    ['WECHAT_APP_ID is not an appid: wx and 16 hexadecimal digits'],
  ],
  [{ WECHAT_APP_ID: APP }, ['WECHAT_APP_SECRET is not set: WECHAT_APP_ID needs its secret']],
  [{ WECHAT_APP_SECRET: 'x' }, ['WECHAT_APP_ID is not set: WECHAT_APP_SECRET needs its app']],
  [
    { ANON_KEY: 'same', SERVICE_ROLE_KEY: 'same' },
    ['SERVICE_ROLE_KEY equals ANON_KEY: everybody would be an administrator'],
  ],
  [{ WECHAT_APPS: 'x' }, ['WECHAT_APPS is not JSON']],
  [{ WECHAT_APPS: '[]' }, ['WECHAT_APPS is not an object of appid → secret']],
  [{ WECHAT_APPS: '"x"' }, ['WECHAT_APPS is not an object of appid → secret']],
  [{ WECHAT_APPS: '{"x": "secret"}' }, ['WECHAT_APPS is not an object of appid → secret']],
  [{ WECHAT_APPS: `{"${APP}": ""}` }, ['WECHAT_APPS has an empty secret']],
  [{ WECHAT_APPS: `{"${APP}": 5}` }, ['WECHAT_APPS has a secret that is not a string']],
  [{ WECHAT_APPS: `{"${APP}": null}` }, ['WECHAT_APPS has a secret that is not a string']],
  [{ JWT_SIGNING_KEY: 'x' }, ['JWT_SIGNING_KEY is not JSON']],
  [{ JWT_SIGNING_KEY: '5' }, ['JWT_SIGNING_KEY is not a JWK']],
  [
    { JWT_SIGNING_KEY: '{"kty": "oct", "kid": "a", "d": "x"}' },
    ['JWT_SIGNING_KEY is neither an EC (ES256) nor an RSA (RS256) key'],
  ],
  [
    { JWT_SIGNING_KEY: '{"kty": "RSA", "kid": "a"}' },
    ['JWT_SIGNING_KEY is not a private key: it has no "d"'],
  ],
  [{ JWT_SIGNING_KEY: '{"kty": "RSA", "d": "x"}' }, ['JWT_SIGNING_KEY has no "kid"']],
  [{ JWT_SIGNING_KEY: '{"kty": "RSA", "d": "x", "kid": ""}' }, ['JWT_SIGNING_KEY has an empty "kid"']],
  [{ JWT_VERIFICATION_KEYS: 'x' }, ['JWT_VERIFICATION_KEYS is not JSON']],
  [{ JWT_VERIFICATION_KEYS: '{}' }, ['JWT_VERIFICATION_KEYS is not a list of JWKs']],
  [{ JWT_VERIFICATION_KEYS: 'null' }, ['JWT_VERIFICATION_KEYS is not a list of JWKs']],
  [{ CORS_ORIGINS: ' , ' }, ['CORS_ORIGINS is nothing but commas']],
  [{ CORS_ORIGINS: '*,https://h5.test' }, ['CORS_ORIGINS has origins beside *, which means all']],
])('%j', (env, faults) => {
  expect(faultsOf({ ...external, ...env })).toEqual(faults)
})

test('the edges of what is allowed', () => {
  for (const env of [
    { PORT: '65535' },
    { JWT_EXPIRY: '300' },
    { JWT_SECRET: '密'.repeat(11) }, // 33 bytes of 11 characters
    { ANON_KEY: 'one', SERVICE_ROLE_KEY: 'other' },
    { DATABASE_URL: 'postgresql://x' },
    { JWT_SIGNING_KEY: JSON.stringify({ ...EC, kid: 'a' }) },
    { JWT_SIGNING_KEY: JSON.stringify({ ...RSA, kid: 'a', alg: 'RS256', use: 'sig', key_ops: ['sign'] }) },
    { JWT_VERIFICATION_KEYS: '[]' },
    { CORS_ORIGINS: '*' },
    { CORS_ORIGINS: 'https://h5.test, http://localhost:3000,https://[::1]:8443,' },
  ])
    expect([env, faultsOf({ ...external, ...env })]).toEqual([env, []])
})

test('no fault quotes a value: it may be a secret', () => {
  const hidden = 'TOP-SECRET'
  const names = [
    'DATABASE_URL',
    'DATABASE_OWNER_URL',
    'JWT_SECRET',
    'JWT_SIGNING_KEY',
    'JWT_VERIFICATION_KEYS',
    'CORS_ORIGINS',
    'WECHAT_APPS',
    'WECHAT_APP_ID',
    'PORT',
    'SITE_URL',
    'PHONE_FORMAT',
    'LOG_LEVEL',
    'JWT_EXPIRY',
  ]
  const values = [
    hidden,
    `{"${hidden}": 5}`,
    `{"kty": "${hidden}", "d": 5, "k": "${hidden}"}`,
    `[{"kty": "EC", "kid": "${hidden}", "x": "${hidden}"}, {"kty": "oct", "kid": "${hidden}", "k": "${hidden}"}]`,
  ]
  for (const value of values) {
    const faults = faultsOf(Object.fromEntries(names.map(name => [name, value])))
    expect(faults.length).toBeGreaterThanOrEqual(names.length - 1)
    expect(faults.join()).not.toContain(hidden)
  }
})

describe('JWT_VERIFICATION_KEYS', () => {
  const faultsOfKeys = (keys: object[], more: Env = {}) =>
    faultsOf({ ...external, ...more, JWT_VERIFICATION_KEYS: JSON.stringify(keys) })
  const signing = { JWT_SIGNING_KEY: JSON.stringify({ ...EC, kid: 'signing' }) }

  test('beside a signing key, each by its name', () => {
    const keys = [
      { ...RSA, kid: 'a' },
      { ...OCT, kid: 'b' },
    ]
    const config = parseConfig({ ...external, ...signing, JWT_VERIFICATION_KEYS: JSON.stringify(keys) })
    expect(config.jwt).toMatchObject({ signingKey: { ...EC, kid: 'signing' }, verificationKeys: keys })
  })

  test('a fault is told with the place of its key, beside those of other variables', () => {
    const env = { ...signing, PORT: 'x' }
    expect(faultsOfKeys([EC, { ...RSA, kid: 'a' }, { ...OCT, kid: 'a' }], env)).toEqual([
      'PORT is not a port number',
      'JWT_VERIFICATION_KEYS[0] has no "kid"',
    ])
    expect(
      faultsOfKeys(
        [
          { ...RSA, kid: 'a' },
          { ...OCT, kid: 'a' },
        ],
        env,
      ),
    ).toEqual(['PORT is not a port number', 'JWT_VERIFICATION_KEYS[1] has the "kid" of another key'])
  })

  test('the signing key is not in it, nor another of its name', () => {
    const fault = 'has the "kid" of JWT_SIGNING_KEY, which verifies what it signs: leave it out'
    for (const key of [EC, RSA, OCT])
      expect(
        faultsOfKeys(
          [
            { ...RSA, kid: 'a' },
            { ...key, kid: 'signing' },
          ],
          { ...signing, PORT: 'x' },
        ),
      ).toEqual(['PORT is not a port number', `JWT_VERIFICATION_KEYS[1] ${fault}`])
    expect(faultsOfKeys([{ ...EC, kid: 'signing' }])).toEqual([])
  })
})

describe('CORS_ORIGINS', () => {
  test('is a list of origins, or everybody', () => {
    const origins = (text: string) => parseConfig({ ...external, CORS_ORIGINS: text }).corsOrigins
    expect(origins('https://h5.test')).toEqual(['https://h5.test'])
    expect(origins(' https://h5.test ,http://localhost:3000, ')).toEqual([
      'https://h5.test',
      'http://localhost:3000',
    ])
    expect(origins('*')).toEqual(['*'])
  })

  test.each([
    'h5.test',
    'https://',
    'https://h5.test/',
    'https://h5.test/page',
    'https://h5.test?x',
    'https://h5.test#x',
    'https://H5.test',
    'HTTPS://h5.test',
    'https://h5.test:443',
    'http://h5.test:80',
    'https://h5.test:99999',
    'https://user:word@h5.test',
    'https://*.h5.test',
    'https://\u7f51.test',
    'https://h5.test https://h6.test',
    'ftp://h5.test',
    'file://',
    'javascript:0',
    'null',
    '**',
  ])('%s is none', origin => {
    expect(faultsOf({ ...external, CORS_ORIGINS: `https://one.test,${origin}` })).toEqual([
      'CORS_ORIGINS[1] is no origin as browsers send it, such as https://h5.example.com',
    ])
  })
})

describe('production', () => {
  test('has enough with this', () => {
    expect(faultsOf(production)).toEqual([])
    expect(parseConfig(production).wechat.apiUrl).toBe('https://api.weixin.qq.com')
  })

  test.each(['DATABASE_URL', 'JWT_SECRET', 'SITE_URL', 'WECHAT_APP_ID', 'WECHAT_APP_SECRET'])(
    'requires %s, and takes no generated one',
    name => {
      const generated = { ...external, SITE_URL: 'http://127.0.0.1:5678', [name]: production[name] }
      const faults = faultsOf({ ...production, [name]: undefined }, generated)
      expect(faults).toContainEqual(expect.stringMatching(new RegExp(`^${name} is not set: `)))
      expect(faults.every(fault => fault.startsWith(`${name} `))).toBe(true)
    },
  )

  test('all that is missing is told together', () => {
    const names = faultsOf({ NODE_ENV: 'production' }).map(fault => fault.split(' ')[0])
    expect(names.sort()).toEqual(['DATABASE_URL', 'JWT_SECRET', 'SITE_URL', 'WECHAT_APP_ID'])
  })

  test('has no IDE unless asked for', () => {
    expect(parseConfig(production).graphiql).toBe(false)
    expect(parseConfig({ ...production, GRAPHIQL: 'true' }).graphiql).toBe(true)
    expect(parseConfig({ ...external, GRAPHIQL: 'false' }).graphiql).toBe(false)
  })
})

describe('embedded', () => {
  const generated = {
    DATABASE_URL: 'postgres://authenticator@127.0.0.1/made',
    DATABASE_OWNER_URL: 'postgres://owner@127.0.0.1/made',
    JWT_SECRET: `${SECRET} generated`,
    ANON_KEY: 'generated-anon',
    SERVICE_ROLE_KEY: 'generated-service-role',
    SITE_URL: 'http://127.0.0.1:5678',
  }

  test('is what remains without a DATABASE_URL outside production', () => {
    expect(parseConfig({}).embedded).toBe(true)
    expect(parseConfig({ NODE_ENV: 'test' }).embedded).toBe(true)
    expect(parseConfig({}, generated).embedded).toBe(true)
    expect(parseConfig(external, generated).embedded).toBe(false)
    expect(faultsOf({ NODE_ENV: 'production' })).not.toEqual([])
  })

  test('needs nothing, even before anything is generated', () => {
    expect(faultsOf({})).toEqual([])
  })

  test('takes what was generated', () => {
    expect(parseConfig({}, generated)).toMatchObject({
      databaseUrl: generated.DATABASE_URL,
      databaseOwnerUrl: generated.DATABASE_OWNER_URL,
      jwt: {
        secret: generated.JWT_SECRET,
        anonKey: 'generated-anon',
        serviceRoleKey: 'generated-service-role',
      },
      siteUrl: generated.SITE_URL,
    })
  })

  test('the environment goes first, unless it says nothing', () => {
    const config = parseConfig({ JWT_SECRET: SECRET, ANON_KEY: '' }, generated)
    expect(config.jwt).toMatchObject({ secret: SECRET, anonKey: 'generated-anon' })
  })

  test('takes only the names that are generated', () => {
    expect(parseConfig({}, { ...generated, PORT: '1', WECHAT_APP_ID: APP })).toMatchObject({
      port: 5678,
      wechat: { defaultAppid: SIMULATOR_APP_ID },
    })
  })

  test('an own database takes nothing of it', () => {
    expect(faultsOf({ DATABASE_URL }, generated)).toEqual([expect.stringMatching(/^JWT_SECRET is not set: /)])
    expect(parseConfig(external, generated)).toMatchObject({
      siteUrl: undefined,
      databaseOwnerUrl: undefined,
    })
  })
})

test.each(['', ' ', '\t'])('a variable that is set to %j is not set', nothing => {
  const names = ['PORT', 'HOST', 'ANON_KEY', 'SERVICE_ROLE_KEY', 'SITE_URL', 'DATA_KEY', 'WECHAT_APPS']
  const more = ['JWT_SIGNING_KEY', 'JWT_EXPIRY', 'WECHAT_APP_ID', 'WECHAT_APP_SECRET', 'GRAPHIQL', 'NODE_ENV']
  const empty = Object.fromEntries([...names, ...more].map(name => [name, nothing]))
  expect(parseConfig({ ...external, ...empty })).toEqual(parseConfig(external))
  expect(faultsOf({ ...production, JWT_SECRET: nothing })).toHaveLength(1)
  expect(parseConfig({ DATABASE_URL: nothing }).embedded).toBe(true)
})

describe('WECHAT_APPS', () => {
  test('adds apps beside the default one', () => {
    const config = parseConfig({ ...production, WECHAT_APPS: JSON.stringify({ [OTHER]: 'x' }) })
    expect(config.wechat).toMatchObject({
      apps: { [APP]: 'the-secret-of-the-app', [OTHER]: 'x' },
      defaultAppid: APP,
    })
  })

  test('of nobody: the default alone', () => {
    expect(parseConfig({ ...production, WECHAT_APPS: '{}' }).wechat.apps).toEqual({
      [APP]: 'the-secret-of-the-app',
    })
  })

  test('does not replace WECHAT_APP_ID in production', () => {
    const { WECHAT_APP_ID, WECHAT_APP_SECRET, ...without } = production
    expect(faultsOf({ ...without, WECHAT_APPS: JSON.stringify({ [OTHER]: 'x' }) })).toHaveLength(1)
  })
})

describe('DATA_KEY', () => {
  const keys = (env: Env) =>
    parseConfig({ ...external, ...env }).dataKeys.map(key => key.export().toString('hex'))

  test('without one the key follows from JWT_SECRET, and is not it', () => {
    const [key, ...more] = keys({})
    expect(more).toEqual([])
    expect(key).toMatch(/^[0-9a-f]{64}$/)
    expect(key).not.toBe(Buffer.from(SECRET).toString('hex'))
    expect(keys({ JWT_SECRET: `${SECRET}!` })).not.toEqual([key])
    expect(keys({ DATA_KEY: SECRET })).toEqual([key])
  })

  test('the current one goes first, old ones follow', () => {
    const [current] = keys({ DATA_KEY: 'new' })
    const [old] = keys({ DATA_KEY: 'old' })
    expect(current).not.toBe(old)
    expect(keys({ DATA_KEY: 'new,old' })).toEqual([current, old])
    expect(keys({ DATA_KEY: ' new , ,old, ' })).toEqual([current, old])
  })

  test('as JSON they may have commas and spaces in them, as a JWT_SECRET may', () => {
    const JWT_SECRET = ' a secret, with a comma and 32 bytes '
    const [byDefault] = keys({ JWT_SECRET })
    const [current] = keys({ DATA_KEY: 'new' })
    expect(keys({ DATA_KEY: JSON.stringify(['new', JWT_SECRET]) })).toEqual([current, byDefault])
    expect(keys({ DATA_KEY: ' [ "new"]' })).toEqual([current])
    expect(keys({ DATA_KEY: `new,${JWT_SECRET}` })).not.toContain(byDefault)
  })

  test('another JWT_SECRET leaves it alone', () => {
    expect(keys({ DATA_KEY: 'new', JWT_SECRET: `${SECRET}!` })).toEqual(keys({ DATA_KEY: 'new' }))
  })
})
