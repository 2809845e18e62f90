import { APP, type Harness, OTHER, START, startSimulator } from './harness.ts'
import { alphasOf, decodeImage, isCodeOf, lineColorOf } from './images.ts'

let h: Harness
let token: string
beforeAll(async () => {
  h = await startSimulator()
  token = await h.token()
})
afterAll(() => h.close())

const ALLOWED = "!#$&'()*+,/:;=?@-._~"
const textOf = (page: string, scene: string, version = 'release', app = APP) =>
  `wxacode://${app.appid}/${page}?scene=${encodeURIComponent(scene)}&env_version=${version}`

const good: [fact: string, body: object, text: string, width: number][] = [
  ['no more than a scene', { scene: 'a' }, textOf('', 'a'), 430],
  ['a page', { scene: 'id=7', page: 'pages/index/index' }, textOf('pages/index/index', 'id=7'), 430],
  ['a scene of 32 characters', { scene: 'x'.repeat(32) }, textOf('', 'x'.repeat(32)), 430],
  ['every special character', { scene: ALLOWED }, textOf('', ALLOWED), 430],
  ['every letter', { scene: 'abcdefghijklmnopqrstuvwxyz' }, textOf('', 'abcdefghijklmnopqrstuvwxyz'), 430],
  [
    'every digit and capital',
    { scene: 'ABCDEFGHIJKLMNOPQRSTUVWXYZ012345' },
    textOf('', 'ABCDEFGHIJKLMNOPQRSTUVWXYZ012345'),
    430,
  ],
  ['a Chinese page', { scene: 'a', page: '页/首页' }, textOf('%E9%A1%B5/%E9%A6%96%E9%A1%B5', 'a'), 430],
  ['half a character', { scene: 'a', page: '\ud800' }, textOf('%EF%BF%BD', 'a'), 430],
  ['a page that is not checked', { scene: 'a', page: 'p', check_path: false }, textOf('p', 'a'), 430],
  ['the trial version', { scene: 'a', env_version: 'trial' }, textOf('', 'a', 'trial'), 430],
  ['the version in development', { scene: 'a', env_version: 'develop' }, textOf('', 'a', 'develop'), 430],
  ['the least width', { scene: 'a', width: 280 }, textOf('', 'a'), 280],
  ['the greatest width', { scene: 'a', width: 1280 }, textOf('', 'a'), 1280],
  ['what WeChat does not know', { scene: 'a', more: 1 }, textOf('', 'a'), 430],
]

test.each(good)('%s: a JPEG of a code that holds it', async (_fact, body, text, width) => {
  const answer = await h.qrcode(token, body)
  expect([answer.status, answer.type]).toEqual([200, 'image/jpeg'])
  const image = decodeImage(answer.body)
  expect([image.format, image.width, image.height]).toEqual(['jpeg', width, width])
  expect(isCodeOf(text, image)).toBe(true)
  expect(isCodeOf(`${text}!`, image)).toBe(false)
})

test.each([280, 329, 370, 430, 1280])(
  'is_hyaline, %i wide: a PNG with nothing behind the code',
  async width => {
    const { type, body } = await h.qrcode(token, {
      ...{ scene: 'id=7', page: 'p', width, is_hyaline: true },
      line_color: { r: 1, g: 20, b: 128 },
    })
    expect(type).toBe('image/jpeg')
    const image = decodeImage(body)
    expect([image.format, image.width, image.height]).toEqual(['png', width, width])
    expect(isCodeOf(textOf('p', 'id=7'), image)).toBe(true)
    expect(alphasOf(image)).toEqual([0, 255])
    expect(lineColorOf(textOf('p', 'id=7'), image)).toEqual([1, 20, 128])
  },
)

test.each<[string, object, number[]]>([
  ['numbers', { line_color: { r: 200, g: 10, b: 60 } }, [200, 10, 60]],
  ['strings', { line_color: { r: '200', g: '10', b: '060' } }, [200, 10, 60]],
  ['auto_color goes before it', { auto_color: true, line_color: { r: 200, g: 0, b: 0 } }, [0, 0, 0]],
  ['without it, black', {}, [0, 0, 0]],
])('line_color: %s', async (_fact, more, expected) => {
  const { body } = await h.qrcode(token, { scene: 'a', ...more })
  const color = lineColorOf(textOf('', 'a'), decodeImage(body))
  // A JPEG keeps colours nearly.
  for (const [index, value] of expected.entries())
    expect(Math.abs(color[index]! - value)).toBeLessThanOrEqual(8)
})

test("the code of another app's token is that app's", async () => {
  const { body } = await h.qrcode(await h.token(OTHER), { scene: 'a' })
  expect(isCodeOf(textOf('', 'a', 'release', OTHER), decodeImage(body))).toBe(true)
})

const LENGTH = 'invalid length for scene, or the data is not json string'
const TYPE = 'data format error'
const UNKNOWN_TOKEN = `86_${'x'.repeat(128)}`
const GET = { method: 'GET', body: null }
const FORM = { headers: { 'content-type': 'application/x-www-form-urlencoded' } }
const scene = 'a'

