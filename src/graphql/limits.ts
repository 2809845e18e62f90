import { maxAliasesRule } from '@escape.tech/graphql-armor-max-aliases'
import { depthLimit } from '@graphile/depth-limit'

/** The introspection query of today's tools, GraphiQL's among them, fits exactly. */
const depths = {
  maxDepth: 16,
  maxIntrospectionDepth: 14,
  maxDepthByFieldCoordinates: { '__Type.ofType': 9 },
  revealDetails: true,
}

/** Reported as any other fault of a document: left to itself the rule throws, which ends as a 500. */
const aliases: Parameters<typeof maxAliasesRule>[0] = {
  n: 100,
  allowList: [],
  propagateOnRejection: false,
  onReject: [(context, error) => context?.reportError(error)],
}

/** What the service allows a document; an application that has its own PostGraphile sets its own limits. */
export const LimitsPlugin: GraphileConfig.Plugin = {
  name: 'WechatLimitsPlugin',
  version: '0.1.0',
  grafserv: {
    middleware: {
      setPreset(next, event) {
        event.validationRules.push(depthLimit(depths), maxAliasesRule(aliases))
        return next()
      },
    },
  },
}
