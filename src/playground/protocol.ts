// What the service tells the page of the playground; nothing here needs a browser, or Node.

/** What happens while a request is served. Told twice: when it begins, and with `ended` when it is over. */
export type Step = {
  /** Grows from step to step. */
  id: number
  /** The request's id (`x-request-id`), to which a page finds its own. */
  request: string
  /** Unix time in milliseconds. */
  at: number
} & (
  | { kind: 'http'; method: string; path: string; ended?: { ms: number; status: number } }
  | {
      kind: 'sql'
      /** Of the prepared statement, which is the name of the SQL function that it calls; PostGraphile's own have none. */
      name: string | undefined
      text: string
      values: string[]
      ended?: { ms: number; rows?: number; first?: unknown; error?: string }
    }
  | {
      kind: 'wechat'
      method: string
      /** Without secret and access token. */
      path: string
      body: unknown
      ended?: { ms: number; status?: number; answer?: unknown; error?: string }
    }
)

/** What the page has to know of the service. */
export interface Settings {
  version: string
  /** WeChat is simulated, so the page can play the phone. */
  simulated: boolean
  /** The owner's login is known, so the page can show rows. */
  stored: boolean
  graphiql: boolean
  appid: string
  phoneConflict: 'reject' | 'merge'
}

/** What is stored of a user: rows as they are, the newest first. */
export interface Stored {
  user: Record<string, unknown> | null
  identities: Record<string, unknown>[]
  sessions: Record<string, unknown>[]
  audit: Record<string, unknown>[]
  events: Record<string, unknown>[]
}
