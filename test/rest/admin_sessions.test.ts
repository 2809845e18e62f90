import { type SignedIn, signIn } from '../support/client.ts'
import {
  type AdminBench,
  auditOf,
  everything,
  freshE164,
  startAdminBench,
  told,
  whoIs,
} from './admin_fixture.ts'

// Sessions, listed and ended; and the audit log.

let bench: AdminBench
let first: SignedIn
let second: SignedIn

beforeAll(async () => {
  bench = await startAdminBench()
})
beforeEach(async () => {
  first = await signIn(bench.node, bench.simulator)
  second = await signIn(bench.node, bench.simulator, first.openid)
})
afterAll(() => bench.close())

const sessionIdOf = ({ accessToken }: SignedIn): string =>
  JSON.parse(Buffer.from(accessToken.split('.')[1]!, 'base64url').toString()).session_id
const path = ({ userId }: SignedIn, session = '') => `/users/${userId}/sessions${session && `/${session}`}`

describe('sessions', () => {
  test('are listed, newest first', async () => {
    const { status, body } = await bench.admin('GET', path(first))
    const row = (user: SignedIn) => ({
      id: sessionIdOf(user),
      user_id: first.userId,
      created_at: expect.any(String),
      refreshed_at: expect.any(String),
    })
    expect({ status, body }).toEqual({ status: 200, body: { sessions: [row(second), row(first)] } })
  })

  test('of one who has none are an empty list', async () => {
    const { body } = await bench.admin('POST', '/users', {})
    expect((await bench.admin('GET', `/users/${body.id}/sessions`)).body).toEqual({ sessions: [] })
  })

  test('a thousand at most are listed', async () => {
    await bench.db.rows(
      "insert into auth.sessions (user_id, created_at) select $1, now() - i * interval '1 day' from generate_series(1, 1100) i",
      [first.userId],
    )
    const { sessions } = (await bench.admin('GET', path(first))).body
    expect(sessions).toHaveLength(1_000)
    expect(sessions.slice(0, 2).map(({ id }: { id: string }) => id)).toEqual([second, first].map(sessionIdOf))
  })

  test('one is ended; the other lives', async () => {
    const answer = await bench.admin('DELETE', path(first, sessionIdOf(first)), {
      reason: `lost ${freshE164()}`,
    })
    expect([answer.status, answer.body]).toEqual([200, { ended: 1 }])
    expect(await whoIs(bench.node, first)).toEqual(['session_not_found', 'session_not_found'])
    expect(await whoIs(bench.node, second)).toEqual([first.userId, first.userId])
    expect((await auditOf(bench.db, first.userId)).at(-1)).toEqual({
      action: 'sessions_ended',
      actor: 'admin:authenticator',
      details: { reason: expect.stringMatching(/^lost \*\*\*\*\d{4}$/), sessions: 1 },
    })
  })

  test('all are ended, and again there are none', async () => {
    expect((await bench.admin('DELETE', path(first))).body).toEqual({ ended: 2 })
    for (const user of [first, second]) {
      expect(await whoIs(bench.node, user)).toEqual(['session_not_found', 'session_not_found'])
    }
    const before = await everything(bench.db)
    expect((await bench.admin('DELETE', path(first))).body).toEqual({ ended: 0 })
    expect(await everything(bench.db)).toEqual(before)
    await signIn(bench.node, bench.simulator, first.openid)
  })

  test.each<[string, (other: SignedIn) => string]>([
    ['of another user', other => sessionIdOf(other)],
    ['that never was', () => '00000000-0000-0000-0000-000000000000'],
  ])('one %s is not found, and lives', async (_what, idOf) => {
    const other = await signIn(bench.node, bench.simulator)
    const before = await everything(bench.db)
    expect(told(await bench.admin('DELETE', path(first, idOf(other))))).toMatchObject({
      status: 404,
      code: 'session_not_found',
    })
    expect(await everything(bench.db)).toEqual(before)
  })
})

