import { maxAliasesRule } from '@escape.tech/graphql-armor-max-aliases'
import { depthLimit } from '@graphile/depth-limit'
import { SafeError } from 'postgraphile/grafast'
import {
  GraphQLError,
  Lexer,
  type SelectionSetNode,
  Source,
  TokenKind,
  type ValidationRule,
} from 'postgraphile/grafast/graphql'
import { prepareHeaders } from './headers.ts'

/** GraphiQL's introspection has 200 tokens, and 15 brackets one in the other. */
const MAX_TOKENS = 5_000
const MAX_BRACKETS = 100
/** Selections of an operation, with every fragment in the place of every one of its spreads. */
const MAX_SELECTIONS = 5_000

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

/** The parser follows brackets by recursion, and the rules of validation compare much with much: not without end. */
function requireModestSize(query: string) {
  const lexer = new Lexer(new Source(query))
  const opening: string[] = [TokenKind.BRACE_L, TokenKind.BRACKET_L, TokenKind.PAREN_L]
  const closing: string[] = [TokenKind.BRACE_R, TokenKind.BRACKET_R, TokenKind.PAREN_R]
  let brackets = 0
  for (let tokens = 0; tokens <= MAX_TOKENS && brackets <= MAX_BRACKETS; tokens += 1) {
    const kind = nextKind(lexer)
    if (kind === TokenKind.EOF) return
    brackets += Number(opening.includes(kind)) - Number(closing.includes(kind))
  }
  throw new SafeError('The document is too large or too deep', { statusCode: 400 })
}

/** What is no token ends a document here; the parser will say where it is. */
function nextKind(lexer: Lexer): string {
  try {
    return lexer.advance().kind
  } catch {
    return TokenKind.EOF
  }
}

/** Grafast follows each spread anew, so fragments that spread each other twice would keep it busy for years. */
const selectionLimit: ValidationRule = context => {
  const sizes = new Map<string, number>()
  const sizeOf = (set: SelectionSetNode | undefined): number =>
    (set?.selections ?? []).reduce(
      (sum, node) =>
        sum +
        1 +
        (node.kind === 'FragmentSpread' ? sizeOfFragment(node.name.value) : sizeOf(node.selectionSet)),
      0,
    )
  const sizeOfFragment = (name: string): number => {
    const known = sizes.get(name)
    if (known !== undefined) return known
    // For one that spreads itself, which another rule refuses.
    sizes.set(name, 0)
    const size = sizeOf(context.getFragment(name)?.selectionSet)
    sizes.set(name, size)
    return size
  }
  return {
    OperationDefinition(node) {
      if (sizeOf(node.selectionSet) <= MAX_SELECTIONS) return
      context.reportError(
        new GraphQLError(`The fragments unfold to more than ${MAX_SELECTIONS} selections`, { nodes: node }),
      )
    },
  }
}

/** Left to itself Grafast refuses it while planning, with an error and its stack in the log. */
const knownKinds: ValidationRule = context => ({
  OperationDefinition(node) {
    if (context.getSchema().getRootType(node.operation)) return
    context.reportError(new GraphQLError('There are no operations of this kind here', { nodes: node }))
  },
})

/** What the service allows a request; an application that has its own PostGraphile sets its own limits. */
export const LimitsPlugin: GraphileConfig.Plugin = {
  name: 'WechatLimitsPlugin',
  version: '0.1.0',
  grafserv: {
    middleware: {
      setPreset(next, event) {
        event.validationRules.push(depthLimit(depths), maxAliasesRule(aliases), selectionLimit, knownKinds)
        return next()
      },
      processRequest(next, { requestDigest, resolvedPreset }) {
        if (requestDigest.path === resolvedPreset.grafserv?.graphqlPath) prepareHeaders(requestDigest)
        return next()
      },
      processGraphQLRequestBody(next, { body }) {
        if (typeof body.query === 'string') requireModestSize(body.query)
        return next()
      },
    },
  },
}
