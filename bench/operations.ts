import { refreshTokens } from './keys.ts'
import type { Person } from './people.ts'

/** What is measured, by the name under which the tables have it. */
export const operations = ['bind', 'sign-in', 'current user', 'refresh'] as const
export type Operation = (typeof operations)[number]

export interface Request {
  method: 'GET' | 'POST'
  path: string
  headers: Record<string, string>
  body?: string
}

/** How one kind of server wants to be asked. */
export interface Protocol {
  bind(token: string, code: string): Request
  'sign-in'(code: string): Request
  'current user'(token: string): Request
  refresh(refreshToken: string): Request
}

const json = { 'content-type': 'application/json' }
const bearer = (token: string) => ({ authorization: `Bearer ${token}` })
const post = (path: string, body: object, headers: Record<string, string> = {}): Request => ({
  method: 'POST',
  path,
  headers: { ...json, ...headers },
  body: JSON.stringify(body),
})

export const byHand: Protocol = {
  bind: (token, code) => post('/bind', { code }, bearer(token)),
  'sign-in': code => post('/sign-in', { code }),
  'current user': token => ({ method: 'GET', path: '/user', headers: bearer(token) }),
  refresh: token => post('/refresh', { refresh_token: token }),
}

export const rest: Protocol = {
  bind: (token, code) => post('/auth/v1/wechat_mini/bind_phone', { code }, bearer(token)),
  'sign-in': code => post('/auth/v1/wechat_mini/login', { code }),
  'current user': token => ({ method: 'GET', path: '/auth/v1/user', headers: bearer(token) }),
  refresh: token => post('/auth/v1/token?grant_type=refresh_token', { refresh_token: token }),
}

const user = 'user { id phone phoneConfirmedAt wechatId userMetadata createdAt lastSignInAt }'
const tokens = 'accessToken refreshToken'

export const graphql: Protocol = {
  bind: (token, code) =>
    query('mutation ($code: String!) { wechatBindPhone(input: { code: $code }) { USER } }', { code }, token),
  'sign-in': code =>
    query('mutation ($code: String!) { wechatSignIn(input: { code: $code }) { session { TOKENS USER } } }', {
      code,
    }),
  'current user': token => query('{ currentUser FIELDS }', {}, token),
  refresh: refreshToken =>
    query(
      'mutation ($token: String!) { refreshSession(input: { refreshToken: $token }) { session { TOKENS USER } } }',
      { token: refreshToken },
    ),
}

/** PostGraphile with the mutations of bench/rivals/postgraphile.ts; after a sign-in nobody may see the user yet. */
export const plainGraphql: Protocol = {
  bind: (token, code) =>
    query('mutation ($code: String!) { bindPhone(input: { code: $code }) { USER } }', { code }, token),
  'sign-in': code =>
    query('mutation ($code: String!) { signIn(input: { code: $code }) { TOKENS } }', { code }),
  'current user': token => query('{ currentUser FIELDS }', {}, token),
  refresh: refreshToken =>
    query('mutation ($token: String!) { refresh(input: { refreshToken: $token }) { TOKENS } }', {
      token: refreshToken,
    }),
}

function query(text: string, variables: object, token?: string): Request {
  const full = text
    .replace('USER', user)
    .replace('TOKENS', tokens)
    .replace('FIELDS', user.slice('user'.length))
  return post('/graphql', { query: full, variables }, token === undefined ? {} : bearer(token))
}

/** Numbers that no request has had before, in any process of this benchmark. */
let last = 0
const fresh = () => (last += 1)

/** The next request of an operation by this person; every code is a new one, every bind brings a new phone. */
export function requestOf(protocol: Protocol, operation: Operation, person: Person): Request {
  if (operation === 'bind')
    return protocol.bind(person.accessToken, `p13${String(fresh()).padStart(9, '0')}.${last}`)
  if (operation === 'sign-in') return protocol['sign-in'](`o${person.openid}.${fresh()}`)
  if (operation === 'current user') return protocol['current user'](person.accessToken)
  const token = refreshTokens.make(person.sessionId, person.counter)
  person.counter += 1n
  return protocol.refresh(token)
}
