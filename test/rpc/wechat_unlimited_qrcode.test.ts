import { rules } from '../../src/limits/rules.ts'
import type { Fault } from '../../src/simulator/index.ts'
import { decodeImage, isCodeOf, lineColorOf } from '../simulator/images.ts'
import { type Answer, graphql, post, type SignedIn, send, signIn } from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { type Node, startNode, startSimulator, type TestSimulator } from '../support/service.ts'

const apps = { wx1111111111111111: 'first secret', wx2222222222222222: 'second secret' }
const [first, second] = Object.keys(apps) as [string, string]
const env = {
  WECHAT_APP_ID: first,
  WECHAT_APP_SECRET: apps.wx1111111111111111,
  WECHAT_APPS: JSON.stringify({ [second]: apps.wx2222222222222222 }),
}

let db: TestDatabase
let simulator: TestSimulator
let node: Node
let user: SignedIn

beforeAll(async () => {
  db = await createDatabase()
  simulator = await startSimulator({ apps, pages: ['pages/index/index'] })
  node = await startNode({ db, wechatUrl: simulator.url, env })
  user = await signIn(node, simulator)
})
afterAll(async () => {
  await node.close()
  await simulator.close()
  await db.drop()
})

const asked = () => simulator.callCounts.getwxacodeunlimit

interface Outcome {
  status: number
  imgBase64?: unknown
  /** The catalogue's name; undefined: success. */
  code?: string | undefined
  message?: string
  wechat?: unknown
}

/** Parameters in WeChat's spelling, whatever the entrance. */
type Make = (parameters: object, token?: string, headers?: object) => Promise<Outcome>

const restUrl = () => `${node.url}/auth/v1/wechat_mini/unlimited_qrcode`
const QUERY = `mutation ($input: WechatUnlimitedQrcodeInput!) {
  wechatUnlimitedQrcode(input: $input) { imgBase64 clientMutationId }
}`
const camelCase = (name: string) => name.replace(/_[a-z]/g, part => part[1]!.toUpperCase())

const ofRest = ({ status, body }: Answer): Outcome =>
  status === 200
    ? { status, imgBase64: body.imgBase64 }
    : { status, code: body.error_code, message: body.msg, wechat: body.wechat }
const ofGraphql = ({ status, body }: Answer): Outcome => {
  const error = body.errors?.[0]
  return error
    ? { status, code: error.extensions.code, message: error.message, wechat: error.extensions.wechat }
    : { status, imgBase64: body.data.wechatUnlimitedQrcode.imgBase64 }
}

const entrances: [entrance: 'REST' | 'GraphQL', Make][] = [
  ['REST', async (parameters, token, headers) => ofRest(await post(restUrl(), parameters, token, headers))],
  [
    'GraphQL',
    async (parameters, token, headers) => {
      const input = Object.fromEntries(
        Object.entries(parameters).map(([name, value]) => [camelCase(name), value]),
      )
      return ofGraphql(await graphql(node, QUERY, { input }, token, headers))
    },
  ],
]

const imageOf = ({ imgBase64 }: Outcome) => {
  expect(imgBase64).toMatch(/^[A-Za-z0-9+/]+={0,2}$/)
  return decodeImage(Buffer.from(imgBase64 as string, 'base64'))
}
const textOf = (page: string, scene: string, version = 'release', appid = first) =>
  `wxacode://${appid}/${page}?scene=${encodeURIComponent(scene)}&env_version=${version}`

const scene = 'a'
const everything = {
  ...{ scene: 'id=7&from=o-1', page: 'pages/index/index', check_path: true, env_version: 'trial' },
  ...{ width: 300, auto_color: false, line_color: { r: 0, g: 99, b: 200 }, is_hyaline: false },
}

const nulls = Object.fromEntries(Object.keys(everything).map(name => [name, null]))
const beginning = (message: string) => new RegExp(`^${message.replaceAll('.', '\\.')}`)

