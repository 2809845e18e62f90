// What the phone asks of the service.

/** A user as the phone shows him, whichever entrance has told of him. */
export interface User {
  id: string
  phone: string | null
  phoneConfirmedAt: string | null
}
export interface Session {
  accessToken: string
  refreshToken: string
  user: User
}
/** One capability by both entrances. */
export interface Operation<T> {
  name: string
  graphql: { document: string; read: (data: never) => T }
  rest: { method: string; path: string; body?: object; read: (body: never) => T }
  variables: Record<string, unknown>
}

const USER = 'user { id phone phoneConfirmedAt }'
const SESSION = `session { accessToken refreshToken ${USER} }`

/** As docs/compatibility.md has them; more than this is not looked at. */
interface RestUser {
  id: string
  phone: string
  phone_confirmed_at?: string | null
}
interface RestSession {
  access_token: string
  refresh_token: string
  user: RestUser
}

const userOfRest = ({ id, phone, phone_confirmed_at }: RestUser): User => ({
  id,
  phone: phone || null,
  phoneConfirmedAt: phone_confirmed_at || null,
})
const sessionOfRest = ({ access_token, refresh_token, user }: RestSession): Session => ({
  accessToken: access_token,
  refreshToken: refresh_token,
  user: userOfRest(user),
})

/** A mutation with one variable, or none. */
function mutation<T, Payload>(
  name: string,
  variables: Record<string, string>,
  payload: string,
  read: (payload: Payload) => T,
  rest: Operation<T>['rest'],
): Operation<T> {
  const types = Object.keys(variables).map(key => `$${key}: String!`)
  const input = Object.keys(variables).map(key => `${key}: $${key}`)
  const head = types.length > 0 ? ` (${types.join(', ')})` : ''
  const document = `mutation${head} { ${name}(input: {${input.join(', ')}}) { ${payload} } }`
  return {
    name,
    graphql: { document, read: (data: Record<string, Payload>) => read(data[name]!) },
    rest,
    variables,
  }
}

export const signIn = (code: string) =>
  mutation('wechatSignIn', { code }, SESSION, ({ session }: { session: Session }) => session, {
    ...{ method: 'POST', path: '/wechat_mini/login', body: { code }, read: sessionOfRest },
  })
export const bindPhone = (code: string) =>
  mutation('wechatBindPhone', { code }, USER, ({ user }: { user: User }) => user, {
    ...{ method: 'POST', path: '/wechat_mini/bind_phone', body: { code }, read: userOfRest },
  })
export const unbindPhone = () =>
  mutation('wechatUnbindPhone', {}, USER, ({ user }: { user: User }) => user, {
    ...{ method: 'POST', path: '/wechat_mini/unbind_phone', read: userOfRest },
  })
export const refreshSession = (refreshToken: string) =>
  mutation('refreshSession', { refreshToken }, SESSION, ({ session }: { session: Session }) => session, {
    ...{ method: 'POST', path: '/token?grant_type=refresh_token', body: { refresh_token: refreshToken } },
    read: sessionOfRest,
  })
export const qrcode = (scene: string) =>
  mutation(
    'wechatUnlimitedQrcode',
    { scene },
    'imgBase64',
    ({ imgBase64 }: { imgBase64: string }) => imgBase64,
    {
      ...{ method: 'POST', path: '/wechat_mini/unlimited_qrcode', body: { scene } },
      read: ({ imgBase64 }: { imgBase64: string }) => imgBase64,
    },
  )
export const signOut = (scope: 'local' | 'global') =>
  mutation('signOut', { scope }, 'clientMutationId', () => null, {
    ...{ method: 'POST', path: `/logout?scope=${scope}`, read: () => null },
  })
export const currentUser = (): Operation<User | null> => ({
  name: 'currentUser',
  graphql: {
    document: '{ currentUser { id phone phoneConfirmedAt } }',
    read: ({ currentUser }: { currentUser: User | null }) => currentUser,
  },
  rest: { method: 'GET', path: '/user', read: userOfRest },
  variables: {},
})
