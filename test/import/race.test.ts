import { setTimeout as sleep } from 'node:timers/promises'
import { bindEntrances, freshOpenid, loginCode, phoneCode, post, signIn } from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { everyRound } from '../support/rounds.ts'
import { type Node, startNode, startSimulator, type TestSimulator } from '../support/service.ts'
import { createSource, everything, idOf, importInto } from './fixture.ts'

// The service goes on while users are imported: the same people sign in, and others bind what are their phones.

const USERS = 200
const BINDERS = 20
let db: TestDatabase
let made: TestDatabase
let simulator: TestSimulator
let node: Node
beforeAll(async () => {
  ;[db, made, simulator] = await Promise.all([createDatabase(), createSource('memfire'), startSimulator()])
  node = await startNode({ db, wechatUrl: simulator.url, env: { DATABASE_POOL_SIZE: '20' } })
})
afterAll(async () => {
  await node.close()
  await simulator.close()
  await Promise.all([db.drop(), made.drop()])
})

const phoneOf = (number: number) => String(13_100_000_000 + number)
/** At some moment of the import. */
const soon = () => sleep(Math.random() * 400)

test.each(everyRound)('nobody is doubled, halved or refused; round %i', async round => {
  const numbers = Array.from({ length: USERS }, (_, index) => round * 1000 + index)
  await made.rows(
    `insert into auth.users (id, wechat_id, wechat_unionid, phone, phone_confirmed_at)
     select ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'o-' || n, case when n % 2 = 0 then 'u-' || n end,
       13100000000 + n, now()
     from generate_series($1::integer, $2::integer) as n`,
    [numbers[0], numbers.at(-1)],
  )
  const codes = await Promise.all(
    numbers.map(number =>
      loginCode(simulator, `o-${number}`, number % 4 < 2 ? { unionid: `u-${number}` } : {}),
    ),
  )
  const taps = await Promise.all(
    numbers.slice(0, BINDERS).map(async number => ({
      number,
      token: (await signIn(node, simulator, freshOpenid())).accessToken,
      code: await phoneCode(simulator, phoneOf(number)),
    })),
  )
  const options = { source: { from: made.ownerUrl }, bareNumbers: 'china' as const, skipConflicts: true }

  const [imported, signIns, binds] = await Promise.all([
    importInto(db, { ...options, batch: 20 }),
    Promise.all(
      codes.map(async code => soon().then(() => post(`${node.url}/auth/v1/wechat_mini/login`, { code }))),
    ),
    Promise.all(
      taps.map(async ({ code, token }) => soon().then(() => bindEntrances['REST POST']!(node, code, token))),
    ),
  ])

  const inConflict = new Map(
    numbers.map(number => [number, imported.conflicts.filter(line => line.includes(idOf(number))).join()]),
  )
  const outcomes = numbers.map((number, index) => {
    const { status, body } = signIns[index]!
    const isImported = body.user?.id === idOf(number)
    return [status, isImported || /openid_taken|unionid_taken|phone_taken/.test(inConflict.get(number)!)]
  })
  expect(outcomes).toEqual(numbers.map(() => [200, true]))
  for (const [index, { number }] of taps.entries()) {
    const isBound = binds[index]!.code === undefined
    const owners = await db.rows<{ id: string }>('select id from auth.users where phone = $1', [
      `+86${phoneOf(number)}`,
    ])
    expect(owners).toHaveLength(1)
    expect(owners[0]!.id === idOf(number)).toBe(!isBound)
    if (isBound) expect(inConflict.get(number)).toMatch(/openid_taken|unionid_taken|phone_taken/)
    else expect(binds[index]!.code).toBe('phone_exists')
  }
  const halves = await db.rows(
    `select u.id from auth.users u where (select count(*) from auth.identities i where i.user_id = u.id) <> 1`,
  )
  expect(halves).toEqual([])
  const before = await everything(db)
  const { summary } = await importInto(db, options)
  expect(summary).toMatchObject({ imported: 0, conflicts: expect.any(Number) })
  expect(await everything(db)).toEqual(before)
})
