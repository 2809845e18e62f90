import { generateKeyPairSync } from 'node:crypto'
import { ids } from '../../src/doctor/catalogue.ts'
import { makeApiKey } from '../../src/tokens/jwt.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { startSimulator, type TestSimulator } from '../support/service.ts'
import { APP, APP_SECRET, complaints, doctor, PRODUCTION, SECRET } from './harness.ts'

// What can be said of an environment, on a database and a WeChat that are as they should be.

let db: TestDatabase
let simulator: TestSimulator
let place: Record<string, string>
beforeAll(async () => {
  db = await createDatabase()
  simulator = await startSimulator({ apps: { [APP]: APP_SECRET } })
  place = {
    ...PRODUCTION,
    DATABASE_URL: db.webUrl,
    DATABASE_OWNER_URL: db.ownerUrl,
    WECHAT_API_URL: simulator.url,
  }
})
afterAll(async () => {
  await simulator.close()
  await db.drop()
})

/** The server of the tests is not durable, and has no worker. */
const AS_TESTS_ARE = ['durability: warning', 'durability: warning', 'durability: warning', 'worker: warning']
/** And nobody has the URL. */
const IN_PRODUCTION = ['public_url: warning', ...AS_TESTS_ARE, 'reach: fault']

test('in production all is well but what the tests are', async () => {
  const report = await doctor(place)
  expect(complaints(report)).toEqual(IN_PRODUCTION)
  expect(report.exitCode).toBe(1)
  expect(report.of('reach')).toEqual([
    expect.stringMatching(
      /^fault: a simulator answers at 127\.0\.0\.1:\d+: anybody can sign in as anybody → Take WECHAT_API_URL away/,
    ),
  ])
  expect([...new Set(report.findings.map(({ check }) => check))]).toEqual(ids)
})

test('in development it is the mode that is told', async () => {
  const { NODE_ENV: _, ...development } = place
  const report = await doctor(development)
  expect(complaints(report)).toEqual(['mode: warning', ...AS_TESTS_ARE])
  expect(report.exitCode).toBe(0)
})

test('every fault of the environment is told, the exit code is 78, and what can be looked at is', async () => {
  const report = await doctor({
    ...place,
    JWT_SECRET: 'tooshort',
    SITE_URL: '',
    PHONE_CONFLICT: 'steal',
    WECHAT_APPS: '{',
  })
  expect(report.exitCode).toBe(78)
  expect(report.of('environment')).toEqual([
    expect.stringMatching('^fault: WECHAT_APPS is not JSON → '),
    expect.stringMatching('^fault: JWT_SECRET is shorter than 32 bytes → '),
    expect.stringMatching('^fault: PHONE_CONFLICT is neither reject nor merge → '),
    expect.stringMatching(
      '^fault: SITE_URL is not set: it is the issuer of the tokens, equal on all nodes → ',
    ),
  ])
  expect(report.of('schema')).toEqual([expect.stringMatching('^ok: version ')])
  expect(report.of('access_token')).toEqual([expect.stringMatching(`^ok: ${APP}: `)])
  expect(report.of('tokens')).toEqual(['skipped: JWT_SECRET is not set, or does not parse'])
  // One remedy for all four, once.
  expect(report.text.match(/The service does not start until this is mended/g)).toHaveLength(1)
})

test('a URL that does not parse is not called one that is missing', async () => {
  const { of } = await doctor({ ...place, DATABASE_URL: 'mysql://x' })
  expect(of('environment')[0]).toMatch('DATABASE_URL is not a postgres:// URL')
  expect(of('web_connection')).toEqual(['skipped: DATABASE_URL does not parse'])
  expect(of('version')).toEqual([expect.stringMatching('^ok: PostgreSQL ')])
})

const weak = (name: string, why: string) =>
  expect.stringMatching(`^fault: ${name} ${why} → Make another one with "postgraphile-wechat keys --secret"`)
test.each([
  [
    'JWT_SECRET',
    'super-secret-jwt-token-with-at-least-32-characters-long',
    'is an example, or as easy to guess',
  ],
  ['JWT_SECRET', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 'is an example, or as easy to guess'],
  ['DATA_KEY', 'Xk29dLq8Zw', 'is shorter than 32 bytes'],
  ['DATA_KEY', '["Xk29dLq8Zw, and a comma"]', 'is shorter than 32 bytes'],
  ['SERVICE_ROLE_KEY', 'Xk29dLq8ZwVb', 'is shorter than 32 bytes'],
])('%s that is weak is a fault in production, and a warning elsewhere', async (name, value, why) => {
  expect((await doctor({ ...place, [name]: value })).of('secrets')).toEqual([weak(name, why)])
  const elsewhere = await doctor({ ...place, NODE_ENV: 'development', [name]: value })
  expect(elsewhere.of('secrets')).toEqual([expect.stringMatching(`^warning: ${name} ${why}`)])
})

test('former data keys, and keys that "keys --secret" makes, are taken as they are', async () => {
  const { of } = await doctor({ ...place, DATA_KEY: `${SECRET.replace('N0t', 'Was')},short` })
  expect(of('secrets')).toEqual(['ok: long, and none is an example'])
})

test('an AppSecret that cannot be one', async () => {
  const { of } = await doctor({ ...place, WECHAT_APP_SECRET: `"${APP_SECRET}"` })
  expect(of('secrets')).toEqual([
    expect.stringMatching(`^warning: the AppSecret of ${APP} does not have 32 hex`),
  ])
  expect(of('access_token')[0]).toMatch(/^fault: .*errcode 40125.*AppSecret.*wrong/)
})

