import { SIMULATOR_APP_ID, SIMULATOR_APP_SECRET } from '../../src/simulator/app_id.ts'
import {
  type Answer,
  freshOpenid,
  freshPhone,
  graphql,
  loginCode,
  phoneCode,
  post,
  type SignedIn,
  send,
  signIn,
} from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { everyRound } from '../support/rounds.ts'
import { type Node, startNode, startSimulator, type TestSimulator } from '../support/service.ts'

// What a user does with his own account, through both entrances.

const OTHER_APP = 'wx00000000000000aa'

let db: TestDatabase
let simulator: TestSimulator
let node: Node
let other: Node

beforeAll(async () => {
  db = await createDatabase()
  simulator = await startSimulator({
    apps: { [SIMULATOR_APP_ID]: SIMULATOR_APP_SECRET, [OTHER_APP]: 'theothersapp5ecret' },
  })
  const env = { ACCOUNT_DELETION: 'on', WECHAT_APPS: JSON.stringify({ [OTHER_APP]: 'theothersapp5ecret' }) }
  node = await startNode({ db, wechatUrl: simulator.url, env })
  other = await startNode({ db, wechatUrl: simulator.url, env: { ...env, ACCOUNT_DELETION: 'off' } })
})
afterAll(async () => {
  await node.close()
  await other.close()
  await simulator.close()
  await db.drop()
})

interface Result {
  status: number
  code?: string
  message?: string
  // biome-ignore lint/suspicious/noExplicitAny: what a body holds is for the assertions to say
  user?: any
}

const fromRest = ({ status, body }: Answer): Result =>
  status >= 400 ? { status, code: body.error_code, message: body.msg } : { status, user: body }

const fromGraphql = ({ status, body }: Answer, name: string): Result => {
  const error = body.errors?.[0]
  return error
    ? { status, code: error.extensions?.code, message: error.message }
    : { status, user: body.data[name].user }
}

const USER = 'user { id phone wechat_id: wechatId wechat_unionid: wechatUnionid user_metadata: userMetadata }'

interface Entrance {
  update(at: Node, data: unknown, token?: string): Promise<Result>
  bindAccount(at: Node, code: unknown, token?: string, headers?: object): Promise<Result>
  unlink(at: Node, id: unknown, token?: string): Promise<Result>
  remove(at: Node, token?: string): Promise<Result>
}

const entrances: Record<string, Entrance> = {
  GraphQL: {
    update: async (at, data, token) =>
      fromGraphql(
        await graphql(
          at,
          `mutation ($d: JSON!) { updateCurrentUser(input: { userMetadata: $d }) { ${USER} } }`,
          { d: data },
          token,
        ),
        'updateCurrentUser',
      ),
    bindAccount: async (at, code, token, headers) =>
      fromGraphql(
        await graphql(
          at,
          `mutation ($c: String!) { wechatBindAccount(input: { code: $c }) { ${USER} } }`,
          { c: code },
          token,
          headers,
        ),
        'wechatBindAccount',
      ),
    unlink: async (at, id, token) =>
      fromGraphql(
        await graphql(
          at,
          `mutation ($i: UUID!) { unlinkIdentity(input: { identityId: $i }) { ${USER} } }`,
          { i: id },
          token,
        ),
        'unlinkIdentity',
      ),
    remove: async (at, token) =>
      fromGraphql(
        await graphql(at, 'mutation { deleteCurrentUser(input: {}) { clientMutationId } }', {}, token),
        'deleteCurrentUser',
      ),
  },
  REST: {
    update: async (at, data, token) =>
      fromRest(
        await send(`${at.url}/auth/v1/user`, {
          method: 'PUT',
          body: JSON.stringify({ data, code_challenge: null, code_challenge_method: null }),
          token,
          headers: { 'content-type': 'application/json' },
        }),
      ),
    bindAccount: async (at, code, token, headers) =>
      fromRest(await post(`${at.url}/auth/v1/wechat_mini/bind_account`, { code }, token, headers)),
    unlink: async (at, id, token) =>
      fromRest(await send(`${at.url}/auth/v1/user/identities/${id}`, { method: 'DELETE', token })),
    remove: async (at, token) => fromRest(await send(`${at.url}/auth/v1/user`, { method: 'DELETE', token })),
  },
}

/** So many objects, one in the other, and something in the last. */
const nested = (levels: number, inside: unknown = {}): unknown =>
  levels === 1 ? inside : { in: nested(levels - 1, inside) }