/** What both entrances refuse, and how the message begins, in the spelling of REST. */
const bad: [name: string, parameters: object, message: string][] = [
  ['an empty scene', { scene: '' }, 'scene is not 1 to 32 of these characters'],
  ['a long scene', { scene: 'x'.repeat(33) }, 'scene is not 1 to 32'],
  ['a very long scene', { scene: 'x'.repeat(50_000) }, 'scene is not 1 to 32'],
  ...['a b', 'a%20b', '首页', 'a"b', 'a\\b', 'a|b', '{a}', '[a]', '<a>', 'a^b', '`', 'é', '😀'].map(
    (text): [string, object, string] => [`scene ${text}`, { scene: text }, 'scene is not 1 to 32'],
  ),
  ...['a\n', '\0', 'a\u200b', '\ud800'].map((text): [string, object, string] => [
    `scene ${JSON.stringify(text)}`,
    { scene: text },
    'scene is not 1 to 32',
  ]),
  ['an empty page', { scene, page: '' }, 'page is empty'],
  ['a page with a slash', { scene, page: '/pages/index/index' }, 'page begins with a slash'],
  ['a page with a query', { scene, page: 'pages/index/index?a=1' }, 'page has a query'],
  ['a page with a fragment', { scene, page: 'pages/index/index#a' }, 'page has a query'],
  ['a page with a space', { scene, page: 'pages/index index' }, 'page has a space'],
  ['a page with a line end', { scene, page: 'pages/index\n' }, 'page has a space'],
  ['a page with NUL', { scene, page: 'pages\0' }, 'page has a space'],
  ['a page with half a character', { scene, page: 'pages\ud800' }, 'page has a space'],
  ['a page read from right to left', { scene, page: '\u202epages' }, 'page has a space'],
  ['scancode_time in the page', { scene, page: 'pages/scancode_time/a' }, 'page holds scancode_time'],
  ['a page of 256 characters', { scene, page: 'p'.repeat(256) }, 'page is longer than 255'],
  ['another version', { scene, env_version: 'beta' }, 'env_version is neither'],
  ['a version in capitals', { scene, env_version: 'Release' }, 'env_version is neither'],
  ['an empty version', { scene, env_version: '' }, 'env_version is neither'],
  ['a width of 279', { scene, width: 279 }, 'width is not a whole number from 280 to 1280'],
  ['a width of 1281', { scene, width: 1281 }, 'width is not a whole'],
  ['a width of 0', { scene, width: 0 }, 'width is not a whole'],
  ['a width of -430', { scene, width: -430 }, 'width is not a whole'],
  ['too red', { scene, line_color: { r: 256, g: 0, b: 0 } }, 'line_color.r is not a whole number from 0'],
  ['too green', { scene, line_color: { r: 0, g: 1e6, b: 0 } }, 'line_color.g is not a whole'],
  ['less than no blue', { scene, line_color: { r: 0, g: 0, b: -1 } }, 'line_color.b is not a whole'],
  ['two faults', { scene: '', width: 1 }, 'scene is not 1 to 32'],
]

/** What GraphQL knows by its types; REST names the field. */
const badTypes: [name: string, parameters: object, message: string][] = [
  ['nothing', {}, 'scene is missing'],
  ['a scene of null', { scene: null }, 'scene is missing'],
  ['a scene that is a number', { scene: 7 }, 'scene is not a string'],
  ['a scene that is a list', { scene: ['a'] }, 'scene is not a string'],
  ['a page that is a number', { scene, page: 7 }, 'page is not a string'],
  ['a page that is an object', { scene, page: {} }, 'page is not a string'],
  ['check_path in a string', { scene, check_path: 'true' }, 'check_path is not a boolean'],
  ['check_path as a number', { scene, check_path: 1 }, 'check_path is not a boolean'],
  ['auto_color in a string', { scene, auto_color: 'false' }, 'auto_color is not a boolean'],
  ['auto_color as a list', { scene, auto_color: [] }, 'auto_color is not a boolean'],
  ['is_hyaline as a number', { scene, is_hyaline: 0 }, 'is_hyaline is not a boolean'],
  ['is_hyaline that is empty', { scene, is_hyaline: '' }, 'is_hyaline is not a boolean'],
  ['a version that is a number', { scene, env_version: 1 }, 'env_version is neither'],
  ['a version that is a list', { scene, env_version: ['release'] }, 'env_version is neither'],
  ['a width in a string', { scene, width: '430' }, 'width is not a whole'],
  ['a width of 430.5', { scene, width: 430.5 }, 'width is not a whole'],
  ['a width of 1e300', { scene, width: 1e300 }, 'width is not a whole'],
  ['a width that is true', { scene, width: true }, 'width is not a whole'],
  ['a colour in hex', { scene, line_color: '#ff0000' }, 'line_color is not an object'],
  ['a colour that is a list', { scene, line_color: [0, 0, 0] }, 'line_color is not an object'],
  ['an empty colour', { scene, line_color: {} }, 'line_color.r is missing; line_color.g is missing'],
  ['a colour without blue', { scene, line_color: { r: 0, g: 0 } }, 'line_color.b is missing'],
  ['a red of null', { scene, line_color: { r: null, g: 0, b: 0 } }, 'line_color.r is missing'],
  ['half a red', { scene, line_color: { r: 0.5, g: 0, b: 0 } }, 'line_color.r is not a whole'],
  ['a green that is true', { scene, line_color: { r: 0, g: true, b: 0 } }, 'line_color.g is not a whole'],
  ['a blue that is a list', { scene, line_color: { r: 0, g: 0, b: [1] } }, 'line_color.b is not a whole'],
]
const badStrings = ['', ' 1', '1 ', '-1', '+1', '1.0', '0x1', '1e1', '256', '0255', 'ff', '１', 'xxx']

