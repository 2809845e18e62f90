import { gzipSync } from 'node:zlib'
import { createLog, type Logger } from '../../src/log.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { recordedLog } from '../support/leaks.ts'
import { type Node, startNode } from '../support/service.ts'
import {
  AES_KEY,
  APP,
  codeOf,
  type Format,
  type Members,
  OTHER_APP,
  PUSH_ENV,
  revocation,
  type Sending,
  send,
  sendRaw,
  signed,
  TOKEN,
} from './harness.ts'

// What WeChat, and whoever else, may send to /wechat/push, and what comes into the inbox.

let db: TestDatabase
let plain: Node
let sealed: Node
let none: Node
const warnings: unknown[] = []

beforeAll(async () => {
  db = await createDatabase()
  const options = { db, wechatUrl: 'http://127.0.0.1:9', log: heardLog() }
  plain = await startNode({ ...options, env: PUSH_ENV })
  sealed = await startNode({ ...options, env: { ...PUSH_ENV, WECHAT_PUSH_AES_KEY: AES_KEY } })
  none = await startNode(options)
})
beforeEach(async () => {
  warnings.length = 0
  await db.rows('truncate auth_private.wechat_pushes')
})
afterAll(async () => {
  await Promise.all([plain, sealed, none].map(node => node.close()))
  await db.drop()
})

function heardLog(): Logger {
  const log = createLog('trace', { write: () => {} })
  const recorded = recordedLog()
  const heard = recorded.warn.bind(recorded)
  recorded.warn = ((...args: unknown[]) => {
    warnings.push(args)
    Reflect.apply(heard, undefined, args)
  }) as Logger['warn']
  return recorded.level === 'silent' ? Object.assign(log, { warn: recorded.warn }) : recorded
}

const stored = () =>
  db.rows(
    `select appid, event, openid, revoke_info, extract(epoch from create_time)::int as create_time
     from auth_private.wechat_pushes order by id`,
  )
const row = (more: object = {}) => ({
  appid: APP,
  event: 'user_authorization_revoke',
  openid: 'o-1',
  revoke_info: ['8'],
  create_time: 1_626_857_200,
  ...more,
})

const without = (name: string, members: Members) =>
  Object.fromEntries(Object.entries(members).filter(([key]) => key !== name))
const renamed = (members: Members, rename: (name: string) => string) =>
  Object.fromEntries(Object.entries(members).map(([name, value]) => [rename(name), value]))

const accepted: [what: string, members: Members, kept: object | undefined][] = [
  ['a revocation of the phone', revocation('o-1'), row()],
  ['a revocation by number', revocation('o-1', { RevokeInfo: 8 }), row()],
  ['of several things', revocation('o-1', { RevokeInfo: '6, 8' }), row({ revoke_info: ['6', '8'] })],
  [
    'of several things, unsorted',
    revocation('o-1', { RevokeInfo: '16,8,8,6' }),
    row({ revoke_info: ['6', '8', '16'] }),
  ],
  ['of a list', revocation('o-1', { RevokeInfo: ['6', '8'] }), row({ revoke_info: ['6', '8'] })],
  [
    'of a list of lists',
    revocation('o-1', { RevokeInfo: ['6,1', 8] }),
    row({ revoke_info: ['1', '6', '8'] }),
  ],
  [
    'a change of nickname or avatar',
    without('RevokeInfo', revocation('o-1', { Event: 'user_info_modified' })),
    row({ event: 'user_info_modified', revoke_info: [] }),
  ],
  [
    'a cancellation',
    revocation('o-1', { Event: 'user_authorization_cancellation', RevokeInfo: '' }),
    row({ event: 'user_authorization_cancellation', revoke_info: [] }),
  ],
  ['of another app of ours', revocation('o-1', { AppID: OTHER_APP }), row({ appid: OTHER_APP })],
  ['of no app: the default one', without('AppID', revocation('o-1')), row()],
  ['names with spaces', renamed(revocation('o-1'), name => `${name} `), row()],
  ['values with spaces', revocation(' o-1 ', { CreateTime: ' 1626857200 ', RevokeInfo: ' 8 ' }), row()],
  [
    'without CreateTime: the time of the query',
    without('CreateTime', revocation('o-1')),
    row({ create_time: 1_714_036_504 }),
  ],
  [
    'openids that look like numbers',
    revocation('0123456789012345678901234567'),
    row({ openid: '0123456789012345678901234567' }),
  ],
  ['another event', revocation('o-1', { Event: 'wxa_media_check' }), undefined],
  ['an event that every object has', revocation('o-1', { Event: 'toString' }), undefined],
  ['a message', { ToUserName: 'gh_1', MsgType: 'text', Content: 'hello' }, undefined],
]

