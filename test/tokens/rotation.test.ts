import { generateKeyPairSync } from 'node:crypto'
import { createLocalJWKSet, createRemoteJWKSet, type JSONWebKeySet, jwtVerify } from 'jose'
import type { Env } from '../../src/config.ts'
import { makeApiKey } from '../../src/tokens/jwt.ts'
import { freshPhone, graphql, phoneCode, post, type SignedIn, send, signIn } from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { secret } from '../support/leaks.ts'
import { JWT_SECRET, type Node, startNode, startSimulator, type TestSimulator } from '../support/service.ts'

// The procedures of docs/keys.md, on two nodes that are restarted one after the other: whoever had signed in before goes
// on, whichever node he meets, at every moment; and a service elsewhere, which keeps the JWKS for its max-age, verifies.

let db: TestDatabase
let simulator: TestSimulator
let anonKey: string
let serviceRoleKey: string

beforeAll(async () => {
  db = await createDatabase()
  simulator = await startSimulator()
  anonKey = await makeApiKey(JWT_SECRET, 'anon')
  serviceRoleKey = await makeApiKey(JWT_SECRET, 'service_role')
})
afterAll(async () => {
  await simulator.close()
  await db.drop()
})

const ISSUER = 'http://site.test/auth/v1'
const pair = (kid: string, kty: 'EC' | 'RSA') => {
  const { privateKey } =
    kty === 'EC'
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : generateKeyPairSync('rsa', { modulusLength: 2048 })
  const jwk = privateKey.export({ format: 'jwk' })
  secret(jwk.d!)
  const { d, p, q, dp, dq, qi, ...publicJwk } = { ...jwk, kid }
  return { whole: { ...jwk, kid }, public: publicJwk }
}
const ES = pair('old', 'EC')
const NEW_ES = pair('new', 'EC')
const NEW_RS = pair('new', 'RSA')
const NEW_SECRET = secret('the next secret of the tests, 32 bytes or more')
const DATA_KEY = secret('a data key of its own')
const oct = (text: string) => ({ kty: 'oct', kid: text, k: Buffer.from(text).toString('base64url') })

/** The environment, as far as it is about keys. */
const keys = (signing: object | undefined, verification: object[], more: Env = {}): Env => ({
  ...(signing && { JWT_SIGNING_KEY: JSON.stringify(signing) }),
  ...(verification.length > 0 && { JWT_VERIFICATION_KEYS: JSON.stringify(verification) }),
  ...more,
})

interface Step {
  what: string
  env: Env
  /** What is waited for before: then older access tokens have ended, or others have fetched the JWKS again. */
  after?: 'JWT_EXPIRY' | 'max-age'
}

class Site {
  nodes: Node[] = []
  #env: Env

  constructor(env: Env) {
    this.#env = env
  }

  async start(): Promise<this> {
    this.nodes = [await this.#node(), await this.#node()]
    return this
  }

  /** One node after the other gets this environment; `look` is called with each of them done. */
  async roll(env: Env, look: () => Promise<void>) {
    this.#env = env
    for (const index of [0, 1]) {
      await this.nodes[index]!.close()
      this.nodes[index] = await this.#node()
      await look()
    }
  }

  #node = () => startNode({ db, wechatUrl: simulator.url, env: this.#env })

  async close() {
    for (const node of this.nodes) await node.close()
  }
}

const withSite = async (env: Env, work: (site: Site) => Promise<void>) => {
  const site = await new Site(env).start()
  try {
    await work(site)
  } finally {
    await site.close()
  }
}

const refresh = (node: Node, refreshToken: string) =>
  post(
    `${node.url}/auth/v1/token?grant_type=refresh_token`,
    { refresh_token: refreshToken },
    // As MemFire's SDK does it: the key that is built into the published mini program.
    anonKey,
  )
const readUser = (node: Node, token: string) => send(`${node.url}/auth/v1/user`, { token })

/** Somebody who has signed in, bound a phone, and keeps using what he got. */
class Visitor {
  readonly #user: SignedIn
  readonly #code: string
  #refreshToken: string
  /** Access tokens that have not ended. */
  #tokens: string[]
  /** What a service elsewhere has fetched. */
  #published: JSONWebKeySet = { keys: [] }