const metadata = async ({ userId }: SignedIn) =>
  (await db.row<{ user_metadata: object }>('select user_metadata from auth.users where id = $1', [userId]))
    .user_metadata
const identities = (userId: string) =>
  db.rows<{ id: string; appid: string; provider_id: string }>(
    'select id, appid, provider_id from auth.identities where user_id = $1 order by created_at, id',
    [userId],
  )
const actions = async (userId: string) =>
  (
    await db.rows<{ action: string }>(
      'select action from auth.audit_log_entries where user_id = $1 order by id',
      [userId],
    )
  ).map(({ action }) => action)

const inOtherApp = { 'x-wechat-appid': OTHER_APP }
const otherAppCode = (openid: string, more = {}) =>
  loginCode(simulator, openid, { appid: OTHER_APP, ...more })

async function signInTo(appid: string, openid: string, more = {}): Promise<SignedIn> {
  const code = await loginCode(simulator, openid, { appid, ...more })
  const { body } = await post(`${node.url}/auth/v1/wechat_mini/login`, { code }, undefined, {
    'x-wechat-appid': appid,
  })
  return { openid, userId: body.user.id, accessToken: body.access_token, refreshToken: body.refresh_token }
}

describe.each(Object.entries(entrances))('%s', (name, { update, bindAccount, unlink, remove }) => {
  const failed = name === 'GraphQL' ? 200 : undefined

  describe('metadata', () => {
    test('is merged key by key, null takes a key away, and the next token has it', async () => {
      const user = await signIn(node, simulator)
      await update(node, { name: '小明', tags: { a: 1 }, gone: true }, user.accessToken)
      const updated = await update(node, { tags: { b: 2 }, gone: null, age: 7 }, user.accessToken)
      const expected = { name: '小明', tags: { b: 2 }, age: 7 }
      expect(updated.user.user_metadata).toEqual(expected)
      expect(await metadata(user)).toEqual(expected)
      const { body } = await post(`${node.url}/auth/v1/token?grant_type=refresh_token`, {
        refresh_token: user.refreshToken,
      })
      const claims = JSON.parse(Buffer.from(body.access_token.split('.')[1], 'base64url').toString())
      expect(claims.user_metadata).toEqual(expected)
      expect(await actions(user.userId)).toContain('user_updated')
    })

    test.each([
      ['a list', [1]],
      ['a text', 'text'],
      ['a number', 1],
      ['a NUL', { key: 'a\0b' }],
      ['a NUL in a key', { 'a\0b': 1 }],
      ['half a character', { key: ['\ud800'] }],
      ['50 levels', { deep: JSON.parse('['.repeat(50) + ']'.repeat(50)) }],
      ['5,000 bytes', { key: 'x'.repeat(5000) }],
      ['1,600 Chinese characters', { key: '号'.repeat(1600) }],
    ])('is not %s', async (_what, value) => {
      const user = await signIn(node, simulator)
      expect(await update(node, value, user.accessToken)).toMatchObject({
        code: 'validation_failed',
        status: failed ?? 400,
      })
      expect(await metadata(user)).toEqual({})
    })

    test.each([
      ['as deep as may be', nested(32), true],
      ['one level deeper', nested(33), false],
      ['__proto__ at the deepest level', nested(32, JSON.parse('{"__proto__": 1}')), false],
      [
        'everything that JSON has',
        { t: '文', n: -1.5e300, z: 0, b: false, l: [null, {}], o: { i: null } },
        true,
      ],
    ])('is, or is not: %s', async (_what, value, isTaken) => {
      const user = await signIn(node, simulator)
      const { code } = await update(node, value, user.accessToken)
      expect(code).toBe(isTaken ? undefined : 'validation_failed')
      expect(await metadata(user)).toEqual(isTaken ? value : {})
    })

    test('that was too large already may become smaller', async () => {
      const user = await signIn(node, simulator)
      await db.rows('update auth.users set user_metadata = $2 where id = $1', [
        user.userId,
        { a: 'x'.repeat(5000), b: 'y'.repeat(5000) },
      ])
      expect(await update(node, { b: null }, user.accessToken)).toMatchObject({ user: expect.anything() })
      expect(await update(node, { c: 1 }, user.accessToken)).toMatchObject({ code: 'validation_failed' })
    })

    test('is the user’s own: nobody else has any', async () => {
      for (const token of [undefined, node.services.apiKeys.anon, node.services.apiKeys.serviceRole]) {
        expect(await update(node, { name: 'x' }, token)).toMatchObject({
          code: 'no_authorization',
          status: failed ?? 401,
        })
      }
    })
  })

  describe('another WeChat identity', () => {
    test('is linked, and signs in the same user from then on', async () => {
      const user = await signIn(node, simulator)
      const openid = freshOpenid()
      const bound = await bindAccount(node, await otherAppCode(openid), user.accessToken, inOtherApp)
      expect(bound).toMatchObject({ user: { id: user.userId, wechat_id: user.openid } })
      expect(await signInTo(OTHER_APP, openid)).toMatchObject({ userId: user.userId })
      expect((await identities(user.userId)).map(({ provider_id }) => provider_id)).toEqual([
        user.openid,
        openid,
      ])
      expect(await actions(user.userId)).toContain('identity_linked')
    })

    test('that is his own is success, and nothing is written', async () => {
      const user = await signIn(node, simulator)
      const before = await actions(user.userId)
      const again = await bindAccount(node, await loginCode(simulator, user.openid), user.accessToken)
      expect(again).toMatchObject({ user: { id: user.userId } })
      expect(await actions(user.userId)).toEqual(before)
    })

    test.each([
      ['another user’s', async () => (await signInTo(OTHER_APP, freshOpenid())).openid, OTHER_APP],
      ['a second one of the same app', async () => freshOpenid(), undefined],
    ])('that is %s is refused', async (_what, openidOf, appid) => {
      const user = await signIn(node, simulator)
      const openid = await openidOf()
      const code = await loginCode(simulator, openid, appid ? { appid } : {})
      const headers = appid ? { 'x-wechat-appid': appid } : {}
      expect(await bindAccount(node, code, user.accessToken, headers)).toMatchObject({
        code: 'identity_already_exists',
        status: failed ?? 422,
      })
      expect(await identities(user.userId)).toHaveLength(1)
    })

    test('brings its unionid, unless another user has that', async () => {
      const [user, rival] = [await signIn(node, simulator), await signIn(node, simulator)]
      const unionid = freshOpenid()
      const first = await otherAppCode(freshOpenid(), { unionid })
      expect(await bindAccount(node, first, user.accessToken, inOtherApp)).toMatchObject({
        user: { wechat_unionid: unionid },
      })
      const second = await otherAppCode(freshOpenid(), { unionid })
      const bound = await bindAccount(node, second, rival.accessToken, inOtherApp)
      expect(bound.user.wechat_unionid ?? '').toBe('')
    })

    test('needs a living session before the code is spent', async () => {
      const user = await signIn(node, simulator)
      await db.rows('delete from auth.sessions where user_id = $1', [user.userId])
      const openid = freshOpenid()
      const code = await otherAppCode(openid)
      expect(await bindAccount(node, code, user.accessToken, inOtherApp)).toMatchObject({
        code: 'session_not_found',
      })
      const { status } = await post(`${node.url}/auth/v1/wechat_mini/login`, { code }, undefined, inOtherApp)
      expect(status).toBe(200)
    })

    test.each([
      ['an unknown code', 'nobody-made-this-code', 'wechat_code_invalid'],
      ['an empty code', '', 'validation_failed'],
    ])('with %s is refused', async (_what, code, expected) => {
      const user = await signIn(node, simulator)
      expect(await bindAccount(node, code, user.accessToken)).toMatchObject({ code: expected })
    })
  })

  describe('an identity that is unlinked', () => {
    test('signs in another user from then on, also where it has the unionid', async () => {
      const unionid = freshOpenid()
      const openid = freshOpenid()
      const user = await signIn(node, simulator)
      await bindAccount(node, await otherAppCode(openid, { unionid }), user.accessToken, inOtherApp)
      const linked = (await identities(user.userId)).find(({ appid }) => appid === OTHER_APP)!
      const left = await unlink(node, linked.id, user.accessToken)
      expect(left).toMatchObject({ user: { id: user.userId, wechat_id: user.openid } })
      expect(left.user.wechat_unionid ?? '').toBe('')
      expect((await signInTo(OTHER_APP, openid, { unionid })).userId).not.toBe(user.userId)
      expect(await actions(user.userId)).toContain('identity_unlinked')
    })

    test('gives its place as wechat_id to one that is left', async () => {
      const openid = freshOpenid()
      const user = await signIn(node, simulator)
      await bindAccount(node, await otherAppCode(openid), user.accessToken, inOtherApp)
      const [first] = await identities(user.userId)
      expect(await unlink(node, first!.id, user.accessToken)).toMatchObject({ user: { wechat_id: openid } })
    })

    test('is never the last one', async () => {
      const user = await signIn(node, simulator)
      const [only] = await identities(user.userId)
      expect(await unlink(node, only!.id, user.accessToken)).toMatchObject({
        code: 'single_identity_not_deletable',
        status: failed ?? 422,
      })
      expect(await identities(user.userId)).toHaveLength(1)
    })

    test.each([
      ['somebody else’s', async () => (await identities((await signIn(node, simulator)).userId))[0]!.id],
      ['nobody’s', async () => '00000000-0000-4000-8000-000000000000'],
      ['not a uuid', async () => 'no-uuid'],
    ])('is refused where it is %s', async (_what, idOf) => {
      const user = await signIn(node, simulator)
      const id = await idOf()
      const before = await db.row('select count(*) from auth.identities')
      const answer = await unlink(node, id, user.accessToken)
      expect(answer.code).toBe('validation_failed')
      expect(await db.row('select count(*) from auth.identities')).toEqual(before)
    })
  })

  describe('an account that its user deletes', () => {
    test('forgets him: the same openid and phone begin anew, and old tokens are dead', async () => {
      const user = await signIn(node, simulator)
      const phone = freshPhone()
      const bind = async (token: string) =>
        post(`${node.url}/auth/v1/wechat_mini/bind_phone`, { code: await phoneCode(simulator, phone) }, token)
      expect((await bind(user.accessToken)).status).toBe(200)
      await update(node, { name: '小明' }, user.accessToken)
      expect((await remove(node, user.accessToken)).status).toBe(name === 'REST' ? 204 : 200)

      expect(await update(node, { a: 1 }, user.accessToken)).toMatchObject({ code: 'session_not_found' })
      const refreshed = await post(`${node.url}/auth/v1/token?grant_type=refresh_token`, {
        refresh_token: user.refreshToken,
      })
      expect(refreshed).toMatchObject({ status: 400, body: { error_code: 'refresh_token_not_found' } })
      const { created_at, updated_at, last_sign_in_at, ...row } = await db.row<Record<string, unknown>>(
        'select * from auth.users where id = $1',
        [user.userId],
      )
      expect(row).toEqual({
        id: user.userId,
        phone: null,
        phone_confirmed_at: null,
        phone_raw: null,
        phone_revision: expect.any(Number),
        wechat_id: null,
        wechat_unionid: null,
        app_metadata: {},
        user_metadata: {},
        banned_until: null,
        deleted_at: expect.any(Date),
        merged_into: null,
      })
      const [identity] = await identities(user.userId)
      expect(identity!.provider_id).toBe(`deleted-${identity!.id}`)
      expect(await actions(user.userId)).toContain('user_deleted')
      expect(
        await db.rows(`select data from auth_private.events where type = 'user.deleted' and user_id = $1`, [
          user.userId,
        ]),
      ).toEqual([{ data: { hard: false } }])

      const next = await signIn(node, simulator, user.openid)
      expect(next.userId).not.toBe(user.userId)
      expect((await bind(next.accessToken)).status).toBe(200)
    })

    test('stays where the service does not allow it', async () => {
      const user = await signIn(node, simulator)
      expect(await remove(other, user.accessToken)).toMatchObject({
        code: 'validation_failed',
        message: 'Accounts cannot be deleted by their users here',
        status: failed ?? 400,
      })
      expect(await update(node, { a: 1 }, user.accessToken)).toMatchObject({ user: { id: user.userId } })
    })
  })
})