describe('the audit log', () => {
  const audit = async (query = '') => {
    const { status, headers, body } = await bench.admin('GET', `/audit${query}`)
    expect(status).toBe(200)
    return { total: Number(headers.get('x-total-count')), link: headers.get('link'), entries: body }
  }
  // biome-ignore lint/suspicious/noExplicitAny: what a body holds is for the assertions to say
  const idsOf = (entries: any[]) => entries.map(({ id }) => Number(id))

  test("shows an entry in GoTrue's frame, its phone masked", async () => {
    const phone = freshE164()
    await bench.admin('PUT', `/users/${first.userId}`, { phone, reason: `called from ${phone}` })
    const { entries } = await audit(`?user_id=${first.userId}`)
    const end = `****${phone.slice(-4)}`
    expect(entries[0]).toEqual({
      id: expect.stringMatching(/^\d+$/),
      created_at: expect.any(String),
      payload: {
        action: 'phone_bound',
        user_id: first.userId,
        actor: 'admin:authenticator',
        session_id: null,
        details: { source: 'admin', reason: `called from ${end}`, phone: `${phone.slice(0, 6)}${end}` },
      },
      ip_address: '',
    })
    expect(JSON.stringify(entries)).not.toContain(phone.slice(3))
  })

  test('is in the order of writing, newest first, and walked by "next"', async () => {
    const all = await bench.db.rows<{ id: string }>('select id from auth.audit_log_entries order by id desc')
    expect(all.length).toBeGreaterThan(10)
    const seen: number[] = []
    for (let query: string | undefined = '?per_page=4'; query !== undefined; ) {
      const { total, link, entries } = await audit(query)
      expect(total).toBe(all.length)
      seen.push(...idsOf(entries))
      query = /<\/auth\/v1\/admin\/audit([^>]*)>; rel="next"/.exec(link!)?.[1]
    }
    expect(seen).toEqual(all.map(({ id }) => Number(id)))
  })

  test('is filtered by user and action, and the links keep the filter', async () => {
    for (const ban_duration of ['1h', '2h', '3h'])
      await bench.admin('PUT', `/users/${second.userId}`, { ban_duration })
    await bench.admin('PUT', `/users/${(await signIn(bench.node, bench.simulator)).userId}`, {
      ban_duration: '1h',
    })
    const filter = `&user_id=${second.userId}&action=user_banned`
    const { total, link, entries } = await audit(`?per_page=2${filter}`)
    expect([total, entries.length]).toEqual([3, 2])
    expect(link).toBe(
      `</auth/v1/admin/audit?page=2&per_page=2${filter}>; rel="next", </auth/v1/admin/audit?page=2&per_page=2${filter}>; rel="last"`,
    )
    for (const { payload } of entries) {
      expect(payload).toMatchObject({ action: 'user_banned', user_id: second.userId })
    }
    expect((await audit('?action=user_banned')).total).toBe(4)
    expect((await audit('?action=nothing_of_ours')).entries).toEqual([])
    expect((await audit('?user_id=00000000-0000-0000-0000-000000000000')).total).toBe(0)
  })

  test('outlives the user', async () => {
    await bench.admin('DELETE', `/users/${first.userId}`)
    const { entries } = await audit(`?user_id=${first.userId}`)
    expect(entries[0].payload).toMatchObject({ action: 'user_deleted', details: { hard: true } })
  })

  test('is counted up to 100,000 entries beyond the page', async () => {
    await bench.db.rows(
      `insert into auth.audit_log_entries (action, actor) select 'much', 'user' from generate_series(1, 100500)`,
    )
    expect(await audit('?action=much&per_page=100')).toMatchObject({ total: 100_000 })
    expect(await audit('?action=much&per_page=100&page=3')).toMatchObject({ total: 100_200 })
    expect(await audit('?action=much&per_page=100&page=1005')).toMatchObject({ total: 100_500 })
    expect((await audit('?action=much&per_page=1000&page=101')).entries).toHaveLength(500)
  })
})
