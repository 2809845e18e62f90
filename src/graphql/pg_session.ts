import type { PoolClient } from 'pg'
import type { WithPgClient } from 'postgraphile/@dataplan/pg'
import { isReadTimeout } from '../db/errors.ts'
import { statements } from '../db/statements.ts'
import type { Call } from '../rpc/rpc.ts'
import type { Services } from '../services.ts'
import type { RequestContext } from './requests.ts'

/**
 * What PostGraphile itself selects runs in a transaction that begins with one statement: it makes the caller's role and
 * claims those of the transaction, and fails where the session has ended or the user is banned. So the check costs
 * nothing that PostGraphile's own `set_config` would not.
 */
export const pgSessionPlugin = (services: Services, pgService: string): GraphileConfig.Plugin => ({
  name: 'WechatPgSessionPlugin',
  version: '0.1.0',
  grafast: {
    middleware: {
      async prepareArgs(next, { args }) {
        const result = await next()
        const call = args.requestContext?.wechatCall ?? {
          caller: { role: 'anon' as const },
          appid: services.config.wechat.defaultAppid,
          address: undefined,
        }
        const context = args.contextValue as unknown as RequestContext & Record<string, WithPgClient>
        context.wechat = { services, call }
        const ours = args.resolvedPreset?.pgServices?.find(({ name }) => name === pgService)
        if (!ours)
          throw new Error(`There is no pgService "${pgService}": name the one that has the schema auth`)
        context[ours.withPgClientKey] = asCaller(context[ours.withPgClientKey]!, call)
        return result
      },
    },
  },
})

function asCaller(withPgClient: WithPgClient, call: Call): WithPgClient {
  const { caller } = call
  const { name, text } = caller.role === 'authenticated' ? statements.setUser : statements.setCaller
  const values = [
    JSON.stringify(caller.role === 'authenticated' ? caller.claims : { role: caller.role }),
    caller.role,
  ]
  const wrapped: typeof withPgClient = (settings, callback) => {
    const { role: _ours, ...others } = settings ?? {}
    return withPgClient(Object.keys(others).length > 0 ? others : null, client =>
      client.withTransaction(async transaction => {
        try {
          await transaction.query({ name, text, values })
          call.isEntered = true
          return await callback(transaction)
        } catch (error) {
          // The driver gave up on a statement that still runs, and a rollback would wait behind it: the connection goes,
          // or the next caller would find himself in this transaction.
          if (isReadTimeout(error)) void (transaction as unknown as { rawClient: PoolClient }).rawClient.end()
          throw error
        }
      }),
    )
  }
  return Object.assign(wrapped, { release: withPgClient.release })
}
