import type { Services } from '../services.ts'
import { maskError } from './errors.ts'
import { RpcPlugin } from './mutations.ts'
import { pgSessionPlugin } from './pg_session.ts'
import { requestPlugin } from './requests.ts'
import { userPlugins } from './user_type.ts'

/**
 * The PostGraphile preset: the type `User`, the operations as mutations, `currentUser`, and every request under the
 * role and claims of its verified caller. An existing application adds it to `extends`; its own tables then see
 * `auth.uid()` in their policies.
 */
export const wechatPreset = (services: Services): GraphileConfig.Preset => ({
  plugins: [...userPlugins, RpcPlugin, requestPlugin(services), pgSessionPlugin(services)],
  grafserv: {
    graphqlPath: '/graphql',
    graphqlOverGET: false,
    graphiqlOnGraphQLGET: false,
    graphiqlPath: '/graphiql',
    graphiql: services.config.graphiql,
    websockets: false,
    maskError: maskError(services.log),
  },
  grafast: { explain: false },
})
