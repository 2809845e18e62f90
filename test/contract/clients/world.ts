import type { Node } from '../../support/service.ts'
import type { Refusal, Sent } from './entry.ts'
import type { Site } from './site.ts'

/** A second mini program of the same owner. */
export const OTHER_APP = 'wx00000000000000aa'

/** MemFire's SDK by version, or Supabase's client. */
export type Kind = '2.2.0' | '2.0.8' | 'auth-js'

// biome-ignore lint/suspicious/noExplicitAny: clients are called as JavaScript calls them, with what they do not take, too
export type Any = any

export interface Session {
  access_token: string
  refresh_token: string
  expires_in: number
  expires_at: number
  user: Any
}

/** One client, with a storage of its own. */
export interface Client {
  auth: Any
  /** Names of its events, since it has started, or since the probe began; without `INITIAL_SESSION`. */
  events: string[]
  /** What it keeps. */
  stored(): Session | null
  /** Changes what it keeps. */
  store(change: object): void
}

export interface SignedIn extends Client {
  session: Session
  openid: string
  userId: string
}

/** A client with a signed-in user, at the moment when a probe begins, and who else there may be. */
export interface World extends SignedIn {
  kind: Kind
  site: Site
  node: Node
  /** `admin` of a client with the service-role key. */
  admin: Any
  nobody(): Promise<Client>
  stranger(): Promise<SignedIn>
  /** The same user, in another session. */
  another(): Promise<SignedIn>
  /** The same session, in another storage. */
  twin(): Promise<SignedIn>
  /** The app is opened again: a new client with what is stored, refreshing by itself, not yet started. */
  reopen(node?: Node): Promise<Client>
  /** Does something with this client while the database is away. */
  away(work: (client: Client) => Promise<Any>): Promise<Any>
  /** The error is the client's form of the row's refusal, or of another one. */
  refused(error: unknown, refusal?: Refusal): void
  /** The bare user in a result: 2.0.8 leaves him in the whole response of `wx.request`. */
  userOf(given: Any): Any
  /** What was asked since the probe began. */
  sent(): Sent[]
  /** Ends what would go on. */
  end(): Promise<void>
}

/** How the client's methods are called in the table. */
export const prefixOf = (kind: Kind) => (kind === 'auth-js' ? '' : 'auth.')

export const isMemfire = (kind: Kind) => kind !== 'auth-js'

export const now = () => Math.floor(Date.now() / 1000)

export const sessionsOf = ({ site, userId }: World) =>
  site.db.rows('select id from auth.sessions where user_id = $1', [userId])

/** As an administrator, or the user himself elsewhere, ends it. */
export const endSessions = ({ site, userId }: World) =>
  site.db.owner.query('delete from auth.sessions where user_id = $1', [userId])
