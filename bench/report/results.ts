import type { Comparison, Row } from '../compare.ts'
import type { Footprint } from '../footprint.ts'
import type { Growth } from '../growth.ts'
import type { MemoryUse } from '../memory.ts'
import type { Versions } from '../versions.ts'

// docs/performance/results.json: what was measured last, as docs/performance.md and its charts show it.

/** What bench/run.ts writes of one benchmark. */
export interface Run<Result> {
  at: string
  commit: string
  node: string
  processors: string
  memoryGiB: number
  quick: boolean
  versions?: Versions
  result: Result
}

export interface Results {
  compare: Run<Comparison>
  growth?: Run<Growth>
  memory?: Run<MemoryUse>
  footprint?: Run<Footprint>
}

export const OURS = { REST: 'ours, REST', GraphQL: 'ours, GraphQL' } as const
export const isOurs = (name: string) => Object.values<string>(OURS).includes(name)
export const FLOOR = 'own SQL alone'

export const rowOf = ({ compare }: Results, operation: string, connections: number): Row | undefined =>
  compare.result.rows.find(row => row.operation === operation && row.connections === connections)

/** The number that the charts of one number of connections are about. */
export const CONNECTIONS = 32

export const systemsOf = ({ compare }: Results) => [
  ...new Set(compare.result.rows.flatMap(row => Object.keys(row.systems))),
]
export const operationsOf = ({ compare }: Results) => [
  ...new Set(compare.result.rows.map(row => row.operation)),
]
export const connectionsOf = ({ compare }: Results) =>
  [...new Set(compare.result.rows.map(row => row.connections))].sort((a, b) => a - b)
