import { loginCode, post, type SignedIn, signIn, signInEntrances } from '../support/client.ts'
import { type AdminBench, auditOf, everything, startAdminBench, whoIs } from './admin_fixture.ts'

// Banning, and what it stops.

let bench: AdminBench
let user: SignedIn

beforeAll(async () => {
  bench = await startAdminBench()
})
beforeEach(async () => {
  user = await signIn(bench.node, bench.simulator)
})
afterAll(() => bench.close())

const put = (id: string, body: object) => bench.admin('PUT', `/users/${id}`, body)
const get = (id: string) => bench.admin('GET', `/users/${id}`)

describe('ban_duration', () => {
  const login = async () => {
    const code = await loginCode(bench.simulator, user.openid)
    return (await signInEntrances['REST POST']!(bench.node, code)).code
  }
  const refresh = async () =>
    (
      await post(`${bench.node.url}/auth/v1/token?grant_type=refresh_token`, {
        refresh_token: user.refreshToken,
      })
    ).body.error_code

  test('stops access tokens at once, refresh and sign-in too; none lets all live again', async () => {
    expect(await whoIs(bench.node, user)).toEqual([user.userId, user.userId])
    const { body } = await put(user.userId, { ban_duration: '24h', reason: 'spam' })
    const hours = (Date.parse(body.banned_until) - Date.now()) / 3_600_000
    expect(hours).toBeGreaterThan(23.9)
    expect(hours).toBeLessThan(24.1)
    expect(await whoIs(bench.node, user)).toEqual(['user_banned', 'user_banned'])
    expect([await login(), await refresh()]).toEqual(['user_banned', 'user_banned'])

    expect((await put(user.userId, { ban_duration: 'none' })).body).not.toHaveProperty('banned_until')
    expect(await whoIs(bench.node, user)).toEqual([user.userId, user.userId])
    expect([await login(), await refresh()]).toEqual([undefined, undefined])
    expect((await auditOf(bench.db, user.userId)).filter(({ action }) => action.endsWith('banned'))).toEqual([
      {
        action: 'user_banned',
        actor: 'admin:authenticator',
        details: { reason: 'spam', until: expect.any(String) },
      },
      {
        action: 'user_unbanned',
        actor: 'admin:authenticator',
        details: { reason: 'over REST, with the service-role key' },
      },
    ])
  })

  test('of a thousand years is shown, and none where there is no ban writes nothing', async () => {
    expect((await put(user.userId, { ban_duration: '8766000h' })).body.banned_until).toMatch(/^30\d\d-/)
    await put(user.userId, { ban_duration: 'none' })
    const before = await everything(bench.db)
    for (const ban_duration of ['none', '0', '0s']) await put(user.userId, { ban_duration })
    expect(await everything(bench.db)).toEqual(before)
  })

  test('for good, in SQL, is a date that clients can read', async () => {
    await bench.db.rows(`update auth.users set banned_until = 'infinity' where id = $1`, [user.userId])
    expect(Date.parse((await get(user.userId)).body.banned_until)).toBe(Date.parse('9999-12-31T23:59:59Z'))
  })

  test('that has passed is not shown', async () => {
    await bench.db.rows(`update auth.users set banned_until = '2020-01-01' where id = $1`, [user.userId])
    expect((await get(user.userId)).body).not.toHaveProperty('banned_until')
    expect(await whoIs(bench.node, user)).toEqual([user.userId, user.userId])
  })
})
