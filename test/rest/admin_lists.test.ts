import { AuthAdminApi } from '@supabase/auth-js'
import { freshOpenid, type SignedIn, signIn } from '../support/client.ts'
import { type Node, startNode } from '../support/service.ts'
import { type AdminBench, freshE164, mergeInto, request, startAdminBench } from './admin_fixture.ts'

// Lists: who is in them, in which order, on which page, and who is found by what.

let bench: AdminBench

beforeAll(async () => {
  bench = await startAdminBench()
})
afterAll(() => bench.close())

const idsOf = (users: { id: string }[]) => users.map(({ id }) => id)
const list = async (query = '') => {
  const { status, headers, body } = await bench.admin('GET', `/users${query}`)
  return {
    status,
    total: headers.get('x-total-count'),
    link: headers.get('link'),
    ids: idsOf(body.users),
    body,
  }
}

describe('25 users', () => {
  /** Newest first; two of one moment by their ids. */
  let expected: string[]
  let api: InstanceType<typeof AuthAdminApi>

  beforeAll(async () => {
    await bench.db.rows('delete from auth.users')
    for (let count = 0; count < 27; count++) await signIn(bench.node, bench.simulator)
    const rows = await bench.db.rows<{ id: string }>('select id from auth.users order by id')
    const [deleted, merged, ...living] = idsOf(rows) as [string, string, ...string[]]
    await bench.admin('DELETE', `/users/${deleted}`, { should_soft_delete: true })
    await mergeInto(bench.db, merged, living[0]!)
    // Three of each moment, whatever the order of making them was.
    for (const [index, id] of living.entries()) {
      await bench.db.rows(
        `update auth.users set created_at = timestamptz '2020-01-01' + $2 * interval '1 hour' where id = $1`,
        [id, Math.floor(index / 3)],
      )
    }
    expected = living
      .map((id, index) => ({ id, moment: Math.floor(index / 3) }))
      .sort((a, b) => b.moment - a.moment || (a.id < b.id ? -1 : 1))
      .map(({ id }) => id)
    api = new AuthAdminApi({
      url: `${bench.node.url}/auth/v1`,
      headers: { authorization: `Bearer ${bench.node.services.apiKeys.serviceRole}` },
    })
  })

  test('are all on one page, newest first; who was deleted or merged is not there', async () => {
    expect(await list()).toMatchObject({
      status: 200,
      total: '25',
      ids: expected,
      link: '</auth/v1/admin/users?page=1&per_page=50>; rel="last"',
      body: { aud: 'authenticated' },
    })
  })

  test('are walked by auth-js, page by page', async () => {
    const seen: string[] = []
    for (let page: number | null = 1; page !== null; ) {
      const { data, error }: Awaited<ReturnType<typeof api.listUsers>> = await api.listUsers({
        page,
        perPage: 10,
      })
      if (error) throw error
      expect(data).toMatchObject({ total: 25, lastPage: 3 })
      seen.push(...idsOf(data.users))
      page = data.nextPage
    }
    expect(seen).toEqual(expected)
  })

  test('are listed by auth-js without any parameters', async () => {
    const { data, error } = await api.listUsers()
    expect({ error, ids: idsOf(data.users) }).toEqual({ error: null, ids: expected })
  })

  test.each([
    ['?page=1&per_page=10', [0, 10], ['2', '3']],
    ['?per_page=10', [0, 10], ['2', '3']],
    ['?page=2&per_page=10', [10, 20], ['3', '3']],
    ['?page=3&per_page=10', [20, 25], [undefined, '3']],
    ['?page=4&per_page=10', [25, 25], [undefined, '3']],
    ['?page=1000000&per_page=1000', [25, 25], [undefined, '1']],
    ['?page=5&per_page=5', [20, 25], [undefined, '5']],
    ['?page=24&per_page=1', [23, 24], ['25', '25']],
    ['?page=&per_page=&filter=', [0, 25], [undefined, '1']],
    ['?page=1&per_page=1000', [0, 25], [undefined, '1']],
  ])('%s', async (query, [from, to], [next, last]) => {
    const { status, total, link, ids } = await list(query)
    expect({ status, total, ids }).toEqual({ status: 200, total: '25', ids: expected.slice(from, to) })
    const pages = Object.fromEntries(
      link!.split(', ').map(part => [/rel="(\w+)"/.exec(part)![1], /\?page=(\d+)&/.exec(part)![1]]),
    )
    expect(pages).toEqual({ last, ...(next && { next }) })
  })

  test('following "next" comes by all of them', async () => {
    const seen: string[] = []
    for (let path: string | undefined = '/users?per_page=7'; path; ) {
      const { headers, body } = await bench.admin('GET', path)
      seen.push(...idsOf(body.users))
      path = /<\/auth\/v1\/admin([^>]*)>; rel="next"/.exec(headers.get('link')!)?.[1]
    }
    expect(seen).toEqual(expected)
  })
})