const now = () => String(Math.floor(Date.now() / 1000))

describe.each<Format>(['json', 'xml'])('%s', format => {
  describe.each([
    ['plain', () => plain, {}],
    ['encrypted', () => sealed, { aes: {} }],
    ['in compatible mode, with the key', () => sealed, { aes: {}, beside: revocation('o-forged') }],
  ] as [string, () => Node, Sending][])('%s', (_mode, node, sending) => {
    test.each(accepted)('%s', async (_what, members, kept) => {
      expect(await send(node().url, format, members, sending)).toMatchObject({
        status: 200,
        type: expect.stringMatching(/^text\/plain/),
        text: 'success',
      })
      expect(await stored()).toEqual(kept ? [kept] : [])
    })
  })

  test('names that begin with a space', async () => {
    const members = renamed(revocation('o-1'), name => ` ${name}`)
    for (const [node, sending] of [
      [plain, {}],
      [sealed, { aes: {} }],
    ] as const)
      expect(await send(node.url, format, members, sending)).toMatchObject({ status: 200 })
    expect(await stored()).toEqual([row()])
  })

  test('plain and of now, where there is a key', async () => {
    const answer = await send(sealed.url, format, revocation('o-1'), { query: signed({}, now()) })
    expect(answer).toMatchObject({ status: 200, text: 'success' })
    expect(await stored()).toEqual([row()])
  })

  test('in compatible mode, without the key: what is plain counts', async () => {
    const members = { ...revocation('o-1'), Encrypt: 'bm90aGluZw==' }
    expect(await send(plain.url, format, members)).toMatchObject({ status: 200, text: 'success' })
    expect(await stored()).toEqual([row()])
  })

  test('an encrypted push of another app of ours, which its body does not name', async () => {
    const members = without('AppID', revocation('o-1'))
    expect(await send(sealed.url, format, members, { aes: { appid: OTHER_APP } })).toMatchObject({
      status: 200,
    })
    expect(await stored()).toEqual([row({ appid: OTHER_APP })])
  })

  test('repeats are one row, and another time is another one', async () => {
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, n) =>
        send(n % 2 ? plain.url : sealed.url, format, revocation('o-1'), n % 2 ? {} : { aes: {} }),
      ),
    )
    expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(200))
    await send(plain.url, format, revocation('o-1', { CreateTime: 1_626_857_201 }))
    expect(await stored()).toEqual([row(), row({ create_time: 1_626_857_201 })])
  })

  test('an app that is not ours: success, and a warning', async () => {
    const members = revocation('o-1', { AppID: 'wxffffffffffffffff' })
    expect(await send(plain.url, format, members)).toMatchObject({ status: 200, text: 'success' })
    expect(await stored()).toEqual([])
    expect(JSON.stringify(warnings)).toContain('wxffffffffffffffff')
  })

  const bad: [what: string, node: () => Node, members: Members, sending: Sending, status: number][] = [
    ['another signature', () => plain, revocation('o-1'), { query: { signature: 'a'.repeat(40) } }, 403],
    [
      'a signature of another time',
      () => plain,
      revocation('o-1'),
      { query: { timestamp: '1714036505' } },
      403,
    ],
    ['no signature', () => plain, revocation('o-1'), { query: { signature: '' } }, 403],
    ['plain and of another time, where there is a key', () => sealed, revocation('o-1'), {}, 403],
    [
      'plain and of now, where there is a key, with a signature of another time',
      () => sealed,
      revocation('o-1'),
      { query: { timestamp: now() } },
      403,
    ],
    [
      'another message signature',
      () => sealed,
      revocation('o-1'),
      { aes: {}, query: { msg_signature: 'a' } },
      403,
    ],
    [
      'the plain signature as that of the message',
      () => sealed,
      revocation('o-1'),
      { aes: {}, query: signed({ msg_signature: signed().signature }) },
      403,
    ],
    ['encrypted with another key', () => sealed, revocation('o-1'), { aes: { key: Buffer.alloc(32) } }, 403],
    [
      'encrypted for another app',
      () => sealed,
      revocation('o-1'),
      { aes: { appid: 'wxffffffffffffffff' } },
      403,
    ],
    ['encrypted where there is no key', () => plain, revocation('o-1'), { aes: {} }, 400],
    ['no openid', () => plain, without('OpenID', revocation('o-1')), {}, 400],
    ['an empty openid', () => plain, revocation(' '), {}, 400],
    ['an overlong openid', () => plain, revocation('o'.repeat(129)), {}, 400],
    ['several openids', () => plain, revocation('o-1', { OpenID: ['o-1', 'o-2'] }), {}, 400],
    ['nothing that is revoked', () => plain, without('RevokeInfo', revocation('o-1')), {}, 400],
    ['something unknown that is revoked', () => plain, revocation('o-1', { RevokeInfo: 'phone' }), {}, 400],
    [
      'too much that is revoked',
      () => plain,
      revocation('o-1', { RevokeInfo: Array(101).fill('8').join(',') }),
      {},
      400,
    ],
    ['no time', () => plain, revocation('o-1', { CreateTime: 'now' }), {}, 400],
    ['a time before all times', () => plain, revocation('o-1', { CreateTime: -1 }), {}, 400],
    ['a time after all times', () => plain, revocation('o-1', { CreateTime: 1e15 }), {}, 400],
    ['the same, encrypted', () => sealed, revocation('o-1', { CreateTime: 1e15 }), { aes: {} }, 400],
  ]
  test.each(bad)('%s is refused', async (_what, node, members, sending, status) => {
    const code = status === 403 ? 'no_authorization' : 'validation_failed'
    const answer = await send(node().url, format, members, sending)
    expect(answer).toMatchObject({ status, code })
    expect(answer.text).not.toMatch(new RegExp(`${TOKEN}|${AES_KEY}|o-1`))
    expect(await stored()).toEqual([])
  })
})

