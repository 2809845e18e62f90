import { decodeJwt } from 'jose'
import pg from 'pg'
import { freshPhone, loginCode, phoneCode, post, type SignedIn, send, signIn } from '../../support/client.ts'
import { type Node, startNode } from '../../support/service.ts'
import { expiredToken } from './expired.ts'
import { type Site, startSite } from './site.ts'

// What existing clients trip over, one test or table each, over plain HTTP.

let site: Site
let node: Node
beforeAll(async () => {
  site = await startSite()
  node = site.node
})
afterAll(() => site.close())

const refresh = (at: Node, { refreshToken }: SignedIn, headers = {}) =>
  post(
    `${at.url}/auth/v1/token?grant_type=refresh_token`,
    { refresh_token: refreshToken },
    undefined,
    headers,
  )

const change = (statement: string, values?: unknown[]) => site.db.owner.query(statement, values)

describe('1. MemFire keeps its session on 502, 503 and 504 only: on /token whatever passes is 503, with Retry-After', () => {
  const expectPassing = async (answer: ReturnType<typeof post>, code: string) => {
    const { status, headers } = await answer
    expect({ status, code: headers.get('x-sb-error-code') }).toEqual({ status: 503, code })
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0)
  }

  test('the database is away', async () => {
    const user = await signIn(site.shaky, site.simulator)
    site.wire.cut()
    await expectPassing(refresh(site.shaky, user), 'database_unavailable').finally(() => site.wire.mend())
    expect((await refresh(site.shaky, user)).status).toBe(200)
  })

  test('the session is locked for too long', async () => {
    const hasty = await startNode({
      ...{ db: site.db, wechatUrl: site.simulator.url, env: { DATABASE_TIMEOUT_MS: '300' } },
    })
    const user = await signIn(node, site.simulator)
    const locker = new pg.Client({ connectionString: site.db.ownerUrl })
    await locker.connect()
    try {
      await locker.query('begin')
      await locker.query('select from auth.sessions where user_id = $1 for update', [user.userId])
      await expectPassing(refresh(hasty, user), 'database_unavailable')
    } finally {
      await locker.end()
      await hasty.close()
    }
  })

  test('too many requests', async () => {
    const user = await signIn(node, site.simulator)
    const headers = { 'x-forwarded-for': user.userId }
    await refresh(site.limited, user, headers)
    await change('update auth_private.rate_limits set points = 1000000')
    await expectPassing(refresh(site.limited, user, headers), 'over_request_rate_limit')
  })

  test('a fault of ours', async () => {
    const user = await signIn(node, site.simulator)
    const name = 'auth_private.access_token_claims'
    await change(`alter function ${name}(uuid, timestamptz, jsonb, jsonb) rename to elsewhere`)
    try {
      await expectPassing(refresh(node, user), 'unexpected_failure')
    } finally {
      await change(
        'alter function auth_private.elsewhere(uuid, timestamptz, jsonb, jsonb) rename to access_token_claims',
      )
    }
    expect((await refresh(node, user)).status).toBe(200)
  })
})

describe('2. on 403 MemFire cannot sign out: whatever is wrong with a session is 401 on /logout', () => {
  test.each<[string, string | undefined, string]>([
    ['it has ended', 'delete from auth.sessions where user_id = $1', 'session_not_found'],
    ['its user is banned', `update auth.users set banned_until = 'infinity' where id = $1`, 'user_banned'],
    ['its user is deleted', 'update auth.users set deleted_at = now() where id = $1', 'session_not_found'],
    ['its user is gone', 'delete from auth.users where id = $1', 'session_not_found'],
    ['its token has expired', undefined, 'bad_jwt'],
  ])('%s', async (_name, statement, code) => {
    const user = await signIn(node, site.simulator)
    if (statement) await change(statement, [user.userId])
    const token = statement ? user.accessToken : await expiredToken(node, user.accessToken)
    for (const path of ['/logout', '/logout?scope=global', '/logout?scope=local', '/logout?scope=others']) {
      const { status, body } = await post(`${node.url}/auth/v1${path}`, {}, token)
      expect({ path, status, code: body.error_code }).toEqual({ path, status: 401, code })
    }
  })
})

test('3. MemFire shows little but the status: errors of a tap that want another answer have another one', async () => {
  const { simulator } = site
  const [user, other] = [await signIn(node, simulator), await signIn(node, simulator)]
  const bind = (code: string, token?: string) =>
    post(`${node.url}/auth/v1/wechat_mini/bind_phone`, { code }, token)
  const code = await phoneCode(simulator, freshPhone())
  const phone = freshPhone()
  await bind(code, other.accessToken)
  await bind(await phoneCode(simulator, phone), other.accessToken)
  const answers = [
    await bind('no-code', user.accessToken),
    await bind(code),
    await bind(code, 'x'),
    await bind(code, user.accessToken),
    await bind(await phoneCode(simulator, phone), user.accessToken),
  ]
  for (const errcode of [40013, -1]) {
    simulator.failNext('getuserphonenumber', { errcode })
    answers.push(await bind(await phoneCode(simulator, freshPhone()), user.accessToken))
  }
  expect(answers.map(({ status, body }) => [status, body.error_code])).toEqual([
    [400, 'wechat_code_invalid'],
    [401, 'no_authorization'],
    [403, 'bad_jwt'],
    [409, 'wechat_code_used'],
    [422, 'phone_exists'],
    [500, 'wechat_misconfigured'],
    [503, 'wechat_unavailable'],
  ])
})

