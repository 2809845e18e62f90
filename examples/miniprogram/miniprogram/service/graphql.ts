import { config } from '../config'
import { loginCode } from '../wechat/codes'
import { post } from '../wechat/request'
import { asFailure, type Failure, failure, isSessionGone, notOurs } from './failure'
import { signedIn } from './patience'
import type { QrCode, Service, User } from './service'
import { accessToken, forgetSession, keepSession, type Session } from './session'

// GraphQL by wx.request, without any library. The schema is generated/schema.graphql of the service.

interface ErrorExtensions {
  code?: string
  error_id?: string
  retryAfter?: number
  wechat?: { rid?: string }
}

interface GraphqlAnswer<Data> {
  data?: Data
  errors?: { extensions?: ErrorExtensions }[]
}

/** One operation; `token`: as this user. */
async function ask<Data>(query: string, variables: object = {}, token?: string): Promise<Data> {
  const header: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` }
  const answer = await post(`${config.url}/graphql`, { query, variables }, header)
  const { data, errors } = (answer.data ?? {}) as GraphqlAnswer<Data>
  if (errors?.[0]) throw failureOf(errors[0].extensions)
  if (!data) throw notOurs()
  return data
}

function failureOf({ code, error_id, retryAfter, wechat }: ErrorExtensions = {}): Failure {
  const id = error_id ?? wechat?.rid
  return failure(code ?? 'unexpected_failure', {
    ...(id !== undefined && { id }),
    ...(retryAfter !== undefined && { retryAfter }),
  })
}

const SESSION = 'session { accessToken refreshToken expiresIn user { id phone } }'

async function signInAnew(): Promise<User> {
  const { wechatSignIn } = await ask<{ wechatSignIn: { session: Session & { user: User } } }>(
    `mutation ($code: String!) { wechatSignIn(input: { code: $code }) { ${SESSION} } }`,
    { code: await loginCode() },
  )
  keepSession(wechatSignIn.session)
  return wechatSignIn.session.user
}

/** What `refreshSession` makes of a refresh token: session.ts says when. */
async function refresh(refreshToken: string): Promise<Session> {
  const { refreshSession } = await ask<{ refreshSession: { session: Session } }>(
    `mutation ($refreshToken: String!) { refreshSession(input: { refreshToken: $refreshToken }) { ${SESSION} } }`,
    { refreshToken },
  )
  return refreshSession.session
}

/** As the user of the session, or of a new one where that has ended. */
const asUser = <Data>(query: string, variables?: object): Promise<Data> =>
  signedIn(signInAnew, async () => ask<Data>(query, variables, await accessToken(refresh)))

export const graphql: Service = {
  async signIn() {
    const { currentUser } = await asUser<{ currentUser: User }>('{ currentUser { id phone } }')
    return currentUser
  },

  async bindPhone(code) {
    const { wechatBindPhone } = await asUser<{ wechatBindPhone: { user: User } }>(
      'mutation ($code: String!) { wechatBindPhone(input: { code: $code }) { user { id phone } } }',
      { code },
    )
    return wechatBindPhone.user
  },

  async unbindPhone() {
    const { wechatUnbindPhone } = await asUser<{ wechatUnbindPhone: { user: User } }>(
      'mutation { wechatUnbindPhone(input: {}) { user { id phone } } }',
    )
    return wechatUnbindPhone.user
  },

  async qrCode({ scene, page, envVersion }: QrCode) {
    const { wechatUnlimitedQrcode } = await ask<{ wechatUnlimitedQrcode: { imgBase64: string } }>(
      'mutation ($input: WechatUnlimitedQrcodeInput!) { wechatUnlimitedQrcode(input: $input) { imgBase64 } }',
      { input: { scene, page, envVersion, checkPath: envVersion === 'release' } },
    )
    return wechatUnlimitedQrcode.imgBase64
  },

  /** A session that has ended, or whose user is banned, is signed out already. */
  async signOut() {
    try {
      const token = await accessToken(refresh)
      await ask('mutation { signOut(input: { scope: "local" }) { clientMutationId } }', {}, token)
    } catch (thrown) {
      const failed = asFailure(thrown)
      if (!isSessionGone(failed) && failed.code !== 'user_banned') throw failed
    }
    forgetSession()
  },
}
