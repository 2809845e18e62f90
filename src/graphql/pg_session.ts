import type { PoolClient } from 'pg'
import type { WithPgClient } from 'postgraphile/@dataplan/pg'
import { isReadTimeout } from '../db/errors.ts'
import { AppError } from '../errors.ts'
import { callerStatement, fromApplication } from '../rpc/as_caller.ts'
import type { Call } from '../rpc/rpc.ts'
import type { Services } from '../services.ts'
import type { RequestContext } from './requests.ts'

const UNSERVED =
  'Requests of this transport are not served: who calls is known of HTTP requests to node, express and koa only'

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
        const call = args.requestContext?.wechatCall ?? nobody(services, args.requestContext)
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

/** A query of the application's own process belongs to no request, and is nobody's. */
function nobody({ config }: Services, requestContext: object | undefined): Call {
  // A request that came past src/graphql/requests.ts, by WebSocket say: its token was not looked at, nothing was counted.
  if (requestContext && Object.keys(requestContext).length > 0)
    throw new AppError('no_authorization', { message: UNSERVED })
  return { caller: { role: 'anon' }, appid: config.wechat.defaultAppid, address: 'unknown' }
}

function asCaller(withPgClient: WithPgClient, call: Call): WithPgClient {
  const becomeCaller = callerStatement(call.caller)
  const wrapped: typeof withPgClient = (settings, callback) => {
    const { role: _ours, ...others } = settings ?? {}
    let isApplications = false
    const result = withPgClient(Object.keys(others).length > 0 ? others : null, client =>
      client.withTransaction(async transaction => {
        try {
          await transaction.query(becomeCaller)
          call.isEntered = true
          isApplications = true
          return await callback(transaction)
        } catch (error) {
          // The driver gave up on a statement that still runs, and a rollback would wait behind it: the connection goes,
          // or the next caller would find himself in this transaction.
          if (isReadTimeout(error)) void (transaction as unknown as { rawClient: PoolClient }).rawClient.end()
          throw error
        }
      }),
    )
    return result.catch((error: unknown) => {
      throw isApplications ? fromApplication(error, call.caller) : error
    })
  }
  return Object.assign(wrapped, { release: withPgClient.release })
}
