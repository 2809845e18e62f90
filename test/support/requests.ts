import type { RawRequest } from './raw.ts'

const json: [string, string] = ['content-type', 'application/json']
const post = (target: string, body: unknown): RawRequest => ({
  method: 'POST',
  target,
  headers: [json],
  body: JSON.stringify(body),
})

export const graphqlRequest = (query: string, variables: object = {}) =>
  post('/graphql', { query, variables })

export const withToken = (request: RawRequest, token: string): RawRequest => ({
  ...request,
  headers: [...(request.headers ?? []), ['authorization', `Bearer ${token}`]],
})

type Make = (input: string) => RawRequest
const encode = encodeURIComponent

/** Every operation, by every entrance. The input is a code or a refresh token, where there is one. */
export const operations = {
  'sign in': {
    GraphQL: code =>
      graphqlRequest(
        'mutation ($v: String!) { wechatSignIn(input: { code: $v }) { session { accessToken user { id } } } }',
        { v: code },
      ),
    'REST POST': code => post('/auth/v1/wechat_mini/login', { code }),
    'REST GET': code => ({ target: `/auth/v1/wechat_mini/login?code=${encode(code)}` }),
  },
  bind: {
    GraphQL: code =>
      graphqlRequest(
        'mutation ($v: String!) { wechatBindPhone(input: { code: $v }) { user { id phone } } }',
        {
          v: code,
        },
      ),
    'REST POST': code => post('/auth/v1/wechat_mini/bind_phone', { code }),
    'REST GET': code => ({ target: `/auth/v1/wechat_mini/bind_phone?code=${encode(code)}` }),
  },
  unbind: {
    GraphQL: () => graphqlRequest('mutation { wechatUnbindPhone(input: {}) { user { id phone } } }'),
    'REST POST': () => ({ method: 'POST', target: '/auth/v1/wechat_mini/unbind_phone' }),
  },
  link: {
    GraphQL: code =>
      graphqlRequest('mutation ($v: String!) { wechatBindAccount(input: { code: $v }) { user { id } } }', {
        v: code,
      }),
    'REST POST': code => post('/auth/v1/wechat_mini/bind_account', { code }),
    'REST GET': code => ({ target: `/auth/v1/wechat_mini/bind_account?code=${encode(code)}` }),
  },
  update: {
    GraphQL: () =>
      graphqlRequest(
        'mutation { updateCurrentUser(input: { userMetadata: { name: "x" } }) { user { id } } }',
      ),
    'REST PUT': () => ({ ...post('/auth/v1/user', { data: { name: 'x' } }), method: 'PUT' }),
  },
  refresh: {
    GraphQL: token =>
      graphqlRequest(
        'mutation ($v: String!) { refreshSession(input: { refreshToken: $v }) { session { refreshToken } } }',
        { v: token },
      ),
    'REST POST': token => post('/auth/v1/token?grant_type=refresh_token', { refresh_token: token }),
  },
  'sign out': {
    GraphQL: () => graphqlRequest('mutation { signOut(input: { scope: "others" }) { clientMutationId } }'),
    'REST POST': () => ({ method: 'POST', target: '/auth/v1/logout?scope=others' }),
  },
  user: {
    GraphQL: () => graphqlRequest('{ currentUser { id } }'),
    'REST GET': () => ({ target: '/auth/v1/user' }),
  },
} satisfies Record<string, Record<string, Make>>
export type Operation = keyof typeof operations

/** The entrances of an operation. */
export const entrancesOf = (operation: Operation) =>
  Object.entries(operations[operation]) as [entrance: string, make: Make][]