describe.each(entrances)('%s', (entrance, make) => {
  const statusOf = (rest: number) => (entrance === 'GraphQL' ? 200 : rest)
  const spelt = (message: string) => (entrance === 'GraphQL' ? message.replace(/^\S+/, camelCase) : message)

  test('no more than a scene: a JPEG 430 wide, of the main page', async () => {
    const image = imageOf(await make({ scene }))
    expect([image.format, image.width, image.height]).toEqual(['jpeg', 430, 430])
    expect(isCodeOf(textOf('', scene), image)).toBe(true)
  })

  test('every parameter arrives', async () => {
    const image = imageOf(await make(everything))
    const text = textOf('pages/index/index', 'id=7&from=o-1', 'trial')
    expect([image.format, image.width, image.height]).toEqual(['jpeg', 300, 300])
    expect(isCodeOf(text, image)).toBe(true)
    for (const [index, value] of [0, 99, 200].entries())
      expect(Math.abs(lineColorOf(text, image)[index]! - value)).toBeLessThan(16)

    const transparent = imageOf(await make({ ...everything, is_hyaline: true, auto_color: true }))
    expect([transparent.format, transparent.width]).toEqual(['png', 300])
    expect(isCodeOf(text, transparent)).toBe(true)
    expect(lineColorOf(text, transparent)).toEqual([0, 0, 0])
  })

  test('a page that is not published: WeChat refuses it, unless it is told not to look', async () => {
    expect(await make({ scene, page: 'pages/new' })).toMatchObject({
      status: statusOf(400),
      code: 'validation_failed',
      message: expect.stringMatching(/^page is not one that WeChat knows/),
      wechat: { errcode: 41030, rid: expect.any(String) },
    })
    imageOf(await make({ scene, page: 'pages/new', check_path: false }))
  })

  test.each<[string, object]>([
    ['the widest', { scene, width: 1280 }],
    ['the narrowest', { scene, width: 280 }],
    ['all the characters of a scene', { scene: "!#$&'()*+,/:;=?@-._~" }],
    ['a scene of 32 characters', { scene: 'x'.repeat(32) }],
    ['a page of 255 characters', { scene, page: 'p'.repeat(255), check_path: false }],
    ['a Chinese page', { scene, page: '页面/首页', check_path: false }],
    ['null for what need not be', { ...nulls, scene }],
    ['the ends of a colour', { scene, line_color: { r: 0, g: 255, b: 0 } }],
  ])('%s', async (_name, parameters) => {
    expect(imageOf(await make(parameters)).width).toBe((parameters as { width?: number }).width ?? 430)
  })

  test.each(bad)('%s is refused by name, and WeChat is not asked', async (_name, parameters, message) => {
    const before = asked()
    expect(await make(parameters)).toMatchObject({
      status: statusOf(400),
      code: 'validation_failed',
      message: expect.stringMatching(beginning(spelt(message))),
    })
    expect(asked()).toBe(before)
  })

  test('two faults are told together', async () => {
    expect((await make({ scene: '', width: 1 })).message).toMatch(/^scene is .*; width is /)
  })

  test('whoever calls: nobody, the anon key, a user, the service role', async () => {
    const { anon, serviceRole } = node.services.apiKeys
    for (const token of [undefined, anon, user.accessToken, serviceRole])
      imageOf(await make({ scene }, token))
  })

  test('a bad token and one of a dead session are errors, and WeChat is not asked', async () => {
    const gone = await signIn(node, simulator)
    await post(`${node.url}/auth/v1/logout`, {}, gone.accessToken)
    const before = asked()
    expect(await make({ scene }, 'garbage')).toMatchObject({ status: 403, code: 'bad_jwt' })
    expect(await make({ scene }, gone.accessToken)).toMatchObject({
      status: 403,
      code: 'session_not_found',
    })
    expect(asked()).toBe(before)
  })

  test('a user who is banned gets none', async () => {
    const banned = await signIn(node, simulator)
    await db.owner.query(`update auth.users set banned_until = now() + interval '1 hour' where id = $1`, [
      banned.userId,
    ])
    const before = asked()
    expect(await make({ scene }, banned.accessToken)).toMatchObject({ status: 403, code: 'user_banned' })
    expect(asked()).toBe(before)
  })

  test('the header chooses the app', async () => {
    const image = imageOf(await make({ scene }, undefined, { 'x-wechat-appid': second }))
    expect(isCodeOf(textOf('', scene, 'release', second), image)).toBe(true)
    expect(await make({ scene }, undefined, { 'x-wechat-appid': 'wx0' })).toMatchObject({
      status: 500,
      code: 'wechat_misconfigured',
    })
  })

  test('a token of WeChat that has died is replaced unseen', async () => {
    imageOf(await make({ scene }))
    simulator.killTokens()
    const before = asked()
    imageOf(await make({ scene }))
    expect(asked() - before).toBe(2)
  })

  const unavailable: [string, Fault][] = [
    ['HTML', { status: 200, body: '<!doctype html><title>502</title>' }],
    ['JSON that is cut', { status: 200, body: '{"errcode":41030,"errm' }],
    ['an empty body', { status: 200, body: '' }],
    ['a huge body', { status: 200, body: 'x'.repeat(5_000_000) }],
    ['a huge image', { status: 200, body: Buffer.concat([Buffer.from([255, 216, 255]), Buffer.alloc(5e6)]) }],
    ['neither an image nor JSON', { status: 200, body: Buffer.from('GIF89a') }],
    ['ok without an image', { status: 200, body: { errcode: 0, errmsg: 'ok' } }],
    ['an image with HTTP 500', { status: 500, body: Buffer.from([255, 216, 255, 224]) }],
    ['a reset', { reset: true }],
  ]
  const errcode = (value: number): Fault => ({ errcode: value })

  test.each<[string, Fault, string, number, RegExp?]>([
    ...unavailable.map(
      ([name, fault]) => [name, fault, 'wechat_unavailable', 503] as [string, Fault, string, number],
    ),
    ...[-1, 45009, 45011, 99999].map(
      value => [`${value}`, errcode(value), 'wechat_unavailable', 503] as [string, Fault, string, number],
    ),
    ['40097', errcode(40097), 'validation_failed', 400, /scene, page, version, width or colour/],
    ['40129', errcode(40129), 'validation_failed', 400, /^scene /],
    ['40169', errcode(40169), 'validation_failed', 400, /^scene .* 1 to 32/],
    ['41030', errcode(41030), 'validation_failed', 400, /^page /],
    ['85096', errcode(85096), 'validation_failed', 400, /^page .*scancode_time/],
    ...[40013, 40164, 44002, 47001, 48001, 89503].map(
      value => [`${value}`, errcode(value), 'wechat_misconfigured', 500] as [string, Fault, string, number],
    ),
  ])('says what WeChat means by %s', async (name, fault, code, status, message = /./) => {
    // What may pass is tried three times.
    const mayPass = 'reset' in fault || ('status' in fault && fault.status === 500) || name === '-1'
    simulator.failNext('getwxacodeunlimit', fault, { times: mayPass ? 3 : 1 })
    const outcome = await make({ scene })
    expect(outcome).toMatchObject({ status: statusOf(status), code, message: expect.stringMatching(message) })
    expect(outcome.wechat).toEqual(
      'errcode' in fault ? { errcode: Number(name), rid: expect.any(String) } : undefined,
    )
    imageOf(await make({ scene }))
  })
})

