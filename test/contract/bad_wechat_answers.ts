import type { RequestListener } from 'node:http'
import type { ErrorCode } from '../../src/errors.ts'
import { SIMULATOR_APP_ID as APPID } from '../../src/simulator/index.ts'

// What WeChat answers, or fails to answer, and what our callers are told.

/** Part of every text of WeChat's; no caller may read it. */
export const SECRET = 's3cr3t'
export const RID = '6b033e3e-a612e14f-63de7727'

export const answer =
  (body: unknown, status = 200, headers: Record<string, string> = {}): RequestListener =>
  (_req, res) => {
    const isBytes = typeof body === 'string' || Buffer.isBuffer(body)
    res.writeHead(status, headers).end(isBytes ? body : JSON.stringify(body))
  }
const errcode = (code: unknown) =>
  answer({ errcode: code, errmsg: `${SECRET} words hint: [${SECRET}] rid: ${RID}` })
export const phone = (more: object = {}) => ({
  phoneNumber: '13800138000',
  purePhoneNumber: '13800138000',
  countryCode: '86',
  watermark: { appid: APPID, timestamp: 1_637_744_274 },
  ...more,
})
export const phoneInfo = (info: unknown) => answer({ errcode: 0, errmsg: 'ok', phone_info: info })

export type Case = [name: string, listener: RequestListener, told: ErrorCode]
const cases = (told: ErrorCode, ...rows: [name: string, listener: RequestListener][]): Case[] =>
  rows.map(([name, listener]) => [name, listener, told])

const toldOfErrcode: [told: ErrorCode, errcodes: number[]][] = [
  ['wechat_unavailable', [-1, 45009, 45011, 50002, 85096, 87009, 99999, -2, 1]],
  ['wechat_code_invalid', [40029, 40163]],
  ['wechat_user_blocked', [40226]],
  ['validation_failed', [40097, 40129, 40169, 41030]],
  ['wechat_misconfigured', [40002, 40013, 40125, 40164, 40243, 41002, 41004, 41008, 43002, 44002, 47001]],
  ['wechat_misconfigured', [48001, 48004, 50004, 50007, 89500, 89503, 89506, 89507, 89599]],
]
export const deadTokens = [40001, 40014, 41001, 42001]
export const ofErrcodes: Case[] = toldOfErrcode.flatMap(([told, errcodes]) =>
  errcodes.map((code): Case => [`errcode ${code}`, errcode(code), told]),
)
export const ofDeadTokens: Case[] = deadTokens.map(code => [
  `errcode ${code}`,
  errcode(code),
  'wechat_misconfigured',
])

/** What is no answer, to whatever was asked. */
export const nonsense: Case[] = [
  ...cases(
    'wechat_unavailable',
    ['an empty body', answer('')],
    ['a blank body', answer(' \n')],
    ['HTML', answer(`<html><title>502</title>${SECRET}</html>`)],
    ['a word', answer(SECRET)],
    ['JSON cut', answer(`{"errcode":0,"openid":"${SECRET}","phone_info":{"phoneNumber":"138`)],
    ['JSON and more', answer(`{"errcode":0}${SECRET}`)],
    ['bytes that are no text', answer(Buffer.from([0xff, 0xfe, 0x00, 0x80]))],
    ['an image', answer(Buffer.from('ffd8ffe000104a464946', 'hex'), 200, { 'content-type': 'image/jpeg' })],
    ['a list', answer([{ openid: SECRET, phone_info: phone() }])],
    ['an empty list', answer([])],
    ['null', answer('null')],
    ['true', answer('true')],
    ['a number', answer('40029')],
    ['a string', answer(`"${SECRET}"`)],
    ['an empty object', answer({})],
    ['an errcode that is a word', errcode('invalid')],
    ['an errcode that is an object', errcode({ code: 40029 })],
    ['an errcode that is a fraction', errcode(0.5)],
    ['2 MB', answer({ errcode: 0, openid: SECRET, phone_info: phone(), padding: 'x'.repeat(2 << 20) })],
    ['50,000 lists', answer('['.repeat(50_000))],
    ['gzip that is none', answer(`{"errcode":0}`, 200, { 'content-encoding': 'gzip' })],
    ...[201, 204, 206, 400, 401, 403, 404, 429, 500, 502, 503, 504].map(
      (status): [string, RequestListener] => [
        `HTTP ${status}`,
        answer(status === 204 ? '' : { openid: SECRET, phone_info: phone() }, status),
      ],
    ),
    ...[301, 302, 303, 307, 308].map((status): [string, RequestListener] => [
      `HTTP ${status}`,
      answer({ openid: SECRET }, status, { location: '/elsewhere' }),
    ]),
    ['a reset before the answer', req => req.socket.resetAndDestroy()],
    ['an end before the answer', req => req.socket.destroy()],
    [
      'a reset in the headers',
      req => void req.socket.write('HTTP/1.1 200 OK\r\nConte', () => req.socket.resetAndDestroy()),
    ],
    [
      'a reset in the body',
      (req, res) => {
        res.write('{"errcode":')
        setImmediate(() => req.socket.resetAndDestroy())
      },
    ],
    ['an answer that is no HTTP', req => void req.socket.end(`${SECRET}\r\n\r\n`)],
  ),
  ...cases('wechat_code_invalid', ['an errcode that is a string', errcode('40029')]),
]