  private constructor(user: SignedIn, code: string) {
    this.#user = user
    this.#code = code
    this.#refreshToken = user.refreshToken
    this.#tokens = [user.accessToken]
  }

  static async arrive(site: Site): Promise<Visitor> {
    const user = await signIn(site.nodes[0]!, simulator)
    const visitor = new Visitor(user, await phoneCode(simulator, freshPhone()))
    await visitor.#bindAgain(site.nodes[0]!)
    return visitor
  }

  /** Everything he has is good on every node, and so is everything that any node gives him. */
  async goesOn(site: Site) {
    const calls = simulator.callCounts.getuserphonenumber
    for (const signer of site.nodes) {
      const { status, body } = await refresh(signer, this.#refreshToken)
      expect({ status, body }).toMatchObject({ status: 200, body: { user: { id: this.#user.userId } } })
      this.#refreshToken = body.refresh_token
      this.#tokens.push(body.access_token)
    }
    for (const node of site.nodes) {
      for (const token of this.#tokens) {
        expect(await readUser(node, token)).toMatchObject({ status: 200, body: { id: this.#user.userId } })
        await this.#isVerifiedElsewhere(token)
      }
      const { body } = await graphql(node, '{ currentUser { id } }', {}, this.#tokens[0])
      expect(body).toEqual({ data: { currentUser: { id: this.#user.userId } } })
      await this.#bindAgain(node)
    }
    expect(simulator.callCounts.getuserphonenumber).toBe(calls)
  }

  async waits(site: Site, until: Step['after']) {
    if (until === 'JWT_EXPIRY') {
      this.#tokens = []
      await this.goesOn(site)
    }
    if (until !== undefined)
      this.#published = (await send(`${site.nodes[0]!.url}/auth/v1/.well-known/jwks.json`)).body
  }

  async #bindAgain(node: Node) {
    const url = `${node.url}/auth/v1/wechat_mini/bind_phone`
    expect((await post(url, { code: this.#code }, this.#tokens.at(-1))).status).toBe(200)
  }

  async #isVerifiedElsewhere(token: string) {
    const { alg } = JSON.parse(Buffer.from(token.split('.')[0]!, 'base64url').toString())
    if (alg === 'HS256') return
    const { payload } = await jwtVerify(token, createLocalJWKSet(this.#published), {
      issuer: ISSUER,
      audience: 'authenticated',
      algorithms: ['ES256', 'RS256'],
    })
    expect(payload.sub).toBe(this.#user.userId)
  }
}

const procedures: [name: string, start: Env, steps: Step[]][] = [
  [
    'ES256 → ES256',
    keys(ES.whole, []),
    [
      { what: 'announce', env: keys(ES.whole, [NEW_ES.public]) },
      { what: 'sign', env: keys(NEW_ES.whole, [ES.whole]), after: 'max-age' },
      { what: 'drop', env: keys(NEW_ES.whole, []), after: 'JWT_EXPIRY' },
    ],
  ],
  [
    'ES256 → RS256',
    keys(ES.whole, []),
    [
      { what: 'announce', env: keys(ES.whole, [NEW_RS.public]) },
      { what: 'sign', env: keys(NEW_RS.whole, [ES.public]), after: 'max-age' },
      { what: 'drop', env: keys(NEW_RS.whole, []), after: 'JWT_EXPIRY' },
    ],
  ],
  [
    'HS256 → ES256',
    {},
    [
      { what: 'announce', env: keys(undefined, [NEW_ES.public]) },
      { what: 'sign', env: keys(NEW_ES.whole, []), after: 'max-age' },
    ],
  ],
  [
    'ES256 → HS256, back again',
    keys(ES.whole, []),
    [
      { what: 'sign by the secret', env: keys(undefined, [ES.whole]), after: 'max-age' },
      { what: 'drop', env: {}, after: 'JWT_EXPIRY' },
    ],
  ],
]

test.each(procedures)('%s: nobody is logged out, on any node, at any step', async (_name, start, steps) => {
  await withSite(start, async site => {
    const visitor = await Visitor.arrive(site)
    await visitor.waits(site, 'max-age')
    await visitor.goesOn(site)
    for (const { env, after } of steps) {
      await visitor.waits(site, after)
      await site.roll(env, () => visitor.goesOn(site))
    }
  })
})

describe('JWT_SECRET replaced', () => {
  /** As JSON: the old secret has a comma in it. */
  const dataKeys = (...list: string[]) => JSON.stringify(list)
  const pinned = () => ({ ANON_KEY: anonKey, SERVICE_ROLE_KEY: serviceRoleKey })
  const announced = () =>
    keys(undefined, [oct(NEW_SECRET)], { ...pinned(), DATA_KEY: dataKeys(JWT_SECRET, DATA_KEY) })
  const used = () =>
    keys(undefined, [oct(JWT_SECRET)], {
      ...pinned(),
      JWT_SECRET: NEW_SECRET,
      DATA_KEY: dataKeys(DATA_KEY, JWT_SECRET),
    })
  const done = () => ({ JWT_SECRET: NEW_SECRET, ANON_KEY: anonKey, DATA_KEY: dataKeys(DATA_KEY, JWT_SECRET) })

  const roles = async (site: Site, key: string) =>
    Promise.all(
      site.nodes.map(node =>
        node.services.tokens.verify(key).then(
          ({ role }) => role,
          error => error.code,
        ),
      ),
    )

  test('nobody is logged out, redeemed codes are known, and API keys in use stay good', async () => {
    const newService = await makeApiKey(NEW_SECRET, 'service_role')
    await withSite({}, async site => {
      const visitor = await Visitor.arrive(site)
      const look = async () => {
        await visitor.goesOn(site)
        expect(await roles(site, anonKey)).toEqual(['anon', 'anon'])
        expect(await roles(site, serviceRoleKey)).toEqual(['service_role', 'service_role'])
      }
      await look()
      await site.roll(announced(), look)
      await site.roll(used(), look)
      expect(await roles(site, newService)).toEqual(['service_role', 'service_role'])
      await visitor.waits(site, 'JWT_EXPIRY')
      await site.roll(done(), async () => {
        await visitor.goesOn(site)
        expect(await roles(site, anonKey)).toEqual(['anon', 'anon'])
        expect(await roles(site, newService)).toEqual(['service_role', 'service_role'])
      })
      expect(await roles(site, serviceRoleKey)).toEqual(['bad_jwt', 'bad_jwt'])
      expect(await roles(site, await makeApiKey(NEW_SECRET, 'anon'))).toEqual(['anon', 'anon'])
    })
  })

  test('neither an announced secret nor a former one makes API keys', async () => {
    const made = await makeApiKey(NEW_SECRET, 'service_role')
    await withSite(announced(), async site => {
      expect(await roles(site, made)).toEqual(['bad_jwt', 'bad_jwt'])
    })
    const { SERVICE_ROLE_KEY, ...unpinned } = used()
    await withSite(unpinned, async site => {
      expect(await roles(site, serviceRoleKey)).toEqual(['bad_jwt', 'bad_jwt'])
    })
  })

  test('all at once: while one node has it and the other not, they refuse what the other gives', async () => {
    await withSite({}, async site => {
      const user = await signIn(site.nodes[1]!, simulator)
      await site.nodes[0]!.close()
      const env = { JWT_SECRET: NEW_SECRET, ANON_KEY: anonKey, DATA_KEY: dataKeys(DATA_KEY, JWT_SECRET) }
      site.nodes[0] = await startNode({ db, wechatUrl: simulator.url, env })
      expect((await readUser(site.nodes[0]!, user.accessToken)).body.error_code).toBe('bad_jwt')
      const { body } = await refresh(site.nodes[0]!, user.refreshToken)
      expect((await readUser(site.nodes[1]!, body.access_token)).body.error_code).toBe('bad_jwt')
      expect((await refresh(site.nodes[1]!, body.refresh_token)).body.error_code).toBe(
        'refresh_token_not_found',
      )
    })
  })
})

/** Two nodes with these environments, for one published mini program, and what the second says to what the first gives. */
async function given(first: Env, second: Env) {
  const [giver, taker] = await Promise.all(
    [first, second].map(env =>
      startNode({ db, wechatUrl: simulator.url, env: { ANON_KEY: anonKey, ...env } }),
    ),
  )
  try {
    const user = await signIn(giver!, simulator)
    const read = await readUser(taker!, user.accessToken)
    const refreshed = await refresh(taker!, user.refreshToken)
    return [read.body.error_code ?? 'good', refreshed.body.error_code ?? 'good']
  } finally {
    await Promise.all([giver!.close(), taker!.close()])
  }
}

test.each<[name: string, first: Env, second: Env, access: string, refresh: string]>([
  [
    'signing before all nodes know the key',
    keys(NEW_ES.whole, [ES.public]),
    keys(ES.whole, []),
    'bad_jwt',
    'good',
  ],
  [
    'dropping the old key before its tokens have ended',
    keys(ES.whole, []),
    keys(NEW_ES.whole, []),
    'bad_jwt',
    'good',
  ],
  ['a leaked signing key, replaced at once', keys(ES.whole, []), keys(undefined, []), 'bad_jwt', 'good'],
  [
    'a leaked JWT_SECRET, replaced at once, DATA_KEY of its own',
    { DATA_KEY },
    { DATA_KEY, JWT_SECRET: NEW_SECRET },
    'bad_jwt',
    'good',
  ],
  [
    'a leaked JWT_SECRET, replaced at once, DATA_KEY by default',
    {},
    { JWT_SECRET: NEW_SECRET },
    'bad_jwt',
    'refresh_token_not_found',
  ],
  [
    'a DATA_KEY used before all nodes know it',
    { DATA_KEY: JSON.stringify([DATA_KEY, JWT_SECRET]) },
    {},
    'good',
    'refresh_token_not_found',
  ],
])('what it costs: %s', async (_name, first, second, access, refreshing) => {
  expect(await given(first, second)).toEqual([access, refreshing])
})

test('a service elsewhere finds the keys by the issuer, and a new key by its kid', async () => {
  const site = { SITE_URL: undefined }
  const verifier = async (node: Node) => {
    const { body } = await send(`${node.url}/auth/v1/.well-known/openid-configuration`)
    const keySet = createRemoteJWKSet(new URL(body.jwks_uri))
    return (token: string) =>
      jwtVerify(token, keySet, {
        issuer: body.issuer,
        audience: 'authenticated',
        algorithms: body.id_token_signing_alg_values_supported,
      })
  }
  const node = await startNode({
    db,
    wechatUrl: simulator.url,
    env: { ...keys(NEW_RS.whole, [ES.public]), ...site },
  })
  try {
    const verify = await verifier(node)
    const user = await signIn(node, simulator)
    const { payload, protectedHeader } = await verify(user.accessToken)
    expect(payload).toMatchObject({ sub: user.userId, iss: `${node.url}/auth/v1`, aud: 'authenticated' })
    expect(protectedHeader).toMatchObject({ alg: 'RS256', kid: 'new' })
    await expect(verify(`${user.accessToken.slice(0, -8)}AAAAAAAA`)).rejects.toThrow()
    // What only this service knows: that the session has ended.
    await post(`${node.url}/auth/v1/logout`, {}, user.accessToken)
    expect((await verify(user.accessToken)).payload.sub).toBe(user.userId)
    expect((await readUser(node, user.accessToken)).body.error_code).toBe('session_not_found')
  } finally {
    await node.close()
  }
})
