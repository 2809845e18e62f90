import { catalogue as errors } from '../errors.ts'
import { rules } from '../limits/rules.ts'
import { knownErrcodes, wantsConfirmation } from '../wechat/errcodes.ts'

// What labels may say. WeChat, its network and callers choose what is told; only what stands in these lists becomes a
// series, so that nobody can make more of them.

/** What is in no list. */
export const OTHER = 'other'

/** Operations, by either entrance; `currentUser` is `GET /user` too. */
export const RPCS = [...Object.keys(rules).filter(name => name !== 'request'), 'currentUser']
export const OUTCOMES = ['ok', ...Object.keys(errors)]
export const OPERATIONS = Object.keys(rules)

export const ROUTES = ['rest', 'admin', 'graphql', 'push', 'health', 'metrics', OTHER] as const
export type RouteClass = (typeof ROUTES)[number]
/** `aborted`: the client hung up before it had its answer. */
export const STATUSES = ['1xx', '2xx', '3xx', '4xx', '5xx', 'aborted'] as const

const prefixes: [prefix: string, route: RouteClass][] = [
  ['/auth/v1/admin', 'admin'],
  ['/auth/v1', 'rest'],
  ['/graphql', 'graphql'],
  ['/wechat/push', 'push'],
  ['/health', 'health'],
  ['/metrics', 'metrics'],
]

/** The class of a request's route; express does not mind capitals. */
export function routeOf(url: string): RouteClass {
  const path = url.split('?', 1)[0]!.toLowerCase()
  const found = prefixes.find(([prefix]) => path === prefix || path.startsWith(`${prefix}/`))
  return found ? found[1] : OTHER
}

/** An administrator must confirm our address: one kind of trouble, a hundred numbers. */
const CONFIRMATION = '895xx'
/** What kept WeChat from answering properly, in a word. */
const REASONS = [
  'timeout',
  'nonsense',
  'no image',
  'max-size',
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNECTTIMEOUT',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EPIPE',
  'ERR_STREAM_PREMATURE_CLOSE',
]
const HTTP_CLASSES = ['HTTP 1xx', 'HTTP 2xx', 'HTTP 3xx', 'HTTP 4xx', 'HTTP 5xx']
const CERTIFICATE = 'certificate'

export const ERRCODES = [
  ...knownErrcodes.map(String),
  CONFIRMATION,
  ...REASONS,
  ...HTTP_CLASSES,
  CERTIFICATE,
  OTHER,
]

/** What alerts wait for. They are there from the beginning, because the first of a series that is new is no increase. */
export const ALARMING = ['40013', '40125', '40164', '40243', '48001', '50007', CONFIRMATION, '45009', '45011']

/** What WeChat said or, where it said nothing, why. */
export function errcodeOf(errcode: number | null, reason = ''): string {
  if (errcode === null) return reasonOf(reason)
  if (knownErrcodes.includes(errcode)) return String(errcode)
  return wantsConfirmation(errcode) ? CONFIRMATION : OTHER
}

function reasonOf(reason: string): string {
  if (REASONS.includes(reason)) return reason
  const status = /^HTTP ([1-5])\d\d$/.exec(reason)?.[1]
  if (status) return `HTTP ${status}xx`
  return /CERT|TLS|SSL|ALTNAME/.test(reason) ? CERTIFICATE : OTHER
}

/** `value` where it is in the list, `other` where not. */
export const oneOf = (list: readonly string[], value: string) => (list.includes(value) ? value : OTHER)
