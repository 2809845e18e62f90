import { Writable } from 'node:stream'
import { createLog } from '../../src/log.ts'
import { createFetch, type Fetch } from '../../src/wechat/http.ts'
import { bindEntrances, freshPhone, phoneCode, type SignedIn, signIn } from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { record } from '../support/leaks.ts'
import { startProxy, type Wire } from '../support/proxy.ts'
import { type Node, startNode, startSimulator, type TestSimulator } from '../support/service.ts'

// What happens to a bind between its two statements, and what the operator reads of it.

const bind = bindEntrances['REST POST']!

let db: TestDatabase
let simulator: TestSimulator
let proxy: Wire
let node: Node
/** Runs when WeChat has answered, and before the service knows. */
let onAnswer: () => unknown = () => {}
const lines: { level: number; msg: string; ageSeconds?: number; err?: { message: string } }[] = []

beforeAll(async () => {
  db = await createDatabase()
  simulator = await startSimulator()
  proxy = await startProxy(db.webUrl)
  const real = createFetch(2_000)
  const fetch: Fetch = async (url, init) => {
    const response = await real(url, init)
    if (url.includes('getuserphonenumber')) await onAnswer()
    return response
  }
  const stream = new Writable({
    write(chunk, _encoding, done) {
      record('log', String(chunk))
      lines.push(JSON.parse(String(chunk)))
      done()
    },
  })
  node = await startNode({
    db: { ...db, webUrl: proxy.url },
    wechatUrl: simulator.url,
    fetch,
    log: createLog('debug', stream),
  })
})
afterEach(async () => {
  onAnswer = () => {}
  await proxy.mend()
  lines.length = 0
})
afterAll(async () => {
  await node.close()
  await proxy.close()
  await simulator.close()
  await db.drop()
})

const warnings = (text: string) => lines.filter(({ level, msg }) => level === 40 && msg === text)
const tap = (phone = freshPhone()) => phoneCode(simulator, phone)
const phoneOf = ({ userId }: SignedIn) => db.row('select phone from auth.users where id = $1', [userId])
const now = () => Math.floor(Date.now() / 1000)

describe('the age of the watermark', () => {
  test.each<[what: string, timestamp: () => number | undefined, age: number | null | undefined]>([
    ['of now', now, undefined],
    ['nine minutes old', () => now() - 540, undefined],
    ['nine minutes ahead', () => now() + 540, undefined],
    ['eleven minutes old', () => now() - 660, 660],
    ['eleven minutes ahead', () => now() + 660, -660],
    ['not told', () => undefined, null],
  ])('%s', async (_what, timestamp, age) => {
    const user = await signIn(node, simulator)
    const code = await tap()
    const watermark = { appid: node.services.config.wechat.defaultAppid, timestamp: timestamp() }
    simulator.failNext('getuserphonenumber', { phoneInfo: { watermark } })
    expect(await bind(node, code, user.accessToken)).toMatchObject({ code: undefined })
    const told = warnings('the watermark has an odd age')
    expect(told).toHaveLength(age === undefined ? 0 : 1)
    if (age === null) expect(told[0]!.ageSeconds).toBeNull()
    // The machine may be busy for a while between the two clocks.
    else if (age !== undefined) expect(Math.abs(told[0]!.ageSeconds! - age)).toBeLessThan(60)
  })
})

test('a claim that cannot be given back is told of, and the error is WeChat’s', async () => {
  const user = await signIn(node, simulator)
  const code = await tap()
  simulator.failNext('getuserphonenumber', { errcode: -1 })
  onAnswer = () => proxy.shut()
  expect(await bind(node, code, user.accessToken)).toMatchObject({ code: 'wechat_unavailable', status: 503 })
  expect(warnings('a claim runs out instead of being released')).toHaveLength(1)
})

describe.each<[why: string, change: string, code: string]>([
  ['the session ends', 'delete from auth.sessions where user_id = $1', 'session_not_found'],
  ['the user is banned', `update auth.users set banned_until = 'infinity' where id = $1`, 'user_banned'],
])('%s while WeChat is asked', (_why, change, code) => {
  test('the phone is nobody’s, and whoever has the code is told to tap again', async () => {
    const [user, other] = [await signIn(node, simulator), await signIn(node, simulator)]
    const sent = await tap()
    onAnswer = () => db.rows(change, [user.userId])
    expect(await bind(node, sent, user.accessToken)).toMatchObject({ code, status: 403 })
    onAnswer = () => {}
    expect(await phoneOf(user)).toEqual({ phone: null })
    const before = simulator.callCounts.getuserphonenumber
    expect(await bind(node, sent, other.accessToken)).toMatchObject({ code: 'wechat_code_invalid' })
    expect(simulator.callCounts.getuserphonenumber).toBe(before)
    expect(await phoneOf(other)).toEqual({ phone: null })
  })
})
