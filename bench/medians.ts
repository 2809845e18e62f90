import type { Measured } from './load.ts'

export const median = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!

/** Of each figure for itself; but errors, of which every one counts. */
export function medianOf(all: Measured[]): Measured {
  const of = (name: 'perSecond' | 'p50' | 'p99') => median(all.map(one => one[name]))
  const time = (name: 'nodeMs' | 'postgresMs') =>
    all.some(one => one[name] === null) ? null : median(all.map(one => one[name]!))
  return {
    perSecond: of('perSecond'),
    p50: of('p50'),
    p99: of('p99'),
    nodeMs: time('nodeMs'),
    postgresMs: time('postgresMs'),
    errors: all.reduce((sum, one) => sum + one.errors, 0),
  }
}

const rounded = (value: number) => Number(value.toFixed(3))
const processorMs = ({ nodeMs, postgresMs }: Measured) =>
  nodeMs === null || postgresMs === null ? null : nodeMs + postgresMs

/** Requests a second of one by those of the other, and the same of requests a second of processor time. */
export function ratiosOf(one: Measured, other: Measured) {
  const [mine, others] = [processorMs(one), processorMs(other)]
  return {
    ratio: rounded(one.perSecond / other.perSecond),
    processorRatio: mine === null || others === null ? null : rounded(others / mine),
  }
}