describe('what PUT /user cannot change', () => {
  test.each([
    'phone',
    'email',
    'password',
    'current_password',
    'nonce',
    'app_metadata',
    'user_metadata',
    'role',
    'id',
    'ban_duration',
  ])('%s is refused by name, whatever else is in the body', async field => {
    const user = await signIn(node, simulator)
    const put = (body: object) =>
      send(`${node.url}/auth/v1/user`, {
        method: 'PUT',
        token: user.accessToken,
        body: JSON.stringify(body),
        headers: { 'content-type': 'application/json' },
      })
    expect(await put({ data: { a: 1 }, [field]: 'anything' })).toMatchObject({
      status: 400,
      body: { error_code: 'validation_failed', msg: expect.stringMatching(new RegExp(`^${field} `)) },
    })
    expect(await metadata(user)).toEqual({})
    expect(await put({ data: { a: 1 }, [field]: null })).toMatchObject({ status: 200 })
    expect(await metadata(user)).toEqual({ a: 1 })
  })
})

test('the identities are listed in both entrances', async () => {
  const user = await signIn(node, simulator)
  const listed = await graphql(
    node,
    '{ currentUserIdentities { id provider appid providerId unionid createdAt lastSignInAt } }',
    {},
    user.accessToken,
  )
  const rest = await send(`${node.url}/auth/v1/user`, { token: user.accessToken })
  const [identity] = rest.body.identities
  expect(listed.body.data.currentUserIdentities).toEqual([
    {
      id: identity.identity_id,
      provider: 'wechat_mini',
      appid: identity.identity_data.appid,
      providerId: user.openid,
      unionid: null,
      createdAt: expect.any(String),
      lastSignInAt: expect.any(String),
    },
  ])
  const nobodys = await graphql(node, '{ currentUserIdentities { id } }')
  expect(nobodys.body).toEqual({ data: { currentUserIdentities: null } })
})

