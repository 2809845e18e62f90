import { callerOf } from '../../src/tokens/caller.ts'
import { createTokens, type Tokens } from '../../src/tokens/jwt.ts'

let tokens: Tokens
let user: string

beforeAll(async () => {
  tokens = await createTokens({
    secret: 'a secret of the tests, 32 bytes or more',
    signingKey: undefined,
    verificationKeys: [],
    issuer: 'http://site.test/auth/v1',
    expiry: 3600,
    anonKey: 'the-anon-key',
    serviceRoleKey: 'the-service-role-key',
  })
  const claims = {
    sub: '01932c07-209f-7da4-8f5b-6c1d2e3f4a5b',
    session_id: '01932c07-209f-7da4-8f5b-6c1d2e3f4a5c',
    role: 'authenticated',
  }
  user = await tokens.sign(claims, Math.floor(Date.now() / 1000))
})

const roleOf = async (headers: { authorization?: string; apikey?: string }) =>
  (await callerOf(tokens, headers)).role

test.each<[string, () => { authorization?: string; apikey?: string }, string]>([
  ['nothing', () => ({}), 'anon'],
  ['an empty apikey', () => ({ apikey: '' }), 'anon'],
  ['apikey: the anon key', () => ({ apikey: 'the-anon-key' }), 'anon'],
  ['apikey: the service-role key', () => ({ apikey: 'the-service-role-key' }), 'service_role'],
  ['apikey: a user token', () => ({ apikey: user }), 'authenticated'],
  ['bearer: the service-role key', () => ({ authorization: 'Bearer the-service-role-key' }), 'service_role'],
  ['bearer: a user token', () => ({ authorization: `Bearer ${user}` }), 'authenticated'],
  ['bearer in small letters', () => ({ authorization: `bearer ${user}` }), 'authenticated'],
  ['bearer in capitals, with spaces', () => ({ authorization: `BEARER   ${user}  ` }), 'authenticated'],
  [
    'bearer and apikey: the bearer',
    () => ({ authorization: `Bearer ${user}`, apikey: 'the-anon-key' }),
    'authenticated',
  ],
  [
    'a humble bearer and a mighty apikey: the bearer',
    () => ({ authorization: 'Bearer the-anon-key', apikey: 'the-service-role-key' }),
    'anon',
  ],
  [
    'a good bearer and a bad apikey: the bearer',
    () => ({ authorization: `Bearer ${user}`, apikey: 'nonsense' }),
    'authenticated',
  ],
])('%s', async (_name, headers, role) => {
  expect(await roleOf(headers())).toBe(role)
})

test('what is wrong with the header is said, not only that the token is no good', async () => {
  await expect(roleOf({ authorization: user })).rejects.toThrow('Authorization is not "Bearer <token>"')
  await expect(roleOf({ authorization: `Bearer ${user}x` })).rejects.toThrow('access token is not valid')
})

test('the session of a user token is known', async () => {
  expect(await callerOf(tokens, { authorization: `Bearer ${user}` })).toMatchObject({
    role: 'authenticated',
    sessionId: '01932c07-209f-7da4-8f5b-6c1d2e3f4a5c',
    claims: { sub: '01932c07-209f-7da4-8f5b-6c1d2e3f4a5b' },
  })
})

describe.each<[string, { apikey?: string }]>([
  ['without an apikey', {}],
  ['with a good apikey', { apikey: 'the-service-role-key' }],
])('a bad bearer is an error and never anon, %s', (_name, more) => {
  test.each([
    '',
    ' ',
    'Bearer',
    'Bearer ',
    'Bearer  ',
    'Basic dXNlcjpwYXNzd29yZA==',
    'the-anon-key',
    'Bearer the-anon-key the-anon-key',
    'Bearer the-anon-key, Bearer the-service-role-key',
    'Bearerthe-anon-key',
    ' Bearer the-anon-key',
    'Token the-anon-key',
    'Bearer nonsense',
    'Bearer the-anon-ke',
    'Bearer The-anon-key',
    'Bearer null',
    'Bearer undefined',
    'Bearer a.b.c',
  ])('%j', async authorization => {
    await expect(roleOf({ authorization, ...more })).rejects.toMatchObject({ code: 'bad_jwt', status: 403 })
  })
})

test.each(['nonsense', ' ', 'the-anon-key ', 'a.b.c', 'null'])(
  'a bad apikey is an error: %j',
  async apikey => {
    await expect(roleOf({ apikey })).rejects.toMatchObject({ code: 'bad_jwt' })
  },
)
