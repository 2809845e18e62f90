import { FLOOR, OURS, type Results, rowOf } from './results.ts'

// What is wanted, and what was reached. A ratio is of requests a second, but for p99.

type Protocol = keyof typeof OURS
type Rival = 'tuned fastify' | 'naive express' | typeof FLOOR

const wanted: [operation: string, protocol: Protocol, than: Partial<Record<Rival, number>>][] = [
  ['bind', 'REST', { 'tuned fastify': 0.9, 'naive express': 3, [FLOOR]: 0.3 }],
  ['bind', 'GraphQL', { 'tuned fastify': 0.6, 'naive express': 1.8, [FLOOR]: 0.2 }],
  ['sign-in', 'REST', { 'tuned fastify': 0.8, 'naive express': 2.5 }],
  ['sign-in', 'GraphQL', { 'tuned fastify': 0.5, 'naive express': 1.6 }],
  ['current user', 'REST', { 'tuned fastify': 0.5, 'naive express': 1 }],
  ['current user', 'GraphQL', { 'tuned fastify': 0.3, 'naive express': 0.6 }],
]

export const P99_AT_MOST = 1.3
export const GROWTH_AT_LEAST = 0.95
export const MEMORY_AT_MOST = 250
/** The numbers of connections at which ratios are wanted. */
export const AT = [8, 32]

export interface Target {
  what: string
  /** `≥ 0.90` */
  wanted: string
  /** One for each of AT, or one for all; undefined: not measured. */
  reached: (Reached | undefined)[]
}

export interface Reached {
  value: string
  isMet: boolean
}

export const targetsOf = (results: Results): Target[] => [
  ...wanted.flatMap(([operation, protocol, than]) =>
    Object.entries(than).map(([rival, least]) => ({
      what: `${operation}, ${protocol} ÷ ${rival}`,
      wanted: `≥ ${least.toFixed(2)}`,
      reached: AT.map(connections =>
        atLeast(throughput(results, operation, connections, protocol, rival), least),
      ),
    })),
  ),
  ...wanted.flatMap(([operation, protocol]) => ({
    what: `p99 of ${operation}, ${protocol} ÷ tuned fastify`,
    wanted: `≤ ${P99_AT_MOST.toFixed(2)}`,
    reached: AT.map(connections =>
      connections === 32
        ? atMost(latency(results, operation, connections, protocol), P99_AT_MOST)
        : undefined,
    ),
  })),
  ...(results.growth?.result.compared ?? []).map(({ operation, protocol, ratio }) => ({
    what: `${operation}, ${protocol}, ${millions(results.growth!.result.users)} users ÷ 1,000 users`,
    wanted: `≥ ${GROWTH_AT_LEAST}`,
    reached: [atLeast(ratio, GROWTH_AT_LEAST)],
  })),
  ...(results.memory
    ? [
        {
          what: 'memory of the service, MiB at most',
          wanted: `≤ ${MEMORY_AT_MOST}`,
          reached: [atMost(results.memory.result.highest, MEMORY_AT_MOST, 0)],
        },
      ]
    : []),
]

export const millions = (users: number) =>
  users >= 1e6 ? `${users / 1e6} million` : users.toLocaleString('en')

function throughput(results: Results, operation: string, connections: number, by: Protocol, rival: string) {
  const row = rowOf(results, operation, connections)
  const ours = row?.systems[OURS[by]]
  const theirs = rival === FLOOR ? row?.floor : row?.systems[rival]?.perSecond
  return ours && theirs ? ours.perSecond / theirs : undefined
}

function latency(results: Results, operation: string, connections: number, by: Protocol) {
  const row = rowOf(results, operation, connections)
  const [ours, theirs] = [row?.systems[OURS[by]], row?.systems['tuned fastify']]
  return ours && theirs ? ours.p99 / theirs.p99 : undefined
}

/** By what is printed: a target is not missed by a rounding that nobody sees. */
const atLeast = (value: number | undefined, least: number): Reached | undefined =>
  value === undefined ? undefined : { value: value.toFixed(2), isMet: Number(value.toFixed(2)) >= least }

const atMost = (value: number | undefined, most: number, digits = 2): Reached | undefined =>
  value === undefined
    ? undefined
    : { value: value.toFixed(digits), isMet: Number(value.toFixed(digits)) <= most }