const deep = (count: number, open: string, close: string) => open.repeat(count) + close.repeat(count)

test.each<[what: string, body: string | Buffer, status: number, headers?: object]>([
  ['nothing', '', 400],
  ['spaces', ' \n ', 400],
  ['no JSON', '{"Event":', 400],
  ['a JSON list', '[]', 400],
  ['JSON null', 'null', 400],
  ['a JSON text', '"Event"', 400],
  ['no XML', '<xml><Event>user_authorization_revoke</Event>', 400],
  ['XML of another name', '<html><Event>user_authorization_revoke</Event></html>', 400],
  ['an XML text', '<xml>hello</xml>', 400],
  ['an empty element', '<xml/>', 400],
  ['deep JSON', deep(20_000, '[', ']'), 400],
  ['deep JSON in a member', `{"Event":"user_authorization_revoke","OpenID":${deep(20_000, '[', ']')}}`, 400],
  ['deep XML', `<xml>${deep(5_000, '<a>', '</a>')}</xml>`, 400],
  [
    'an XML entity',
    '<!DOCTYPE xml [<!ENTITY a "o-1">]><xml><Event>user_authorization_revoke</Event></xml>',
    400,
  ],
  ['an external entity', '<!doctype xml SYSTEM "file:///etc/passwd"><xml><Event>x</Event></xml>', 400],
  ['a NUL in the openid', JSON.stringify(revocation('o-\0')), 400],
  [
    'half a character in the openid',
    '{"Event":"user_info_modified","OpenID":"o-\\ud800","CreateTime":1}',
    400,
  ],
  ['bytes that are no UTF-8', Buffer.from('7bff7d', 'hex'), 400],
  ['too much', ' '.repeat(65 * 1024), 413],
  ['compressed', gzipSync(JSON.stringify(revocation('o-1'))), 415, { 'content-encoding': 'gzip' }],
])('%s is refused by its name', async (_what, body, status, headers = {}) => {
  for (const query of [signed(), signed({ encrypt_type: 'aes', msg_signature: 'x' })]) {
    expect(await sendRaw(plain.url, body, query, headers)).toMatchObject({
      status,
      code: 'validation_failed',
    })
    expect([403, status]).toContain((await sendRaw(sealed.url, body, query, headers)).status)
  }
  expect(await stored()).toEqual([])
})

