import { randomUUID } from 'node:crypto'
import type { RequestListener } from 'node:http'
import { catalogue, type ErrorCode } from '../../src/errors.ts'
import { SIMULATOR_APP_SECRET } from '../../src/simulator/index.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { type RawRequest, sendRequest } from '../support/raw.ts'
import { refusalOf } from '../support/refusals.ts'
import { entrancesOf, graphqlRequest, operations, withToken } from '../support/requests.ts'
import { rowCounts } from '../support/rows.ts'
import { type Node, startNode } from '../support/service.ts'
import { startServer } from '../wechat/harness.ts'
import {
  answer,
  deadTokens,
  goodPhones,
  nonsense,
  ofDeadTokens,
  ofErrcodes,
  phone,
  phoneInfo,
  phones,
  SECRET,
  sessions,
  slow,
} from './bad_wechat_answers.ts'

// Whatever WeChat answers, on every entrance: what is told, how often WeChat was asked, and what is left behind.

const endpoints = ['stable_token', 'jscode2session', 'getuserphonenumber', 'getwxacodeunlimit'] as const
type Endpoint = (typeof endpoints)[number]
const none = () => ({ stable_token: 0, jscode2session: 0, getuserphonenumber: 0, getwxacodeunlimit: 0 })

let made = 0
const token: RequestListener = (req, res) => {
  made += 1
  answer({ access_token: `${SECRET}-token-${made}`, expires_in: 7_200 })(req, res)
}
/** A WeChat of this test's own: what it does at each endpoint, and how often it was asked. */
const good: Record<Endpoint, RequestListener> = {
  stable_token: token,
  jscode2session: (req, res) => answer({ openid: `o-${randomUUID()}`, session_key: SECRET })(req, res),
  getuserphonenumber: phoneInfo(phone()),
  getwxacodeunlimit: answer(Buffer.from('ffd8ffe000104a464946', 'hex')),
}
let behaviour = good
let calls = none()

/** How far the clock of the processes has been put forward. */
let minutes = 0
const { now } = Date

let db: TestDatabase
let wechat: Awaited<ReturnType<typeof startServer>>
let node: Node
/** A node that waits for WeChat for a short time only. */
let hasty: Node
let accessToken: string

beforeAll(async () => {
  Date.now = () => now() + minutes * 31_000
  wechat = await startServer((req, res) => {
    const endpoint = endpoints.find(name => req.url?.includes(name))
    if (!endpoint) throw new Error(`a redirect was followed to ${req.url}`)
    calls[endpoint] += 1
    behaviour[endpoint](req, res)
  })
  db = await createDatabase()
  node = await startNode({ db, wechatUrl: wechat.url, env: { JWT_EXPIRY: '86400' } })
  hasty = await startNode({ db, wechatUrl: wechat.url, env: { WECHAT_TIMEOUT_MS: '500' } })
  accessToken = (await send(operations['sign in']['REST POST']('a-code'))).body.access_token
  // So that an access token is there, and a case is about one call alone.
  for (const at of [node, hasty]) await send(operations.bind['REST POST'](randomUUID()), at)
})
beforeEach(async () => {
  behaviour = good
  calls = none()
  await db.rows('update auth_private.wechat_access_tokens set retry_at = null, forced_at = null')
})
afterAll(async () => {
  Date.now = now
  await node.close()
  await hasty.close()
  await wechat.close()
  await db.drop()
})

const send = (request: RawRequest, at = node) =>
  sendRequest(at.url, accessToken ? withToken(request, accessToken) : request)

