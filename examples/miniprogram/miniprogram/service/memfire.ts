import type { SupabaseClient } from 'supabase-wechat-stable-v2'
import { createClient } from 'supabase-wechat-stable-v2'
import { config } from '../config'
import { loginCode } from '../wechat/codes'
import { post } from '../wechat/request'
import type { Failure } from './failure'
import { failure, noAnswer, notOurs } from './failure'
import { unlessGone } from './patience'
import type { QrCode, Service, User } from './service'

// MemFire's SDK keeps the session in the phone's storage, and refreshes it before it ends.

let client: SupabaseClient | undefined
function auth() {
  if (!config.anonKey) throw failure('no_anon_key')
  // Without `detectSessionInUrl: false` the SDK would look for `window`.
  client ??= createClient(config.url, config.anonKey, {
    auth: { storageKey: 'memfire-session', detectSessionInUrl: false },
  })
  return client.auth
}

/** The SDK does not throw: what it answers has an error, or not. */
async function dataOf<Result extends { data: unknown; error: unknown }>(
  asked: Promise<Result>,
): Promise<Result['data']> {
  const { data, error } = await asked
  if (error) throw failureOf(error as SdkError)
  return data
}

interface SdkError {
  name?: string
  status?: number
  message: string
}

interface ErrorBody {
  error_code?: string
  error_id?: string
  wechat?: { rid?: string }
}

/**
 * The SDK's errors have no code: `message` is the JSON of the whole answer, or of what wx.request said when there was none.
 * Headers are not in it, so nobody knows Retry-After.
 */
function failureOf({ name, status, message }: SdkError): Failure {
  if (name === 'AuthSessionMissingError') return failure('session_not_found')
  if (status === 0) return noAnswer(message)
  try {
    return failureIn(JSON.parse(message).data)
  } catch {
    return failure('unexpected_failure', { id: message })
  }
}

function failureIn(body: ErrorBody | undefined): Failure {
  if (!body?.error_code) return notOurs()
  const id = body.error_id ?? body.wechat?.rid
  return failure(body.error_code, id === undefined ? {} : { id })
}

interface SdkUser {
  id: string
  phone?: string
}

function userOf(user: SdkUser | null): User {
  if (!user) throw notOurs()
  return { id: user.id, phone: user.phone || null }
}

async function signInAnew(): Promise<User> {
  const code = await loginCode()
  return userOf((await dataOf(auth().signInWithWechat({ code }))).user)
}

/** The access token of the stored session, which the SDK has refreshed if need be. */
async function accessToken(): Promise<string> {
  const { session } = await dataOf(auth().getSession())
  if (!session) throw failure('no_authorization')
  return session.access_token
}

/** Where the session has ended, a new one. */
const asUser = <T>(ask: () => Promise<T>): Promise<T> =>
  unlessGone(ask, async () => {
    await signInAnew()
    return ask()
  })

export const memfire: Service = {
  signIn: () =>
    unlessGone(async () => {
      await accessToken()
      return userOf((await dataOf(auth().getUser())).user)
    }, signInAnew),

  bindPhone: code => asUser(async () => userOf((await dataOf(auth().wechatBindPhone({ code }))).user)),

  /** The SDK has no method for it: one request with its access token. */
  unbindPhone: () =>
    asUser(async () => {
      const { status, data } = await post(
        `${config.url}/auth/v1/wechat_mini/unbind_phone`,
        {},
        { apikey: config.anonKey, authorization: `Bearer ${await accessToken()}` },
      )
      if (status !== 200) throw failureIn(data as ErrorBody)
      return userOf(data as SdkUser)
    }),

  async qrCode({ scene, page, envVersion }: QrCode) {
    const { imgBase64 } = await dataOf(
      auth().getUnlimitedQRCode({
        scene,
        page,
        env_version: envVersion,
        check_path: envVersion === 'release',
      }),
    )
    if (!imgBase64) throw notOurs()
    return imgBase64
  },

  async signOut() {
    await dataOf(
      auth()
        .signOut({ scope: 'local' })
        .then(({ error }) => ({ data: null, error })),
    )
  },
}