const bad: [fact: string, body: unknown, errcode: number, text: string, init?: RequestInit][] = [
  ['no body', '', 44002, 'empty post data'],
  ['GET', '', 43002, 'require POST method', GET],
  ['PUT', { scene }, 43002, 'require POST method', { method: 'PUT' }],
  ['a form', 'scene=a', 47001, TYPE, FORM],
  ['JSON that is cut', '{"scene":', 47001, TYPE],
  ['null', 'null', 47001, TYPE],
  ['a list', [{ scene }], 47001, TYPE],
  ['no scene', {}, 40169, LENGTH],
  ['an empty scene', { scene: '' }, 40169, LENGTH],
  ['a scene of 33 characters', { scene: 'x'.repeat(33) }, 40169, LENGTH],
  ['a scene that is a number', { scene: 7 }, 47001, TYPE],
  ['a scene that is null', { scene: null }, 47001, TYPE],
  ...['a%20b', 'a b', 'a"b', 'a\\b', 'a\n', '首页', 'a|b', '{a}', '[a]', '<a>', 'a^b', '`'].map(
    (text): [string, unknown, number, string] => [
      `scene ${JSON.stringify(text)}`,
      { scene: text },
      40129,
      'invalid scene',
    ],
  ),
  ['a page with a slash', { scene, page: '/pages/index' }, 41030, 'invalid page'],
  ['a page with a query', { scene, page: 'pages/index?a=1' }, 41030, 'invalid page'],
  ['an empty page', { scene, page: '' }, 41030, 'invalid page'],
  ['a page too long for a code', { scene, page: 'p'.repeat(3_000) }, 41030, 'invalid page'],
  [
    'scancode_time in the page',
    { scene, page: 'p/scancode_time' },
    85096,
    'not allow include scancode_time field',
  ],
  ['a page that is a number', { scene, page: 1 }, 47001, TYPE],
  ['check_path in a string', { scene, check_path: 'true' }, 47001, TYPE],
  ['check_path as a number', { scene, check_path: 1 }, 47001, TYPE],
  ['another version', { scene, env_version: 'beta' }, 40097, 'invalid args'],
  ['a version in capitals', { scene, env_version: 'Release' }, 40097, 'invalid args'],
  ['a version that is a number', { scene, env_version: 1 }, 47001, TYPE],
  ['too narrow', { scene, width: 279 }, 40097, 'invalid args'],
  ['too wide', { scene, width: 1281 }, 40097, 'invalid args'],
  ['half a pixel', { scene, width: 430.5 }, 40097, 'invalid args'],
  ['a width in a string', { scene, width: '430' }, 47001, TYPE],
  ['auto_color in a string', { scene, auto_color: 'false' }, 47001, TYPE],
  ['is_hyaline as a number', { scene, is_hyaline: 0 }, 47001, TYPE],
  ['a colour of text', { scene, line_color: '#ff0000' }, 47001, TYPE],
  ['a colour without blue', { scene, line_color: { r: 0, g: 0 } }, 47001, TYPE],
  ['a colour of letters', { scene, line_color: { r: 'ff', g: '0', b: '0' } }, 47001, TYPE],
  ['too red', { scene, line_color: { r: 256, g: 0, b: 0 } }, 40097, 'invalid args'],
  ['less than no green', { scene, line_color: { r: 0, g: -1, b: 0 } }, 40097, 'invalid args'],
  ['half a blue', { scene, line_color: { r: 0, g: 0, b: 0.5 } }, 40097, 'invalid args'],
]

test.each(bad)('%s is refused', async (_fact, body, errcode, text, ...[init]) => {
  expectRefusal(await h.qrcode(token, body, init), errcode, text)
})

test.each([
  ['no token', () => h.post('/wxa/getwxacodeunlimit', { scene }), 41001],
  ['an empty token', () => h.qrcode('', { scene }), 41001],
  ['what is no token', () => h.qrcode('nonsense', { scene }), 40014],
  ['a token that is not known', () => h.qrcode(UNKNOWN_TOKEN, { scene }), 40001],
  ['the token before anything else', () => h.qrcode('nonsense', '', GET), 40014],
])('%s', async (_fact, request, errcode) => {
  expectRefusal(await request(), errcode)
})

function expectRefusal(
  { status, type, body }: Awaited<ReturnType<typeof h.get>>,
  errcode: number,
  text = '',
) {
  expect({ status, type, errcode: body.errcode }).toEqual({
    status: 200,
    type: 'application/json; encoding=utf-8',
    errcode,
  })
  expect(body.errmsg).toContain(text)
  expect(Number.parseInt(/ rid: ([0-9a-f]{8})(-[0-9a-f]{8}){2}$/.exec(body.errmsg)![1]!, 16)).toBe(
    START / 1000,
  )
}

test('where pages are named, only those are published', async () => {
  const own = await startSimulator({ pages: ['pages/index/index'] })
  try {
    const token = await own.token()
    const ask = async (body: object) => (await own.qrcode(token, { scene, ...body })).body.errcode
    expect(await ask({ page: 'pages/index/index' })).toBeUndefined()
    expect(await ask({})).toBeUndefined()
    expect(await ask({ page: 'pages/other' })).toBe(41030)
    expect(await ask({ page: 'pages/other', check_path: true })).toBe(41030)
    expect(await ask({ page: 'pages/other', check_path: false })).toBeUndefined()
  } finally {
    await own.close()
  }
})

test('a call is kept with its app, and takes the next fault', async () => {
  const own = await startSimulator()
  try {
    const token = await own.token()
    own.simulator.failNext('getwxacodeunlimit', { errcode: 45009 })
    expectRefusal(await own.qrcode(token, { scene }), 45009)
    await own.qrcode(token, { scene })
    await own.qrcode(token, {})
    expect(own.simulator.calls.slice(1)).toMatchObject([
      { endpoint: 'getwxacodeunlimit', appid: null, errcode: 45009 },
      { endpoint: 'getwxacodeunlimit', appid: APP.appid, errcode: 0 },
      { endpoint: 'getwxacodeunlimit', appid: APP.appid, errcode: 40169 },
    ])
    expect(own.simulator.callCounts.getwxacodeunlimit).toBe(3)
  } finally {
    await own.close()
  }
})