test('names of every object are no members', async () => {
  const body = '{"__proto__": {"Event": "user_authorization_revoke"}, "constructor": 1, "Event": "other"}'
  expect(await sendRaw(plain.url, body, signed())).toMatchObject({ status: 200, text: 'success' })
  const xml = '<xml><__proto__><Event>user_authorization_revoke</Event></__proto__><Event>other</Event></xml>'
  expect((await sendRaw(plain.url, xml, signed())).status).toBeLessThan(500)
  expect(await stored()).toEqual([])
})

describe('the check of the address', () => {
  const get = async (node: Node, query: object) => {
    const response = await fetch(`${node.url}/wechat/push?${new URLSearchParams({ ...query })}`)
    return {
      status: response.status,
      type: response.headers.get('content-type'),
      text: await response.text(),
    }
  }

  test('echoes what WeChat sends, with a key or without', async () => {
    for (const node of [plain, sealed])
      expect(await get(node, signed({ echostr: '5838479218127813673<b>' }))).toMatchObject({
        status: 200,
        type: expect.stringMatching(/^text\/plain/),
        text: '5838479218127813673<b>',
      })
  })

  test.each<[string, object, number]>([
    ['another signature', signed({ signature: 'a'.repeat(40), echostr: '1' }), 403],
    ['no query', {}, 403],
    ['no echostr', signed(), 400],
  ])('%s is refused', async (_what, query, status) => {
    const answer = await get(plain, query)
    expect([answer.status, codeOf(answer.text)]).toEqual([
      status,
      status === 403 ? 'no_authorization' : 'validation_failed',
    ])
  })
})

test('without a token there is nothing', async () => {
  expect(await send(none.url, 'json', revocation('o-1'))).toMatchObject({
    status: 404,
    code: 'validation_failed',
  })
  expect(
    (await fetch(`${none.url}/wechat/push?${new URLSearchParams(signed({ echostr: '1' }))}`)).status,
  ).toBe(404)
})

test('other methods and paths are refused', async () => {
  const put = await fetch(`${plain.url}/wechat/push`, { method: 'PUT', body: '{}' })
  expect([put.status, put.headers.get('allow')]).toEqual([405, 'GET, POST'])
  expect((await fetch(`${plain.url}/wechat/push/more`)).status).toBe(404)
})

test('where the database is away WeChat is told to repeat', async () => {
  const away = await startNode({ db, wechatUrl: 'http://127.0.0.1:9', env: PUSH_ENV })
  await away.services.db.close()
  try {
    expect(await send(away.url, 'json', revocation('o-1'))).toMatchObject({
      status: 503,
      code: 'database_unavailable',
    })
    // What needs no database is answered all the same.
    expect(await send(away.url, 'json', { Event: 'other' })).toMatchObject({ status: 200, text: 'success' })
  } finally {
    await away.services.db.close().catch(() => {})
    await away.close().catch(() => {})
  }
})