test('all that an address asks for counts, by whatever entrance, until it has had enough', async () => {
  const limited = await startNode({ db, wechatUrl: simulator.url, env: { ...env, RATE_LIMITS: 'on' } })
  try {
    const url = `${limited.url}/auth/v1/wechat_mini/unlimited_qrcode`
    const input = { input: { scene } }
    await post(url, { scene })
    await graphql(limited, QUERY, input, user.accessToken)
    await post(url, { scene: '' })
    await post(url, { scene }, limited.services.apiKeys.serviceRole)
    const { points } = rules.wechatUnlimitedQrcode[0]
    expect(
      await db.rows(
        `update auth_private.rate_limits set points = $1 where key like 'wechatUnlimitedQrcode by address%'
         returning (select points from auth_private.rate_limits r where r.key = rate_limits.key)`,
        [points],
      ),
    ).toEqual([{ points: 2 }])
    const before = asked()
    expect(ofRest(await post(url, { scene }))).toMatchObject({ status: 429, code: 'over_request_rate_limit' })
    expect(ofGraphql(await graphql(limited, QUERY, input))).toMatchObject({ code: 'over_request_rate_limit' })
    expect(asked()).toBe(before)
    const own = await post(url, { scene }, limited.services.apiKeys.serviceRole)
    expect(own.status).toBe(200)
  } finally {
    await limited.close()
  }
})

