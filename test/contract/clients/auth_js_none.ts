import { randomUUID } from 'node:crypto'
import { AuthUnknownError } from '@supabase/auth-js'
import type { AuthJsWorld } from './auth_js_world.ts'
import type { Entry } from './entry.ts'
import { NO_FACTORS, NO_PROVIDERS, nobody, none, noneEntry, signIn } from './none.ts'
import type { Any } from './world.ts'

// The methods of that sort that only Supabase's client has, of today.

const NO_PASSKEYS = 'no passkeys'
const NO_OAUTH = 'no OAuth server'

const id = randomUUID()
const factorId = id
const challengeId = id
/** What a browser would answer, in the client's own JSON. */
const credential = { id: 'a', rawId: 'a', type: 'public-key', response: {}, clientExtensionResults: {} }
const webauthn = { rpId: 'localhost' }
const web3 = { chain: 'ethereum', message: 'a message', signature: '0x00' }

const signIns = [
  signIn('signInAnonymously', 'POST /signup', 'no anonymous users', a => a.signInAnonymously()),
  signIn('signInWithWeb3', 'POST /token?grant_type=web3', NO_PROVIDERS, a => a.signInWithWeb3(web3)),
  signIn(
    'exchangeCodeForSession',
    'POST /token?grant_type=pkce',
    NO_PROVIDERS,
    a => a.exchangeCodeForSession('a-code'),
    { ...nobody, redirectType: null },
  ),
]

const webauthnFactors = [
  none('mfa.webauthn.enroll', 'POST /factors', NO_FACTORS, a =>
    a.mfa.webauthn.enroll({ friendlyName: 'a key' }),
  ),
  none('mfa.webauthn.challenge', 'POST /factors/{id}/challenge', NO_FACTORS, a =>
    a.mfa.webauthn.challenge({ factorId, webauthn }),
  ),
  none('mfa.webauthn.verify', 'POST /factors/{id}/verify', NO_FACTORS, a => {
    const credential_response = { ...credential, toJSON: () => credential }
    return a.mfa.webauthn.verify({
      factorId,
      challengeId,
      webauthn: { type: 'request', credential_response },
    })
  }),
]

const oauth = [
  none('oauth.getAuthorizationDetails', 'GET /oauth/authorizations/{id}', NO_OAUTH, a =>
    a.oauth.getAuthorizationDetails(id),
  ),
  none('oauth.approveAuthorization', 'POST /oauth/authorizations/{id}/consent', NO_OAUTH, a =>
    a.oauth.approveAuthorization(id),
  ),
  none('oauth.denyAuthorization', 'POST /oauth/authorizations/{id}/consent', NO_OAUTH, a =>
    a.oauth.denyAuthorization(id),
  ),
  none('oauth.listGrants', 'GET /user/oauth/grants', NO_OAUTH, a => a.oauth.listGrants()),
  none('oauth.revokeGrant', 'DELETE /user/oauth/grants?client_id={id}', NO_OAUTH, a =>
    a.oauth.revokeGrant({ clientId: id }),
  ),
]

const passkeys = [
  none('passkey.startRegistration', 'POST /passkeys/registration/options', NO_PASSKEYS, a =>
    a.passkey.startRegistration(),
  ),
  none('passkey.verifyRegistration', 'POST /passkeys/registration/verify', NO_PASSKEYS, a =>
    a.passkey.verifyRegistration({ challengeId, credential }),
  ),
  none('passkey.startAuthentication', 'POST /passkeys/authentication/options', NO_PASSKEYS, a =>
    a.passkey.startAuthentication(),
  ),
  none('passkey.verifyAuthentication', 'POST /passkeys/authentication/verify', NO_PASSKEYS, a =>
    a.passkey.verifyAuthentication({ challengeId, credential }),
  ),
  none('passkey.list', 'GET /passkeys', NO_PASSKEYS, a => a.passkey.list()),
  none('passkey.update', 'PATCH /passkeys/{id}', NO_PASSKEYS, a =>
    a.passkey.update({ passkeyId: id, friendlyName: 'a key' }),
  ),
  none('passkey.delete', 'DELETE /passkeys/{id}', NO_PASSKEYS, a => a.passkey.delete({ passkeyId: id })),
]

const codes = '/factors/recovery-codes'
const recoveryCodes = [
  none('mfa.recoveryCodes.getStatus', `GET ${codes}`, NO_FACTORS, a => a.mfa.recoveryCodes.getStatus()),
  none('mfa.recoveryCodes.generate', `POST ${codes}`, NO_FACTORS, a => a.mfa.recoveryCodes.generate()),
  none('mfa.recoveryCodes.verify', `POST ${codes}/verify`, NO_FACTORS, a =>
    a.mfa.recoveryCodes.verify({ code: 'a-code' }),
  ),
  none('mfa.recoveryCodes.regenerate', `POST ${codes}/regenerate`, NO_FACTORS, a =>
    a.mfa.recoveryCodes.regenerate(),
  ),
  none('mfa.recoveryCodes.unenroll', `DELETE ${codes}`, NO_FACTORS, a => a.mfa.recoveryCodes.unenroll()),
]

/** The client has recovery codes only where they are asked for. */
const withRecoveryCodes = async ({ browser, session }: AuthJsWorld) =>
  (await browser({ session, options: { experimental: { recoveryCodes: true } } })).auth

/** These need what only browsers have, and ask nothing elsewhere; in a browser they fail as the others do. */
const inBrowsers: [
  method: string,
  why: string,
  call: (auth: Any) => Promise<{ data: unknown; error: unknown }>,
][] = [
  ['signInWithPasskey', NO_PASSKEYS, a => a.signInWithPasskey()],
  ['registerPasskey', NO_PASSKEYS, a => a.registerPasskey()],
  ['mfa.webauthn.authenticate', NO_FACTORS, a => a.mfa.webauthn.authenticate({ factorId, webauthn })],
  ['mfa.webauthn.register', NO_FACTORS, a => a.mfa.webauthn.register({ friendlyName: 'a key', webauthn })],
]

export const authJsNoneEntries: Entry<AuthJsWorld>[] = [
  ...[...signIns, ...webauthnFactors, ...oauth, ...passkeys].map(row =>
    noneEntry<AuthJsWorld>('auth-js', row),
  ),
  ...recoveryCodes.map(row => noneEntry('auth-js', row, withRecoveryCodes)),
  ...inBrowsers.map(
    ([method, note, call]): Entry<AuthJsWorld> => ({
      ...{ method, note, outcome: 'by design not' },
      async probe(world) {
        const { data, error } = await call(world.auth)
        expect(data).toBeNull()
        expect(error).toBeInstanceOf(AuthUnknownError)
      },
    }),
  ),
]