test('4. a bind keeps the access token; after a merge it acts as the survivor, and the next refresh carries him', async () => {
  const user = await signIn(node, site.simulator)
  const { rows } = await change('insert into auth.users default values returning id')
  const survivor = rows[0].id
  const code = await phoneCode(site.simulator, freshPhone())
  const bound = await post(`${node.url}/auth/v1/wechat_mini/bind_phone`, { code }, user.accessToken)
  expect(Object.keys(bound.body)).not.toContain('access_token')
  const seen = await send(`${node.url}/auth/v1/user`, { token: user.accessToken })
  expect(seen.body).toEqual(bound.body)

  await change(`select auth.admin_merge_users($1, $2, 'one person')`, [user.userId, survivor])
  const now = await send(`${node.url}/auth/v1/user`, { token: user.accessToken })
  expect(now.body.id).toBe(survivor)
  const refreshed = await refresh(node, user)
  expect(refreshed.body.user.id).toBe(survivor)
  expect(decodeJwt(refreshed.body.access_token).sub).toBe(survivor)
})

describe('5. expiry is told twice and is not too near, and no user has a key `user`', () => {
  test.each<[string, (user: SignedIn) => Promise<{ body: Record<string, unknown> }>]>([
    [
      'sign-in',
      async ({ openid }) =>
        post(`${node.url}/auth/v1/wechat_mini/login`, { code: await loginCode(site.simulator, openid) }),
    ],
    ['refresh', user => refresh(node, user)],
  ])('%s', async (_name, ask) => {
    const { body } = await ask(await signIn(node, site.simulator))
    expect(Object.keys(body)).toEqual([
      ...['access_token', 'token_type', 'expires_in', 'expires_at', 'refresh_token', 'user'],
    ])
    const { iat, exp } = decodeJwt(body.access_token as string)
    expect(body).toMatchObject({ token_type: 'bearer', expires_in: 3600, expires_at: exp })
    expect(exp! - iat!).toBe(3600)
  })

  test('the last minutes of a session that is limited: 300 seconds', async () => {
    const env = { SESSION_TIMEBOX: '3600' }
    const boxed = await startNode({ db: site.db, wechatUrl: site.simulator.url, env })
    const user = await signIn(boxed, site.simulator)
    await change(`update auth.sessions set created_at = now() - interval '59 minutes' where user_id = $1`, [
      user.userId,
    ])
    const { body } = await refresh(boxed, user).finally(() => boxed.close())
    expect(body.expires_in).toBe(300)
  })

  test('users', async () => {
    const { simulator } = site
    const { openid, userId, accessToken } = await signIn(node, simulator)
    const at = (path: string) => `${node.url}/auth/v1${path}`
    const key = node.services.apiKeys.serviceRole
    const put = (path: string, token: string) =>
      send(at(path), { method: 'PUT', body: '{}', headers: { 'content-type': 'application/json' }, token })
    const answers = [
      await send(at('/user'), { token: accessToken }),
      await put('/user', accessToken),
      await post(
        at('/wechat_mini/bind_phone'),
        { code: await phoneCode(simulator, freshPhone()) },
        accessToken,
      ),
      await post(at('/wechat_mini/bind_account'), { code: await loginCode(simulator, openid) }, accessToken),
      await send(at(`/admin/users/${userId}`), { token: key }),
      await put(`/admin/users/${userId}`, key),
      await post(at('/admin/users'), {}, key),
    ]
    for (const { status, body } of answers) {
      expect({ status, body }).toMatchObject({ status: 200, body: { aud: 'authenticated' } })
      expect(body).not.toHaveProperty('user')
    }
  })
})

test('6. auth-js reads one digit after the first = of each link: page comes first', async () => {
  await change('delete from auth.users')
  const key = node.services.apiKeys.serviceRole
  for (let count = 0; count < 5; count++) await post(`${node.url}/auth/v1/admin/users`, {}, key)
  const linksOf = async (query: string) => {
    const { headers } = await send(`${node.url}/auth/v1/admin/users${query}`, { token: key })
    expect(headers.get('x-total-count')).toBe('5')
    return headers.get('link')!.split(', ')
  }
  const link = (page: number, rel: string) => `</auth/v1/admin/users?page=${page}&per_page=2>; rel="${rel}"`
  expect(await linksOf('?page=1&per_page=2')).toEqual([link(2, 'next'), link(3, 'last')])
  expect(await linksOf('?per_page=2&page=3')).toEqual([link(3, 'last')])
  expect(await linksOf('')).toEqual(['</auth/v1/admin/users?page=1&per_page=50>; rel="last"'])
})