describe('REST alone', () => {
  const [, make] = entrances[0]!

  test.each([
    ...badTypes,
    ...badStrings.map((text): [string, object, string] => [
      `a blue of ${JSON.stringify(text)}`,
      { scene, line_color: { r: '0', g: '0', b: text } },
      'line_color.b is not a whole number from 0 to 255',
    ]),
  ])('%s is refused by name, and WeChat is not asked', async (_name, parameters, message) => {
    const before = asked()
    expect(await make(parameters)).toMatchObject({ status: 400, code: 'validation_failed' })
    expect((await make(parameters)).message).toMatch(beginning(message))
    expect(asked()).toBe(before)
  })

  test('nothing is in the answer but the image', async () => {
    const { body, headers } = await post(restUrl(), { scene })
    expect(Object.keys(body)).toEqual(['imgBase64'])
    expect(headers.get('cache-control')).toBe('no-store')
  })

  test('a colour may be written in strings, as on the page of WeChat', async () => {
    const line_color = { r: '200', g: '010', b: '0' }
    const { data } = imageOf(await make({ ...everything, line_color, is_hyaline: true }))
    const dark = data.findIndex((value, index) => index % 4 === 3 && value === 255)
    expect([...data.subarray(dark - 3, dark)]).toEqual([200, 10, 0])
  })

  test('what is not known is ignored: other names, and those of GraphQL', async () => {
    const unknown = { envVersion: 'beta', lineColor: 7, isHyaline: 'x', checkPath: 7, more: [1] }
    imageOf(await make({ scene, ...unknown }))
  })

  test.each<[string, RequestInit, number]>([
    ['GET', { method: 'GET' }, 405],
    ['PUT', { method: 'PUT', body: '{"scene":"a"}' }, 405],
    ['a form', { headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: 'scene=a' }, 415],
    ['no JSON', { body: '{"scene":' }, 400],
    ['a list', { body: '[]' }, 400],
    ['no body', {}, 400],
  ])('%s is refused', async (_name, init, status) => {
    const json = { 'content-type': 'application/json' }
    const { body, ...answer } = await send(restUrl(), { method: 'POST', headers: json, ...init })
    expect([answer.status, body.error_code]).toEqual([status, 'validation_failed'])
  })
})

describe('GraphQL alone', () => {
  test.each(badTypes)('%s is not of its type, and WeChat is not asked', async (_name, parameters) => {
    const before = asked()
    const [, make] = entrances[1]!
    expect(await make(parameters)).toMatchObject({ status: 400, code: 'validation_failed' })
    expect(asked()).toBe(before)
  })

  test('clientMutationId and the query come back', async () => {
    const { body } = await graphql(
      node,
      `mutation { wechatUnlimitedQrcode(input: { scene: "a", clientMutationId: "m" }) {
        clientMutationId query { currentUser { id } }
      } }`,
    )
    expect(body).toEqual({
      data: { wechatUnlimitedQrcode: { clientMutationId: 'm', query: { currentUser: null } } },
    })
  })

  test('every field is documented', async () => {
    const fields = 'name description'
    const { body } = await graphql(
      node,
      `{ input: __type(name: "WechatUnlimitedQrcodeInput") { inputFields { ${fields} } }
         color: __type(name: "WechatLineColorInput") { description inputFields { ${fields} } }
         payload: __type(name: "WechatUnlimitedQrcodePayload") { fields { ${fields} } } }`,
    )
    const { input, color, payload } = body.data
    const documented = [...input.inputFields, color, ...color.inputFields, ...payload.fields]
    expect(documented.map(({ description }) => description)).toEqual(
      documented.map(() => expect.stringMatching(/./)),
    )
    expect(input.inputFields.map(({ name }: { name: string }) => name)).toEqual(
      ['client_mutation_id', ...Object.keys(everything)].map(camelCase),
    )
  })
})
