import { randomUUID } from 'node:crypto'
import {
  bindEntrances,
  freshOpenid,
  freshPhone,
  graphql,
  loginCode,
  phoneCode,
  post,
  send,
} from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { servers } from '../support/servers.ts'
import { type Node, startNode, startSimulator, type TestSimulator } from '../support/service.ts'

// A managed PostgreSQL: nobody is a superuser. The web service has a login of its own, with a name that somebody else
// chose, which is a member of authenticator and of nothing else.

const SESSION = 'session { accessToken refreshToken user { id phone } }'
const SIGN_IN = `mutation ($code: String!) { wechatSignIn(input: { code: $code }) { ${SESSION} } }`
const REFRESH = `mutation ($token: String!) { refreshSession(input: { refreshToken: $token }) { ${SESSION} } }`
const SIGN_OUT = 'mutation { signOut(input: {}) { clientMutationId } }'

interface Tokens {
  accessToken: string
  refreshToken: string
}
const entrances = {
  GraphQL: {
    bind: bindEntrances.GraphQL!,
    signIn: async (node: Node, code: string): Promise<Tokens> =>
      (await graphql(node, SIGN_IN, { code })).body.data.wechatSignIn.session,
    refresh: async (node: Node, token: string): Promise<Tokens> =>
      (await graphql(node, REFRESH, { token })).body.data.refreshSession.session,
    phone: async (node: Node, token: string) =>
      (await graphql(node, '{ currentUser { phone } }', {}, token)).body.data.currentUser.phone,
    signOut: async (node: Node, token: string) => (await graphql(node, SIGN_OUT, {}, token)).body.errors,
    error: async (node: Node, token: string) =>
      (await graphql(node, '{ currentUser { id } }', {}, token)).body.errors[0].extensions.code,
  },
  REST: {
    bind: bindEntrances['REST POST']!,
    signIn: async (node: Node, code: string): Promise<Tokens> =>
      tokensOf((await post(`${node.url}/auth/v1/wechat_mini/login`, { code })).body),
    refresh: async (node: Node, refresh_token: string): Promise<Tokens> =>
      tokensOf((await post(`${node.url}/auth/v1/token?grant_type=refresh_token`, { refresh_token })).body),
    phone: async (node: Node, token: string) =>
      `+86${(await send(`${node.url}/auth/v1/user`, { token })).body.phone}`,
    signOut: async (node: Node, token: string) =>
      (await send(`${node.url}/auth/v1/logout`, { method: 'POST', token })).body.error_code,
    error: async (node: Node, token: string) =>
      (await send(`${node.url}/auth/v1/user`, { token })).body.error_code,
  },
}
const tokensOf = (body: Record<string, string>) => ({
  accessToken: body.access_token!,
  refreshToken: body.refresh_token!,
})

describe.each(servers)('on $name', server => {
  const login = `web_${randomUUID().replaceAll('-', '')}`
  let db: TestDatabase
  let simulator: TestSimulator
  let node: Node

  beforeAll(async () => {
    db = await createDatabase({ server })
    simulator = await startSimulator()
    await db.owner.query(`create role ${login} login password 'secret' in role authenticator`)
    const url = new URL(db.webUrl)
    url.username = login
    url.password = 'secret'
    node = await startNode({
      db: { ...db, webUrl: url.href },
      wechatUrl: simulator.url,
      env: { RATE_LIMITS: 'on' },
    })
  })
  afterAll(async () => {
    await node.close()
    await simulator.close()
    await db.drop()
    await dropRole()
  })
  /** In another database: this one is gone. */
  async function dropRole() {
    const other = await createDatabase({ server, migrated: false })
    await other.owner.query(`drop role ${login}`)
    await other.drop()
  }

  test('neither login is a superuser, and the web service is a member of authenticator only', async () => {
    const flags = `rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication`
    expect(
      await db.row(
        `select ${flags}, rolname = current_user as owner from pg_roles where rolname = session_user`,
      ),
    ).toEqual({
      rolsuper: false,
      rolbypassrls: false,
      rolcreaterole: true,
      rolcreatedb: true,
      rolreplication: false,
      owner: true,
    })
    const { rows } = await node.services.db.pool.query(
      `select session_user::text as login, ${flags},
         array(select roleid::regrole::text from pg_auth_members where member = session_user::regrole) as member_of
       from pg_roles where rolname = session_user`,
    )
    expect(rows).toEqual([
      {
        login,
        rolsuper: false,
        rolbypassrls: false,
        rolcreaterole: false,
        rolcreatedb: false,
        rolreplication: false,
        member_of: ['authenticator'],
      },
    ])
  })

  test.each(Object.entries(entrances))('%s: sign in, bind, refresh, sign out', async (_name, entrance) => {
    const first = await entrance.signIn(node, await loginCode(simulator, freshOpenid()))
    const phone = freshPhone()
    const bound = await entrance.bind(node, await phoneCode(simulator, phone), first.accessToken)
    expect(bound).toMatchObject({ code: undefined, phone: `+86${phone}` })
    const { accessToken } = await entrance.refresh(node, first.refreshToken)
    expect(await entrance.phone(node, accessToken)).toBe(`+86${phone}`)
    expect(await entrance.signOut(node, accessToken)).toBeUndefined()
    expect(await entrance.error(node, accessToken)).toBe('session_not_found')
  })

  test('the service answers that it is ready', async () => {
    expect((await send(`${node.url}/health/ready`)).status).toBe(200)
  })
})