/** The operations that ask WeChat, and by which of its interfaces. */
const asking = {
  'sign in': { endpoint: 'jscode2session', entrances: entrancesOf('sign in') },
  link: { endpoint: 'jscode2session', entrances: entrancesOf('link') },
  bind: { endpoint: 'getuserphonenumber', entrances: entrancesOf('bind') },
  'mini program code': {
    endpoint: 'getwxacodeunlimit',
    entrances: [
      [
        'GraphQL',
        scene =>
          graphqlRequest(
            'mutation ($v: String!) { wechatUnlimitedQrcode(input: { scene: $v }) { imgBase64 } }',
            {
              v: scene.slice(0, 32),
            },
          ),
      ],
      [
        'REST POST',
        scene => ({
          method: 'POST',
          target: '/auth/v1/wechat_mini/unlimited_qrcode',
          headers: [['content-type', 'application/json']],
          body: JSON.stringify({ scene: scene.slice(0, 32) }),
        }),
      ],
    ],
  },
} satisfies Record<string, { endpoint: Endpoint; entrances: [string, (input: string) => RawRequest][] }>
type Asking = keyof typeof asking

/** The same of every entrance at once, each with a code of its own. */
async function everywhere(operation: Asking, listener?: RequestListener) {
  const at = slow.some(one => one[1] === listener) ? hasty : node
  const sent = asking[operation].entrances.map(([entrance, make]) => ({ entrance, code: randomUUID(), make }))
  const answers = await Promise.all(sent.map(({ make, code }) => send(make(code), at)))
  return sent.map(({ entrance, code }, index) => ({ entrance, code, answer: answers[index]! }))
}

/** What every entrance told, Retry-After and all that holds for every refusal included (refusalOf). */
function expectTold(answers: Awaited<ReturnType<typeof everywhere>>, told: ErrorCode) {
  const { status } = catalogue[told]
  for (const { entrance, code, answer } of answers) {
    const refusal = refusalOf(answer, [SECRET, code, SIMULATOR_APP_SECRET, accessToken])
    expect({ entrance, ...refusal }).toEqual({
      entrance,
      status: entrance === 'GraphQL' ? 200 : status,
      code: told,
    })
  }
}

/** What was refused may be tried again, by the processes' clock and by the database's. */
async function waitIsOver() {
  for (const { services } of [node, hasty]) await services.wechat.token.settle()
  minutes += 1
  await db.rows('update auth_private.wechat_access_tokens set retry_at = null, forced_at = null')
}

const isDeadToken = (name: string) => deadTokens.some(code => name === `errcode ${code}`)

/**
 * How often one request asks: once where a code is in it, as it may be spent; a refused access token is replaced first, and
 * replaced again where the other one had been there before; an image is drawn again after what may pass.
 */
function timesOf(operation: Asking, name: string): [least: number, most: number] {
  const hasCode = operation !== 'mini program code'
  const hasToken = operation === 'bind' || !hasCode
  if (isDeadToken(name) && hasToken) return [2, 3]
  const mayPass = /^errcode -1$|^HTTP 5|reset|an end before/.test(name)
  return hasCode || !mayPass ? [1, 1] : [3, 3]
}

describe.each(Object.keys(asking) as Asking[])('%s', operation => {
  const { endpoint, entrances } = asking[operation]
  const ofOperation = operation === 'sign in' || operation === 'link' ? sessions : []
  const images = nonsense.filter(([name]) => operation !== 'mini program code' || name !== 'an image')

  test.each([...ofErrcodes, ...ofDeadTokens, ...images, ...slow, ...ofOperation])(
    '%s: told, counted, and nothing is left behind',
    async (name, listener, told) => {
      const before = await rowCounts(db)
      behaviour = { ...good, [endpoint]: listener }
      const words = operation === 'mini program code' && name === 'errcode 85096' ? 'validation_failed' : told
      expectTold(await everywhere(operation, listener), words)
      const [least, most] = timesOf(operation, name)
      expect(calls[endpoint]).toBeGreaterThanOrEqual(entrances.length * least)
      expect(calls[endpoint]).toBeLessThanOrEqual(entrances.length * most)
      const after = await rowCounts(db)
      // The ledger keeps codes; what it keeps of them is the next test's.
      expect(after).toEqual({
        ...before,
        ...(operation === 'bind' && { codes: after.codes, entries: after.entries }),
      })
    },
  )
})