describe('a search', () => {
  let user: SignedIn
  const phone = freshE164()
  const national = phone.slice(3)
  const enc = encodeURIComponent

  beforeAll(async () => {
    user = await signIn(bench.node, bench.simulator, `o_${freshOpenid()}`)
    await bench.admin('PUT', `/users/${user.userId}`, { phone })
    await signIn(bench.node, bench.simulator)
  })

  test.each<[string, () => string]>([
    ['E.164', () => `?phone=${enc(phone)}`],
    ['E.164 whose plus became a space', () => `?phone=${phone}`],
    ['digits', () => `?phone=${phone.slice(1)}`],
    ['the national number that REST shows', () => `?phone=${national}`],
    ['E.164 as filter', () => `?filter=${enc(phone)}`],
    ['E.164 as filter, whose plus became a space', () => `?filter=${phone}`],
    ['digits as filter', () => `?filter=${phone.slice(1)}`],
    ['the national number as filter', () => `?filter=${national}`],
    ['openid', () => `?openid=${user.openid}`],
    ['openid as filter', () => `?filter=${user.openid}`],
    ['id', () => `?id=${user.userId}`],
    ['id in capitals', () => `?id=${user.userId.toUpperCase()}`],
    ['id as filter', () => `?filter=${user.userId}`],
    ['all of them', () => `?id=${user.userId}&openid=${user.openid}&phone=${national}`],
  ])('by %s finds the one', async (_what, query) => {
    expect(await list(query())).toMatchObject({ status: 200, total: '1', link: null, ids: [user.userId] })
  })

  test.each<[string, () => string]>([
    ['another phone', () => '?phone=%2B8613999999999'],
    ['the beginning of a phone', () => `?phone=${phone.slice(1, 9)}`],
    ['an unknown id', () => '?id=00000000-0000-0000-0000-000000000000'],
    ['an unknown openid', () => '?openid=o-nobody'],
    ['a pattern', () => '?filter=%25'],
    ['a piece of SQL', () => `?openid=${enc("' or true --")}`],
    ['characters of other alphabets', () => `?filter=${enc('小明 😀')}`],
    ['two that belong to two', () => `?phone=${national}&openid=o-nobody`],
    ['a page that is not there', () => `?phone=${national}&page=2`],
  ])('by %s finds nobody', async (_what, query) => {
    expect(await list(query())).toMatchObject({ status: 200, ids: [] })
  })

  test('by a bare number that is one of the mainland, or one of North America with its country code, finds both', async () => {
    const other = await signIn(bench.node, bench.simulator)
    await bench.admin('PUT', `/users/${other.userId}`, { phone: '+14155552671' })
    const mainland = await signIn(bench.node, bench.simulator)
    await bench.admin('PUT', `/users/${mainland.userId}`, { phone: '+8614155552671' })
    expect((await list('?phone=14155552671')).ids.sort()).toEqual([other.userId, mainland.userId].sort())
    expect((await list('?phone=%2B14155552671')).ids).toEqual([other.userId])
  })

  test.each([
    ['deleted', (id: string) => bench.admin('DELETE', `/users/${id}`, { should_soft_delete: true })],
    ['merged', (id: string) => mergeInto(bench.db, id, user.userId)],
  ])('does not find one who was %s', async (_what, end) => {
    const gone = await signIn(bench.node, bench.simulator)
    const his = freshE164()
    await bench.admin('PUT', `/users/${gone.userId}`, { phone: his })
    await end(gone.userId)
    for (const query of [`?phone=${enc(his)}`, `?openid=${gone.openid}`, `?id=${gone.userId}`]) {
      expect((await list(query)).ids).toEqual([])
    }
  })
})

describe.each<['wechat' | 'e164' | 'gotrue', mainland: (national: string) => string, abroad: string]>([
  ['wechat', national => national, '+85251234567'],
  ['e164', national => `+86${national}`, '+85251234567'],
  ['gotrue', national => `86${national}`, '85251234567'],
])('PHONE_FORMAT=%s', (format, mainland, abroad) => {
  let node: Node
  beforeAll(async () => {
    node = await startNode({ db: bench.db, wechatUrl: bench.simulator.url, env: { PHONE_FORMAT: format } })
  })
  afterAll(() => node.close())

  test('holds for every answer, and what is shown is found', async () => {
    const admin = (method: string, path: string, body?: object) =>
      request(node, method, path, node.services.apiKeys.serviceRole, body)
    const phone = freshE164()
    for (const [given, shown] of [
      [phone, mainland(phone.slice(3))],
      ['+85251234567', abroad],
    ] as const) {
      const created = (await admin('POST', '/users', { phone: given })).body
      const { id } = created
      const answers = [
        created,
        (await admin('GET', `/users/${id}`)).body,
        (await admin('PUT', `/users/${id}`, { phone: given })).body,
        (await admin('GET', `/users?phone=${encodeURIComponent(shown)}`)).body.users[0],
        (await admin('GET', `/users?phone=${shown}`)).body.users[0],
      ]
      expect(answers.map(answer => [answer.id, answer.phone])).toEqual(answers.map(() => [id, shown]))
      await admin('DELETE', `/users/${id}`)
    }
  })
})
