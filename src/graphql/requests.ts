import type { Result } from 'postgraphile/grafserv'
import { AppError } from '../errors.ts'
import { logUnforeseen } from '../log.ts'
import { type Call, countCall, enterSession, identify } from '../rpc/rpc.ts'
import type { Services } from '../services.ts'
import { refusal, withoutValues } from './errors.ts'

/** What the GraphQL context holds for us. */
export interface RequestContext {
  wechat: { services: Services; call: Call }
}

interface RequestError {
  message: string
  extensions?: Record<string, unknown>
}

declare global {
  namespace Grafast {
    interface RequestContext {
      wechatCall?: Call
    }
  }
}

/**
 * The border of GraphQL: who calls is known before anything is parsed (what throws later, in the context, would bypass
 * the masking of errors), and a request that is refused gets the catalogue's name and status.
 */
export const requestPlugin = (services: Services): GraphileConfig.Plugin => ({
  name: 'WechatRequestPlugin',
  version: '0.1.0',
  grafserv: {
    middleware: {
      async processRequest(next, event) {
        const { requestDigest: request, resolvedPreset } = event
        if (request.path !== (resolvedPreset.grafserv?.graphqlPath ?? '/graphql')) return next()
        request.preferJSON = true
        let result: Awaited<ReturnType<typeof next>>
        try {
          const call = await identify(
            services,
            name => [request.headers[name]].flat()[0],
            request.requestContext.node?.req,
          )
          await countCall(services, 'request', call)
          request.requestContext.wechatCall = call
          result = await next()
          // Nothing in the document needed the database: a dead token is told so all the same.
          if (isExecuted(result)) await enterSession(services, call)
        } catch (error) {
          if (error instanceof AppError) return refusal(error)
          // Thrown on, grafserv would print all that PostgreSQL says of it.
          return refusal(new AppError('unexpected_failure'), { error_id: logUnforeseen(services.log, error) })
        }
        if (result?.type !== 'json') return result
        const json = result.json as { data?: unknown; errors?: RequestError[] }
        const isRefused = json.data === undefined && json.errors !== undefined
        const code = result.statusCode >= 500 ? 'unexpected_failure' : 'validation_failed'
        for (const error of isRefused ? json.errors! : []) {
          if (error.extensions?.code === undefined) error.extensions = { code }
          error.message = withoutValues(error.message)
        }
        return {
          ...result,
          statusCode: isRefused && result.statusCode === 200 ? 400 : result.statusCode,
          headers: {
            ...result.headers,
            'cache-control': 'no-store',
            ...(result.statusCode === 405 && { allow: 'POST' }),
          },
        }
      },
    },
  },
})

const isExecuted = (result: Result | null) =>
  result?.type === 'json' && (result.json as { data?: unknown }).data !== undefined
