import { send } from '../../support/client.ts'
import type { Entry, Refusal } from './entry.ts'
import { type Any, isMemfire, type Kind, prefixOf, type World } from './world.ts'

// What GoTrue has and a WeChat sign-in does not: how such rows are made. Each method is called for real, and the service
// answers by name.

/** What every route answers that is not there. */
export const NOT_HERE: Refusal = { status: 404, code: 'validation_failed' }
/** What `/token` answers to a grant that is not a refresh token. */
export const NO_GRANT: Refusal = { status: 400, code: 'validation_failed' }

export const NO_PASSWORDS = 'no e-mail addresses and passwords'
export const NO_MESSAGES = 'no codes by SMS or e-mail'
export const NO_PROVIDERS = 'no other providers'
export const NO_FACTORS = 'no second factors'

export const nobody = { user: null, session: null }

export interface None {
  method: string
  asks: string
  why: string
  call(client: Any, userId: string): Promise<{ data: unknown; error: unknown }>
  /** `data` of the result. */
  data: unknown
  error: Refusal
  /** MemFire's SDK forgets its session before it asks: it takes this for a sign-in. */
  isSignIn: boolean
}

export const none = (
  method: string,
  asks: string,
  why: string,
  call: None['call'],
  data: unknown = null,
  error = NOT_HERE,
): None => ({ method, asks, why, call, data, error, isSignIn: false })

/** A sign-in of another kind. */
export const signIn = (
  method: string,
  asks: string,
  why: string,
  call: None['call'],
  data: unknown = nobody,
) => ({
  ...none(method, asks, why, call, data, asks.startsWith('POST /token') ? NO_GRANT : NOT_HERE),
  isSignIn: true,
})

/** The row of such a method; `clientOf`: what has it. */
export const noneEntry = <W extends World = World>(
  kind: Kind,
  { method, asks, why, call, data, error, isSignIn }: None,
  clientOf: (world: W) => Any = ({ auth }) => auth,
): Entry<W> => ({
  method: prefixOf(kind) + method,
  asks,
  outcome: 'by design not',
  error,
  note: why,
  ...(isSignIn && isMemfire(kind) && { forgets: true }),
  async probe(world) {
    const result = await call(await clientOf(world), world.userId)
    expect(result.data).toEqual(data)
    world.refused(result.error)
  },
})

export const oauthEntry = (kind: Kind): Entry => ({
  method: `${prefixOf(kind)}signInWithOAuth`,
  outcome: 'by design not',
  note: `${NO_PROVIDERS}; the URL that it makes answers 404`,
  ...(isMemfire(kind) && { forgets: true }),
  async probe(world) {
    const { data } = await world.auth.signInWithOAuth({ provider: 'github' })
    const url = `${world.node.url}/auth/v1/authorize?provider=github`
    expect(data).toMatchObject({ provider: 'github', url })
    expect(await send(url)).toMatchObject({ status: 404, body: { error_code: 'validation_failed' } })
  },
})

export const levelEntry = (kind: Kind): Entry => ({
  method: `${prefixOf(kind)}mfa.getAuthenticatorAssuranceLevel`,
  outcome: 'works',
  note: 'always aal1, by `wechat_mini`',
  async probe(world) {
    expect(await world.auth.mfa.getAuthenticatorAssuranceLevel()).toEqual({
      data: {
        ...{ currentLevel: 'aal1', nextLevel: 'aal1' },
        currentAuthenticationMethods: [{ method: 'wechat_mini', timestamp: expect.any(Number) }],
      },
      error: null,
    })
  },
})

export const factorsEntry = (kind: Kind): Entry => ({
  method: `${prefixOf(kind)}mfa.listFactors`,
  asks: 'GET /user',
  outcome: 'works',
  note: 'nobody has any',
  async probe(world) {
    const { data, error } = await world.auth.mfa.listFactors()
    expect({ all: data.all, totp: data.totp, error }).toEqual({ all: [], totp: [], error: null })
  },
})
