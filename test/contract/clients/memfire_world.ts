import { randomUUID } from 'node:crypto'
import { createRequire } from 'node:module'
import { freshOpenid, loginCode } from '../../support/client.ts'
import type { Node } from '../../support/service.ts'
import { createWx } from '../../support/wx.ts'
import type { Entry } from './entry.ts'
import type { Site } from './site.ts'
import type { Any, Client, Kind, Session, SignedIn, World } from './world.ts'

// MemFire's SDK, unchanged, in what a mini program gives it.

export interface Phone extends Client {
  /** The whole of the SDK. */
  client: Any
  storageKey: string
}

export interface MemfireWorld extends World {
  client: Any
  /** The same phone, whose requests go to another node, or have further headers. */
  moved(options: PhoneOptions): Promise<Phone>
  /** Puts something beside the session. */
  keep(name: string, value: unknown): void
}

interface PhoneOptions {
  node?: Node
  key?: string
  storageKey?: string
  headers?: Record<string, string>
  /** Options of the SDK. */
  auth?: object
  /** Does not wait until the client has started. */
  isStarting?: boolean
}

const wx = createWx()
const modules = { '2.2.0': 'supabase-wechat-stable-v2', '2.0.8': 'supabase-wechat-stable-v2-2.0.8' }
export type Version = keyof typeof modules

export function loadMemfire(version: Version): Any {
  Object.assign(globalThis, { wx })
  return createRequire(import.meta.url)(modules[version])
}

export async function memfireWorld(
  kind: Version,
  site: Site,
  { error: expected }: Pick<Entry, 'error'>,
): Promise<MemfireWorld> {
  const sdk = loadMemfire(kind)
  const { node } = site
  const phones: Phone[] = []
  const read = (key: string) => JSON.parse((wx.getStorageSync(key) as string) || 'null') as Session | null

  async function phone(options: PhoneOptions = {}): Promise<Phone> {
    const { node: home = node, storageKey = randomUUID(), headers = {} } = options
    const client = sdk.createClient(home.url, options.key ?? home.services.apiKeys.anon, {
      auth: { autoRefreshToken: false, detectSessionInUrl: false, storageKey, ...options.auth },
      global: { headers },
    })
    const events: string[] = []
    const { auth } = client
    auth.onAuthStateChange((name: string) => void (name !== 'INITIAL_SESSION' && events.push(name)))
    if (!options.isStarting) {
      await auth.initialize()
      events.length = 0
    }
    const stored = () => read(storageKey)
    const store = (change: object) =>
      wx.setStorageSync(storageKey, JSON.stringify({ ...stored(), ...change }))
    const made = { client, auth, storageKey, events, stored, store }
    phones.push(made)
    return made
  }

  async function signIn(openid = freshOpenid()): Promise<Phone & SignedIn> {
    const count = wx.requests.length
    const made = await phone()
    const { data, error } = await made.auth.signInWithWechat({
      code: await loginCode(site.simulator, openid),
    })
    if (error) throw error
    made.events.length = 0
    // What a probe prepares is none of its requests.
    wx.requests.splice(count)
    return { ...made, openid, session: made.stored()!, userId: data.session.user.id }
  }

  wx.requests.length = 0
  const own = await signIn()
  const { storageKey, session } = own
  const { auth: server } = await phone({ key: node.services.apiKeys.serviceRole })

  return {
    ...own,
    ...{ kind, site, node, admin: server.admin, nobody: phone, stranger: signIn },
    another: () => signIn(own.openid),
    async twin() {
      const copy = await phone()
      copy.store(session)
      return { ...own, ...copy }
    },
    reopen: (at = node) =>
      phone({ node: at, storageKey, isStarting: true, auth: { autoRefreshToken: true } }),
    moved: options => phone({ storageKey, ...options }),
    async away(work) {
      const client = await phone({ node: site.shaky, storageKey })
      site.wire.cut()
      return work(client).finally(() => site.wire.mend())
    },
    keep: (name, value) => wx.setStorageSync(`${storageKey}-${name}`, JSON.stringify(value)),
    refused: (error, refusal = expected!) => expectError(sdk, kind, error, refusal),
    userOf: given => (kind === '2.0.8' ? given.data : given),
    sent: () => wx.requests,
    async end() {
      for (const { auth } of phones) await auth.stopAutoRefresh()
      await own.client.removeAllChannels()
    },
  }
}

/** 2.2.0's message is the JSON of the whole response, 2.0.8's is `msg` of the body; neither has a code. */
function expectError(sdk: Any, kind: Kind, error: Any, { status, code }: NonNullable<Entry['error']>): void {
  const body = { code: status, error_code: code, msg: expect.any(String) }
  const isPassing = [502, 503, 504].includes(status)
  expect(error).toBeInstanceOf(sdk[isPassing ? 'AuthRetryableFetchError' : 'AuthApiError'])
  expect({ status: error.status, code: error.code }).toEqual({ status, code: undefined })
  if (kind === '2.2.0' || isPassing) {
    expect(JSON.parse(error.message)).toMatchObject({ status, data: body })
  } else {
    const answer = wx.requests.findLast(one => one.status === status)
    expect(answer?.data).toMatchObject({ ...body, msg: error.message })
  }
}
