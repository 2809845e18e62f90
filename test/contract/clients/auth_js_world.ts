import { randomUUID } from 'node:crypto'
import {
  AuthApiError,
  AuthRetryableFetchError,
  AuthSessionMissingError,
  GoTrueClient,
} from '@supabase/auth-js'
import { freshOpenid, loginCode, post } from '../../support/client.ts'
import type { Node } from '../../support/service.ts'
import type { Entry, Sent } from './entry.ts'
import type { Site } from './site.ts'
import type { Client, Session, SignedIn, World } from './world.ts'

// Supabase's own client, unchanged. It knows nothing of WeChat: whoever signs in hands it the session.

type Options = NonNullable<ConstructorParameters<typeof GoTrueClient>[0]>

export interface Browser extends Client {
  /** From now on its requests go to another node, as behind a load balancer. */
  goTo(node: Node): void
}

export interface BrowserOptions {
  node?: Node
  key?: string
  headers?: Record<string, string>
  options?: Options
  /** What is in its storage at the start. */
  session?: object
  /** Does not wait until the client has started. */
  isStarting?: boolean
}

export interface AuthJsWorld extends World {
  browser(options?: BrowserOptions): Promise<Browser>
  signIn(options?: BrowserOptions & { openid?: string }): Promise<SignedIn>
  /** Called when something has been answered. */
  onAnswer: (sent: Sent) => unknown
}

export async function authJsWorld(
  site: Site,
  { error: expected }: Pick<Entry, 'error'>,
): Promise<AuthJsWorld> {
  const { node } = site
  const sent: Sent[] = []
  const clients: GoTrueClient[] = []

  /** fetch, which keeps what was asked. */
  function recordingFetch(home: Node) {
    let at = home
    const record = async (url: string, init: RequestInit) => {
      const { pathname, search } = new URL(url)
      const one: Sent = { method: init.method!, path: pathname + search, status: undefined, code: undefined }
      sent.push(one)
      const response = await fetch(at.url + pathname + search, init)
      one.status = response.status
      one.code = response.headers.get('x-sb-error-code') ?? undefined
      await world.onAnswer(one)
      return response
    }
    const goTo = (other: Node) => {
      at = other
    }
    return { fetch: record as typeof fetch, goTo }
  }

  async function browser(given: BrowserOptions = {}): Promise<Browser> {
    const { node: home = node, key = home.services.apiKeys.anon, headers = {}, session } = given
    const storageKey = randomUUID()
    const { items, storage } = createStorage()
    const stored = () => JSON.parse(items.get(storageKey) ?? 'null') as Session | null
    const store = (change: object) => void items.set(storageKey, JSON.stringify({ ...stored(), ...change }))
    if (session) store(session)
    const { fetch, goTo } = recordingFetch(home)
    const auth = new GoTrueClient({
      url: `${home.url}/auth/v1`,
      headers: { apikey: key, Authorization: `Bearer ${key}`, ...headers },
      ...{ storageKey, storage, fetch, autoRefreshToken: false, ...given.options },
    })
    clients.push(auth)
    const events: string[] = []
    auth.onAuthStateChange(name => void (name !== 'INITIAL_SESSION' && events.push(name)))
    if (!given.isStarting) {
      await auth.initialize()
      events.length = 0
    }
    return { auth, events, stored, store, goTo }
  }

  async function signIn(given: BrowserOptions & { openid?: string } = {}): Promise<SignedIn & Browser> {
    const { node: home = node, openid = freshOpenid() } = given
    const code = await loginCode(site.simulator, openid)
    const { status, body } = await post(`${home.url}/auth/v1/wechat_mini/login`, { code })
    if (status !== 200) throw new Error(JSON.stringify(body))
    const made = await browser({ ...given, session: body })
    return { ...made, openid, session: body, userId: body.user.id }
  }

  const own = await signIn()
  const server = await browser({ key: node.services.apiKeys.serviceRole })
  const copy = { session: own.session }

  const world: AuthJsWorld = {
    ...own,
    ...{ kind: 'auth-js', site, node, browser, signIn, admin: server.auth.admin, sent: () => sent },
    ...{ nobody: browser, stranger: signIn, onAnswer() {}, userOf: given => given },
    another: () => signIn({ openid: own.openid }),
    twin: async () => ({ ...own, ...(await browser(copy)) }),
    reopen: (at = node) =>
      browser({
        ...{ node: at, session: own.stored()!, isStarting: true, options: { autoRefreshToken: true } },
      }),
    async away(work) {
      own.goTo(site.shaky)
      site.wire.cut()
      return work(own).finally(async () => {
        await site.wire.mend()
        own.goTo(node)
      })
    },
    refused: (error, refusal = expected!) => expectError(error, refusal),
    async end() {
      for (const client of clients) await client.dispose()
    },
  }
  return world
}

function createStorage() {
  const items = new Map<string, string>()
  const storage = {
    getItem: (name: string) => items.get(name) ?? null,
    setItem: (name: string, value: string) => void items.set(name, value),
    removeItem: (name: string) => void items.delete(name),
  }
  return { items, storage }
}

/** The code is there but for what passes, and for an ended session, which the client has a class of its own for. */
function expectError(error: unknown, { status, code }: NonNullable<Entry['error']>): void {
  if (code === 'session_not_found') {
    expect(error).toBeInstanceOf(AuthSessionMissingError)
  } else if (status >= 500) {
    expect(error).toBeInstanceOf(AuthRetryableFetchError)
    expect(error).toMatchObject({ status, code: undefined })
  } else {
    expect(error).toBeInstanceOf(AuthApiError)
    expect(error).toMatchObject({ status, code })
  }
}