/** Each costs the whole time limit. */
export const slow: Case[] = cases(
  'wechat_unavailable',
  ['no answer at all', () => {}],
  ['headers, and nothing more', (_req, res) => void res.writeHead(200).flushHeaders()],
  [
    'a length that is not kept',
    (_req, res) => void res.writeHead(200, { 'content-length': '99' }).end('{"errcode":0}'),
  ],
  ['half a body, and nothing more', (_req, res) => void res.write('{"errcode":0,')],
  [
    'a body of spaces, one at a time',
    (_req, res) => {
      const timer = setInterval(() => res.write(' '), 20)
      res.on('close', () => clearInterval(timer))
    },
  ],
)

export const sessions: Case[] = cases(
  'wechat_unavailable',
  ...[undefined, null, '', 0, 7, true, [], ['o-1'], { id: 'o-1' }].map(
    (openid): [string, RequestListener] => [
      `openid ${JSON.stringify(openid)}`,
      answer({ openid, session_key: SECRET }),
    ],
  ),
  ['a unionid that is an object', answer({ openid: 'o-1', unionid: { id: SECRET } })],
  ['a phone for a session', phoneInfo(phone())],
)

export const phones: Case[] = [
  ...cases(
    'wechat_phone_unusable',
    ...[undefined, null, '', SECRET, 7, [], {}].map((info): [string, RequestListener] => [
      `phone_info ${JSON.stringify(info)}`,
      phoneInfo(info),
    ]),
    ...[
      '',
      ' ',
      SECRET,
      '0',
      '12',
      '+',
      '+86',
      '1'.repeat(30),
      '138001380001234567',
      '١٣٨٠٠',
      '138\n00138000',
      "'",
    ].map((text): [string, RequestListener] => [
      `the phone ${JSON.stringify(text)}`,
      phoneInfo(phone({ phoneNumber: text, purePhoneNumber: text })),
    ]),
    ...['x', '0', '999', '+', '86 86', 'CN'].map((code): [string, RequestListener] => [
      `the country ${JSON.stringify(code)}`,
      phoneInfo(phone({ countryCode: code })),
    ]),
    ['no phone', phoneInfo(phone({ phoneNumber: undefined, purePhoneNumber: undefined }))],
    ['no country', phoneInfo(phone({ countryCode: undefined }))],
    ['phones in lists', phoneInfo(phone({ phoneNumber: ['13800138000'], purePhoneNumber: ['13800138000'] }))],
    [
      "another app's watermark",
      phoneInfo(phone({ watermark: { appid: 'wx0000000000000000', timestamp: 1 } })),
    ],
    ['an empty watermark of nobody', phoneInfo(phone({ watermark: { appid: '', timestamp: 1 } }))],
    ['a watermark that is a word', phoneInfo(phone({ watermark: SECRET }))],
    ['a watermark whose app is a number', phoneInfo(phone({ watermark: { appid: 7 } }))],
  ),
  ...cases('wechat_unavailable', ['a session for a phone', answer({ openid: SECRET, session_key: SECRET })]),
]

/** What is odd, and still a phone: it has cost the user his tap. */
export const goodPhones: [name: string, listener: RequestListener][] = [
  ['numbers', phoneInfo(phone({ phoneNumber: 13800138000, purePhoneNumber: 13800138000, countryCode: 86 }))],
  ['a country with its plus', phoneInfo(phone({ countryCode: '+86' }))],
  ['spaces around', phoneInfo(phone({ phoneNumber: ' 13800138000 ', purePhoneNumber: ' 13800138000 ' }))],
  ['no watermark', phoneInfo(phone({ watermark: undefined }))],
  ['a watermark that is null', phoneInfo(phone({ watermark: null }))],
  ['a watermark without its app', phoneInfo(phone({ watermark: {} }))],
  ['a watermark without a time', phoneInfo(phone({ watermark: { appid: APPID } }))],
  ['an errcode that is a string', answer({ errcode: '0', phone_info: phone() })],
  ['no errcode', answer({ phone_info: phone() })],
  ['what we do not know', answer({ errcode: 0, phone_info: phone({ carrier: {} }), more: [1] })],
  [
    'a type that is no JSON',
    answer({ errcode: 0, phone_info: phone() }, 200, { 'content-type': 'image/jpeg' }),
  ],
]
