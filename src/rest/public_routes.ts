// Before: src/rest/routes.ts. What everybody may read, with any token or none: no header says who calls.
import type { Response } from 'express'
import type { Services } from '../services.ts'
import { version } from '../version.ts'
import type { Route } from './route.ts'

const NAME = 'postgraphile-wechat'
const DESCRIPTION = 'WeChat mini program sign-in and phone binding on your own PostgreSQL'

/** What GoTrue's clients know of, in GoTrue's spelling; none of it is here. */
const otherProviders = [
  ...['anonymous_users', 'apple', 'azure', 'bitbucket', 'discord', 'email', 'facebook', 'figma', 'fly'],
  ...['github', 'gitlab', 'google', 'kakao', 'keycloak', 'linkedin', 'linkedin_oidc', 'notion', 'phone'],
  ...['slack', 'slack_oidc', 'snapchat', 'spotify', 'twitch', 'twitter', 'workos', 'zoom'],
]

/** GoTrue's `/settings`: signing in is by WeChat alone, for everybody, without mail and SMS. */
const settings = {
  external: { ...Object.fromEntries(otherProviders.map(name => [name, false])), wechat_mini: true },
  disable_signup: false,
  mailer_autoconfirm: false,
  phone_autoconfirm: false,
  sms_provider: '',
  mfa_enabled: false,
  saml_enabled: false,
  saml_private_key_next_configured: false,
  passkeys_enabled: false,
}

/**
 * OpenID Connect Discovery 1.0, for libraries that find the keys by the issuer. The specification wants an authorization
 * endpoint and a response type: nobody is redirected here, and what comes nearest is the exchange of a code of
 * `wx.login` for a token.
 */
const openidConfiguration = ({ issuer, algorithms }: Services['tokens']) => ({
  issuer,
  authorization_endpoint: `${issuer}/wechat_mini/login`,
  token_endpoint: `${issuer}/token`,
  jwks_uri: `${issuer}/.well-known/jwks.json`,
  response_types_supported: ['token'],
  grant_types_supported: ['refresh_token'],
  subject_types_supported: ['public'],
  id_token_signing_alg_values_supported: algorithms,
  token_endpoint_auth_methods_supported: ['none'],
  claims_supported: [
    ...['iss', 'sub', 'aud', 'exp', 'iat', 'role', 'session_id', 'phone'],
    ...['app_metadata', 'user_metadata', 'aal', 'amr', 'is_anonymous'],
  ],
})

/** A document that changes with the configuration alone. */
const cached = (res: Response) => res.set('cache-control', 'public, max-age=600')

export const publicRoutes = ({ tokens }: Services): Route[] => [
  {
    method: 'get',
    path: '/.well-known/jwks.json',
    handle: async (_req, res) => cached(res).json(tokens.jwks),
  },
  {
    method: 'get',
    path: '/.well-known/openid-configuration',
    handle: async (_req, res) => cached(res).json(openidConfiguration(tokens)),
  },
  { method: 'get', path: '/settings', handle: async (_req, res) => res.json(settings) },
  {
    method: 'get',
    path: '/health',
    handle: async (_req, res) => res.json({ version, name: NAME, description: DESCRIPTION }),
  },
]
