import { config } from '../config'
import { loginCode } from '../wechat/codes'
import { post } from '../wechat/request'
import type { Failure } from './failure'
import { asFailure, failure, isSessionGone, notOurs } from './failure'
import { unlessGone } from './patience'
import type { QrCode, Service, User } from './service'
import type { Session } from './session'
import { accessToken, forgetSession, keepSession } from './session'

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

/** As the user of the stored session. */
const ownAsk = async <Data>(query: string, variables?: object): Promise<Data> =>
  ask(query, variables, await accessToken(refresh))

/** Where that session has ended, as the user of a new one. */
const asUser = <Data>(query: string, variables?: object): Promise<Data> =>
  unlessGone<Data>(
    () => ownAsk(query, variables),
    async () => {
      await signInAnew()
      return ownAsk(query, variables)
    },
  )

export const graphql: Service = {
  signIn: () =>
    unlessGone(
      async () => (await ownAsk<{ currentUser: User }>('{ currentUser { id phone } }')).currentUser,
      signInAnew,
    ),

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
      await ownAsk('mutation { signOut(input: { scope: "local" }) { clientMutationId } }')
    } catch (thrown) {
      const failed = asFailure(thrown)
      if (!isSessionGone(failed) && failed.code !== 'user_banned') throw failed
    }
    forgetSession()
  },
}