describe('at once, over two nodes', () => {
  test.each(everyRound)('one openid is bound to two accounts: one wins, the other is told (%d)', async () => {
    const users = [await signIn(node, simulator), await signIn(other, simulator)]
    const openid = freshOpenid()
    const codes = [await otherAppCode(openid), await otherAppCode(openid)]
    const results = await Promise.all(
      users.map((user, i) =>
        entrances.REST!.bindAccount([node, other][i]!, codes[i], user.accessToken, inOtherApp),
      ),
    )
    expect(results.map(({ code }) => code ?? 'bound').sort()).toEqual(['bound', 'identity_already_exists'])
    const owner = users[results.findIndex(({ code }) => code === undefined)]!
    expect(await signInTo(OTHER_APP, openid)).toMatchObject({ userId: owner.userId })
  })

  test.each(everyRound)(
    'an openid is bound, and signs in for the first time: it is one user’s (%d)',
    async () => {
      const user = await signIn(node, simulator)
      const openid = freshOpenid()
      const unionid = freshOpenid()
      const code = await otherAppCode(openid, { unionid })
      const [bound, signedIn] = await Promise.all([
        entrances.REST!.bindAccount(node, code, user.accessToken, inOtherApp),
        signInTo(OTHER_APP, openid, { unionid }),
      ])
      const isBound = bound.code === undefined
      if (!isBound) expect(bound.code).toBe('identity_already_exists')
      expect(signedIn.userId === user.userId).toBe(isBound)
    },
  )

  test.each(everyRound)('the last two identities are unlinked: one stays (%d)', async () => {
    const user = await signIn(node, simulator)
    await entrances.REST!.bindAccount(node, await otherAppCode(freshOpenid()), user.accessToken, inOtherApp)
    const both = await identities(user.userId)
    const results = await Promise.all(
      both.map(({ id }, i) => entrances.GraphQL!.unlink([node, other][i]!, id, user.accessToken)),
    )
    expect(results.map(({ code }) => code ?? 'unlinked').sort()).toEqual([
      'single_identity_not_deletable',
      'unlinked',
    ])
    expect(await identities(user.userId)).toHaveLength(1)
  })

  test.each(everyRound)('an identity is unlinked, and signs in: the session is its user’s (%d)', async () => {
    const user = await signIn(node, simulator)
    const openid = freshOpenid()
    await entrances.REST!.bindAccount(node, await otherAppCode(openid), user.accessToken, inOtherApp)
    const linked = (await identities(user.userId)).find(({ appid }) => appid === OTHER_APP)!
    const [signedIn] = await Promise.all([
      signInTo(OTHER_APP, openid),
      entrances.REST!.unlink(other, linked.id, user.accessToken),
    ])
    const again = await signInTo(OTHER_APP, openid)
    // Either the sign-in was first, and the session is the old user's; or he was new.
    if (signedIn.userId !== user.userId) expect(again.userId).toBe(signedIn.userId)
    expect(again.userId).not.toBe(user.userId)
  })

  test.each(everyRound)(
    'an account is deleted, and signs in: nobody gets a session of a deleted user (%d)',
    async () => {
      const user = await signIn(node, simulator)
      const [signedIn] = await Promise.all([
        signIn(other, simulator, user.openid),
        entrances.REST!.remove(node, user.accessToken),
      ])
      expect(
        await db.rows(
          'select s.id from auth.sessions s join auth.users u on u.id = s.user_id where u.deleted_at is not null',
        ),
      ).toEqual([])
      const { status } = await send(`${node.url}/auth/v1/user`, { token: signedIn.accessToken })
      expect(status).toBe(signedIn.userId === user.userId ? 403 : 200)
    },
  )
})
