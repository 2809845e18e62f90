import { randomUUID } from 'node:crypto'
import type { Node, TestSimulator } from './service.ts'

// biome-ignore lint/suspicious/noExplicitAny: what a body holds is for the assertions to say
export interface Answer<Body = any> {
  status: number
  headers: Headers
  body: Body
}

export async function send(
  url: string,
  init: RequestInit & { token?: string | undefined } = {},
): Promise<Answer> {
  const { token, headers, ...rest } = init
  const response = await fetch(url, {
    ...rest,
    redirect: 'manual',
    headers: { ...(token !== undefined && { authorization: `Bearer ${token}` }), ...(headers as object) },
  })
  const text = await response.text()
  return {
    status: response.status,
    headers: response.headers,
    body: text && isJson(text) ? JSON.parse(text) : text,
  }
}

const isJson = (text: string) => /^[[{]/.test(text)

export const post = (url: string, body: unknown, token?: string, headers: object = {}) =>
  send(url, {
    method: 'POST',
    body: JSON.stringify(body),
    token,
    headers: { 'content-type': 'application/json', ...headers } as Record<string, string>,
  })

export const graphql = (
  node: Node,
  query: string,
  variables: object = {},
  token?: string,
  headers: object = {},
) => post(`${node.url}/graphql`, { query, variables }, token, headers)

const mint = async (
  simulator: TestSimulator,
  kind: 'login-codes' | 'phone-codes',
  body: object,
): Promise<string> => {
  const answer = await post(`${simulator.url}/simulator/${kind}`, body)
  if (answer.status !== 200) throw new Error(JSON.stringify(answer.body))
  return answer.body.code
}

/** What `wx.login` gives. */
export const loginCode = (simulator: TestSimulator, openid: string, more: object = {}) =>
  mint(simulator, 'login-codes', { openid, ...more })

/** What a tap on the phone button gives. */
export const phoneCode = (simulator: TestSimulator, phone: string, more: object = {}) =>
  mint(simulator, 'phone-codes', { phone, ...more })

let lastPhone = 13_000_000_000
/** A mainland number that no other call has given, as WeChat calls it. */
export const freshPhone = () => String(++lastPhone)
export const freshOpenid = () => `o-${randomUUID()}`

export interface SignedIn {
  openid: string
  userId: string
  accessToken: string
  refreshToken: string
}

/** Signs in a user, by default one who has never been seen. */
export async function signIn(
  node: Node,
  simulator: TestSimulator,
  openid = freshOpenid(),
): Promise<SignedIn> {
  const { status, body } = await post(`${node.url}/auth/v1/wechat_mini/login`, {
    code: await loginCode(simulator, openid),
  })
  if (status !== 200) throw new Error(JSON.stringify(body))
  return { openid, userId: body.user.id, accessToken: body.access_token, refreshToken: body.refresh_token }
}

/** One operation, two entrances: what came of it, in the words that they share. */
export interface Outcome {
  /** The catalogue's name; undefined: success. */
  code: string | undefined
  status: number
  /** E.164, of the user in the answer. */
  phone?: string | null
  userId?: string
  wechat?: { errcode: number; rid?: string }
  retryAfter?: string | number | undefined
  message?: string
}

/** A way of binding a phone. */
export type Bind = (node: Node, code: unknown, token?: string, headers?: object) => Promise<Outcome>

const BIND = 'mutation ($code: String!) { wechatBindPhone(input: { code: $code }) { user { id phone } } }'

const fromGraphql = ({ status, body }: Answer, field: string): Outcome => {
  const error = body.errors?.[0]
  const user = body.data?.[field]?.user ?? body.data?.[field]?.session?.user
  return error
    ? { code: error.extensions?.code, status, message: error.message, ...pick(error.extensions) }
    : { code: undefined, status, phone: user?.phone, userId: user?.id }
}

const pick = ({ wechat, retryAfter }: { wechat?: Outcome['wechat']; retryAfter?: number } = {}) => ({
  ...(wechat && { wechat }),
  ...(retryAfter !== undefined && { retryAfter }),
})

const fromRest = ({ status, body, headers }: Answer): Outcome => {
  if (status >= 400) {
    const retryAfter = headers.get('retry-after')
    return {
      code: body.error_code,
      status,
      message: body.msg,
      ...(body.wechat && { wechat: body.wechat }),
      ...(retryAfter && { retryAfter }),
    }
  }
  const user = body.user ?? body
  return {
    code: undefined,
    status,
    phone: user.phone && (user.phone.startsWith('+') ? user.phone : `+86${user.phone}`),
    userId: user.id,
  }
}

/** The entrances of binding: all must agree. */
export const bindEntrances: Record<string, Bind> = {
  GraphQL: async (node, code, token, headers) =>
    fromGraphql(await graphql(node, BIND, { code }, token, headers), 'wechatBindPhone'),
  'REST POST': async (node, code, token, headers) =>
    fromRest(await post(`${node.url}/auth/v1/wechat_mini/bind_phone`, { code }, token, headers)),
  'REST GET': async (node, code, token, headers = {}) => {
    const query = code === undefined ? '' : `?code=${encodeURIComponent(String(code))}`
    return fromRest(
      await send(`${node.url}/auth/v1/wechat_mini/bind_phone${query}`, {
        token,
        headers: headers as Record<string, string>,
      }),
    )
  },
}

const SIGN_IN =
  'mutation ($code: String!) { wechatSignIn(input: { code: $code }) { session { user { id phone } } } }'

/** The entrances of signing in. */
export const signInEntrances: Record<string, Bind> = {
  GraphQL: async (node, code, token, headers) =>
    fromGraphql(await graphql(node, SIGN_IN, { code }, token, headers), 'wechatSignIn'),
  'REST POST': async (node, code, token, headers) =>
    fromRest(await post(`${node.url}/auth/v1/wechat_mini/login`, { code }, token, headers)),
  'REST GET': async (node, code, token, headers = {}) => {
    const query = code === undefined ? '' : `?code=${encodeURIComponent(String(code))}`
    return fromRest(
      await send(`${node.url}/auth/v1/wechat_mini/login${query}`, {
        token,
        headers: headers as Record<string, string>,
      }),
    )
  },
}