test('API keys that are of the other role, or of another secret', async () => {
  const [anon, service] = await Promise.all([makeApiKey(SECRET, 'anon'), makeApiKey(SECRET, 'service_role')])
  const right = await doctor({ ...place, ANON_KEY: anon, SERVICE_ROLE_KEY: service })
  expect(right.of('api_keys')).toEqual(['ok: as they should be'])
  const swapped = await doctor({ ...place, ANON_KEY: service, SERVICE_ROLE_KEY: anon })
  expect(swapped.of('api_keys')).toEqual([
    expect.stringMatching(
      '^fault: ANON_KEY is a JWT of the role service_role: whoever has that one is taken for anon →',
    ),
    expect.stringMatching(
      '^fault: SERVICE_ROLE_KEY is a JWT of the role anon: whoever has that one is taken for service_role →',
    ),
  ])
  const foreign = await doctor({ ...place, ANON_KEY: await makeApiKey(`another ${SECRET}`, 'anon') })
  expect(foreign.of('api_keys')).toEqual([
    expect.stringMatching('^warning: ANON_KEY is a JWT that JWT_SECRET has not signed'),
  ])
})

test('which key signs', async () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const jwk = { ...privateKey.export({ format: 'jwk' }), kid: 'of-2026' }
  const { of } = await doctor({ ...place, JWT_SIGNING_KEY: JSON.stringify(jwk) })
  expect(of('tokens')).toEqual(['ok: signed by JWT_SIGNING_KEY (ES256, kid of-2026)'])
  const broken = await doctor({ ...place, JWT_SIGNING_KEY: JSON.stringify({ ...jwk, d: 'AAAA' }) })
  expect(broken.of('environment')).toEqual([
    expect.stringMatching('JWT_SIGNING_KEY is not a valid private key'),
  ])
  expect(broken.exitCode).toBe(78)
})

test.each([
  [{ SITE_URL: 'http://auth.example.com' }, 'site_url', 'SITE_URL is not https'],
  [{ SITE_URL: 'https://localhost' }, 'site_url', 'SITE_URL is localhost, which is this machine only'],
  [{ TRUSTED_PROXIES: '0' }, 'proxies', 'TRUSTED_PROXIES is 0, and HOST 10.0.0.11 lets others in'],
  [
    { TRUSTED_PROXIES: '', HOST: '' },
    'proxies',
    'TRUSTED_PROXIES is 0, and only a proxy on this machine reaches HOST 127.0.0.1',
  ],
  [{ GRAPHIQL: 'true' }, 'switches', 'GRAPHIQL is on'],
  [{ RATE_LIMITS: 'off' }, 'switches', 'RATE_LIMITS is off'],
  [{ WEBHOOK_ALLOW_PRIVATE: 'true' }, 'switches', 'WEBHOOK_ALLOW_PRIVATE is on'],
  [{ LOG_LEVEL: 'silent' }, 'switches', 'LOG_LEVEL is silent'],
  [{ WECHAT_PUSH_TOKEN: 'kQ93' }, 'push', 'WECHAT_PUSH_TOKEN is short'],
] as const)('%j is a warning', async (more, check, text) => {
  const report = await doctor({ ...place, ...more })
  expect(report.of(check)).toEqual([expect.stringMatching(new RegExp(`^warning: ${text}.* → .`))])
  expect(complaints(report).toSorted()).toEqual([...IN_PRODUCTION, `${check}: warning`].sort())
})

test('the push is looked at where it is set', async () => {
  expect((await doctor(place)).of('push')).toEqual([
    expect.stringMatching('^skipped: WECHAT_PUSH_TOKEN is not set: '),
  ])
  const keys = { WECHAT_PUSH_TOKEN: 'k3', WECHAT_PUSH_AES_KEY: 'too short' }
  expect((await doctor({ ...place, ...keys })).of('environment')).toEqual([
    expect.stringMatching('WECHAT_PUSH_TOKEN is not a token of the message push'),
    expect.stringMatching('WECHAT_PUSH_AES_KEY is not an EncodingAESKey'),
  ])
  const good = { WECHAT_PUSH_TOKEN: 'k3', WECHAT_PUSH_AES_KEY: 'A'.repeat(43) }
  expect((await doctor({ ...place, ...good, WECHAT_PUSH_TOKEN: 'kQ93' })).of('push')).toEqual([
    'ok: token and AES key have their form',
  ])
})

test('of a worker nothing is asked that it does not need', async () => {
  const worker = {
    NODE_ENV: 'production',
    DATABASE_OWNER_URL: db.ownerUrl,
    WECHAT_APP_ID: APP,
    WECHAT_APP_SECRET: APP_SECRET,
    WECHAT_API_URL: simulator.url,
  }
  const report = await doctor(worker)
  expect(report.of('environment')).toEqual(['ok: complete, for a worker, or an operator'])
  expect(complaints(report)).toEqual([...AS_TESTS_ARE, 'reach: fault'])
  expect(report.of('schema')).toEqual([expect.stringMatching('^ok: ')])
  const faulty = await doctor({ ...worker, RETENTION_AUDIT: 'soon', WEBHOOK_ALLOW_PRIVATE: 'true' })
  expect(faulty.exitCode).toBe(78)
  expect(faulty.of('environment')).toEqual([
    expect.stringMatching(
      '^fault: RETENTION_AUDIT is neither forever nor .* → Worker and migrate do not start',
    ),
  ])
  expect(faulty.of('switches')).toEqual([expect.stringMatching('^warning: WEBHOOK_ALLOW_PRIVATE is on')])
})

test('an operator with the login of the owner, and nothing else', async () => {
  const report = await doctor({ DATABASE_OWNER_URL: db.ownerUrl })
  expect(report.of('reach')).toEqual(['skipped: WECHAT_APP_ID is not set'])
  expect(complaints(report)).toEqual(AS_TESTS_ARE)
})