describe('binding', () => {
  const verdicts: ErrorCode[] = ['wechat_code_invalid', 'wechat_phone_unusable']

  test.each([...ofErrcodes, ...ofDeadTokens, ...nonsense, ...slow, ...phones])(
    '%s: no phone, and the code is kept or given back',
    async (_name, listener, told) => {
      const before = await rowCounts(db)
      behaviour = { ...good, getuserphonenumber: listener }
      const answers = await everywhere('bind', listener)
      expectTold(answers, told)
      const entries = before.entries + (told === 'wechat_phone_unusable' ? 3 : 0)
      expect(await rowCounts(db)).toEqual({ ...before, codes: before.codes + 3, entries })

      // What WeChat said of a code stays said; otherwise the next attempt may be luckier.
      behaviour = good
      calls = none()
      const again = await send(operations.bind['REST POST'](answers[0]!.code))
      if (verdicts.includes(told)) expect(refusalOf(again).code).toBe(told)
      else expect(again).toMatchObject({ status: 200, body: { phone: '13800138000' } })
      expect(calls.getuserphonenumber).toBe(verdicts.includes(told) ? 0 : 1)
    },
  )

  test.each(goodPhones)('%s: a phone all the same', async (_name, listener) => {
    behaviour = { ...good, getuserphonenumber: listener }
    for (const {
      answer: { status, body },
    } of await everywhere('bind', listener))
      expect([status, body.phone ?? body.data.wechatBindPhone.user.phone]).toEqual([
        200,
        expect.stringMatching(/13800138000$/),
      ])
  })

  const dead = answer({ errcode: 40001, errmsg: 'dead' })
  const some = nonsense.filter(([name]) => /empty|HTML|cut|null|fraction|HTTP [35]02|reset/.test(name))
  test.each([
    ...ofErrcodes.filter(([, , told]) => ['wechat_unavailable', 'wechat_misconfigured'].includes(told)),
    ...ofDeadTokens,
    ...some,
    ...slow.slice(0, 1),
    ...[undefined, null, '', 7, [SECRET], {}].map((access_token): (typeof nonsense)[number] => [
      `access_token ${JSON.stringify(access_token)}`,
      answer({ access_token, expires_in: 7_200 }),
      'wechat_unavailable',
    ]),
    ...[undefined, null, '', 0, -1, 1e9, 'soon', 0.5].map((expires_in): (typeof nonsense)[number] => [
      `expires_in ${JSON.stringify(expires_in)}`,
      answer({ access_token: SECRET, expires_in }),
      'wechat_unavailable',
    ]),
  ])('%s for an access token: no code is sent with it', async (_name, listener, told) => {
    const before = await rowCounts(db)
    behaviour = { ...good, stable_token: listener, getuserphonenumber: dead, getwxacodeunlimit: dead }
    const answers = await everywhere('bind', listener)
    expectTold(answers, told)
    expect(await rowCounts(db)).toEqual({ ...before, codes: before.codes + 3 })
    await waitIsOver()
    expectTold(await everywhere('mini program code', listener), told)
    // The next one fetches a token that works.
    await waitIsOver()
    behaviour = good
    const again = await send(operations.bind['REST POST'](answers[0]!.code))
    expect(again).toMatchObject({ status: 200, body: { phone: '13800138000' } })
  })
})

test('no connection to WeChat at all', async () => {
  const nobody = await startServer(() => {})
  await nobody.close()
  const alone = await startNode({ db, wechatUrl: nobody.url })
  try {
    for (const operation of ['sign in', 'bind'] as const)
      for (const [entrance, make] of entrancesOf(operation)) {
        const refusal = refusalOf(await sendRequest(alone.url, withToken(make(randomUUID()), accessToken)))
        expect(refusal).toEqual({ status: entrance === 'GraphQL' ? 200 : 503, code: 'wechat_unavailable' })
      }
  } finally {
    await alone.close()
  }
})
