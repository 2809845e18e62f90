import { createClient, type SupabaseClient } from 'supabase-wechat-stable-v2'
import { config } from '../config'
import { loginCode } from '../wechat/codes'
import { post } from '../wechat/request'
import { type Failure, failure, noAnswer, notOurs } from './failure'
import { signedIn } from './patience'
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
function failureOf({ name, message }: SdkError): Failure {
  if (name === 'AuthSessionMissingError') return failure('session_not_found')
  const { errMsg = '', status, data } = parse(message)
  if (status === undefined) return noAnswer(errMsg)
  return failureIn(data)
}

function failureIn(data: ErrorBody | undefined): Failure {
  if (!data?.error_code) return notOurs()
  const id = data.error_id ?? data.wechat?.rid
  return failure(data.error_code, id === undefined ? {} : { id })
}

function parse(message: string): { errMsg?: string; status?: number; data?: ErrorBody } {
  try {
    return JSON.parse(message)
  } catch {
    return { errMsg: message }
  }
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

async function signIn(): Promise<User> {
  const { session } = await dataOf(auth().getSession())
  if (!session) return signInAnew()
  return signedIn(signInAnew, async () => userOf((await dataOf(auth().getUser())).user))
}

export const memfire: Service = {
  signIn,

  bindPhone: code =>
    signedIn(signInAnew, async () => userOf((await dataOf(auth().wechatBindPhone({ code }))).user)),

  /** The SDK has no method for it: one request with its access token. */
  unbindPhone: () =>
    signedIn(signInAnew, async () => {
      const { session } = await dataOf(auth().getSession())
      const { status, data } = await post(
        `${config.url}/auth/v1/wechat_mini/unbind_phone`,
        {},
        { apikey: config.anonKey, authorization: `Bearer ${session?.access_token ?? config.anonKey}` },
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
