import { parser } from '@prometheus-io/lezer-promql'

/** What an expression asks for. */
export interface Asked {
  /** Where the grammar of Prometheus does not follow. */
  faults: string[]
  selectors: { metric: string; matchers: { label: string; operator: string; value: string }[] }[]
  /** Labels by which is summed, or on which is matched. */
  groupings: string[]
  /** The result has no other labels than those. */
  aggregated: boolean
}

type Node = ReturnType<typeof parser.parse>['topNode']

export function read(expression: string): Asked {
  const nodes: Node[] = []
  parser.parse(expression).iterate({ enter: ({ node }) => void nodes.push(node) })
  const text = ({ from, to }: Node) => expression.slice(from, to)
  const named = (name: string, among = nodes) => among.filter(node => node.name === name)
  const inside = ({ from, to }: Node) => nodes.filter(node => node.from >= from && node.to <= to)
  return {
    faults: nodes.flatMap(node => (node.type.isError ? [expression.slice(node.from)] : [])),
    selectors: named('VectorSelector').map(selector => ({
      metric: text(selector.getChild('Identifier')!),
      matchers: named('UnquotedLabelMatcher', inside(selector)).map(matcher => ({
        label: text(matcher.getChild('LabelName')!),
        operator: text(matcher.getChild('MatchOp')!),
        value: text(matcher.getChild('StringLiteral')!).slice(1, -1),
      })),
    })),
    groupings: named('GroupingLabels').flatMap(group => named('LabelName', inside(group)).map(text)),
    aggregated: named('AggregateExpr').length > 0,
  }
}
