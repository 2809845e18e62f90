import type { Services } from '../services.ts'
import { maskError } from './errors.ts'
import { rpcPlugin } from './mutations.ts'
import { pgSessionPlugin } from './pg_session.ts'
import { requestPlugin } from './requests.ts'
import { userPlugins } from './user_type.ts'

export interface PresetOptions {
  /** Name of the pgService whose database has the schema `auth`. */
  pgService?: string
}

/**
 * The PostGraphile preset: the type `User`, the operations as mutations, `currentUser`, and every request under the
 * role and claims of its verified caller. An existing application adds it to `extends`; its own tables then see
 * `auth.uid()` in their policies.
 */
export const wechatPreset = (
  services: Services,
  { pgService = 'main' }: PresetOptions = {},
): GraphileConfig.Preset => ({
  plugins: [
    ...userPlugins(pgService),
    rpcPlugin(services.rpcs),
    requestPlugin(services),
    pgSessionPlugin(services, pgService),
  ],
  grafserv: { maskError: maskError(services.log) },
})
