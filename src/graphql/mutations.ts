// Before: src/graphql/requests.ts, which knows the caller. After: the operations of src/rpc.
import {
  access,
  constant,
  context,
  type FieldArgs,
  lambda,
  type Step,
  sideEffect,
} from 'postgraphile/grafast'
import { extendSchema } from 'postgraphile/utils'
import { currentUser } from '../rpc/current_user.ts'
import { rpcs } from '../rpc/index.ts'
import type { AnyRpc } from '../rpc/own_rpc.ts'
import { execute } from '../rpc/rpc.ts'
import type { RequestContext } from './requests.ts'

const EMPTY = Object.freeze({})
const upperFirst = (text: string) => text[0]!.toUpperCase() + text.slice(1)

const sessionAndQuery = `
"""Tokens with which a client acts as its user."""
type Session {
  """A JWT; send it as \`Authorization: Bearer …\`."""
  accessToken: String!
  """Good for one exchange by \`refreshSession\`."""
  refreshToken: String!
  """bearer"""
  tokenType: String!
  """Seconds that the access token lives."""
  expiresIn: Int!
  """When the access token ends, in seconds since 1970."""
  expiresAt: Float!
  """The user who signed in."""
  user: User!
}
extend type Query {
  """The signed-in user; null for anybody else. Errors: session_not_found, user_banned, database_unavailable."""
  currentUser: User
  """
  The identities with which the signed-in user can sign in; null for anybody else. Errors: session_not_found, user_banned,
  database_unavailable.
  """
  currentUserIdentities: [Identity!]
}
"""An openid in an app, and with it a way to sign in."""
type Identity {
  """The id of the link between user and openid; what \`unlinkIdentity\` takes."""
  id: UUID!
  """wechat_mini: a WeChat mini program."""
  provider: String!
  """The mini program's appid."""
  appid: String!
  """The openid."""
  providerId: String!
  """The unionid that WeChat told with this openid; null until it does."""
  unionid: String
  """When this openid was linked to the user."""
  createdAt: Datetime!
  """When the user last signed in with it."""
  lastSignInAt: Datetime
}`

const mutationSdl = ({ name, description, sdl }: AnyRpc) => `
${sdl.types ?? ''}
"""Arguments of \`${name}\`."""
input ${upperFirst(name)}Input {
  """Comes back in the payload."""
  clientMutationId: String
  ${sdl.input}
}
"""Result of \`${name}\`."""
type ${upperFirst(name)}Payload {
  """The clientMutationId of the input."""
  clientMutationId: String
  ${sdl.payload}
  """The root query, for reading on in the same request."""
  query: Query
}
extend type Mutation {
  """${description}"""
  ${name}(input: ${upperFirst(name)}Input!): ${upperFirst(name)}Payload
}`

/**
 * The operations as mutations, ours and the application's own, and `currentUser`. Each field runs its RPC, which takes a
 * connection for its statements only; the payload, `user` included, is read off the answer without a second query.
 */
export function rpcPlugin(own: readonly AnyRpc[]): GraphileConfig.Plugin {
  const all: AnyRpc[] = [...rpcs, ...own]
  return extendSchema(
    {
      typeDefs: [sessionAndQuery, ...all.map(mutationSdl)].join('\n'),
      objects: {
        Query: {
          plans: {
            currentUser: currentUserPlan,
            currentUserIdentities: () => access(currentUserPlan(), 'identities'),
          },
        },
        Identity: {
          plans: {
            providerId: $identity => access($identity, 'provider_id'),
            createdAt: $identity => access($identity, 'created_at'),
            lastSignInAt: $identity => access($identity, 'last_sign_in_at'),
          },
        },
        Mutation: { plans: Object.fromEntries(all.map(rpc => [rpc.name, planOf(rpc)])) },
        ...Object.fromEntries(
          all.map(({ name }) => [`${upperFirst(name)}Payload`, { plans: { query: () => constant(EMPTY) } }]),
        ),
      },
    },
    'WechatRpcPlugin',
  )
}

function planOf(rpc: AnyRpc) {
  return (_$root: Step, args: FieldArgs) => {
    const $input = args.getRaw('input') as Step<{ clientMutationId?: string | null }>
    return sideEffect(
      [wechatContext(), $input],
      async ([{ services, call }, { clientMutationId, ...input }]) => ({
        ...(await execute(rpc, services, call, input)),
        clientMutationId,
      }),
    )
  }
}

function currentUserPlan() {
  const $answer = lambda(wechatContext(), async ({ services, call }) => ({
    user: call.caller.role === 'authenticated' ? await currentUser(services, call) : null,
  }))
  return access($answer, 'user')
}

const wechatContext = () => access(context(), 'wechat') as unknown as Step<RequestContext['wechat']>
