import { failure } from './failure'

/** As `wechatSignIn` and `refreshSession` give it. */
export interface Session {
  accessToken: string
  refreshToken: string
  expiresIn: number
}

interface StoredSession {
  accessToken: string
  refreshToken: string
  /** By the clock of this phone, which need not be right: the service's `expiresAt` could be past, or never come. */
  refreshAt: number
}

const KEY = 'graphql-session'
/** Milliseconds ahead of its end at which an access token is replaced: it must survive the request that it is sent with. */
const AHEAD = 60_000

/** In the storage of this mini program on this phone, which other mini programs cannot read. */
export function keepSession({ accessToken, refreshToken, expiresIn }: Session): void {
  const refreshAt = Date.now() + expiresIn * 1000 - AHEAD
  const stored: StoredSession = { accessToken, refreshToken, refreshAt }
  wx.setStorageSync(KEY, stored)
}

export const forgetSession = () => wx.removeStorageSync(KEY)

let refreshing: Promise<string> | undefined

/**
 * An access token that lives. A refresh token is good for one exchange, so requests that need a new one at the same time share
 * one refresh, and its answer is stored before anybody gets it. Where the answer was lost, the same token brings it again;
 * where the session has ended, the caller signs in.
 */
export async function accessToken(refresh: (refreshToken: string) => Promise<Session>): Promise<string> {
  const stored: StoredSession | '' = wx.getStorageSync(KEY)
  if (!stored) throw failure('no_authorization')
  if (Date.now() < stored.refreshAt) return stored.accessToken
  refreshing ??= refresh(stored.refreshToken)
    .then(session => {
      keepSession(session)
      return session.accessToken
    })
    .finally(() => {
      refreshing = undefined
    })
  return refreshing
}
