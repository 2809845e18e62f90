import type { SourceUser } from './users.ts'

/** Where users come from. */
export interface Source {
  /** All of them, so many at a time. */
  batches(size: number): AsyncIterable<Batch>
  close(): Promise<void>
}

export interface Batch {
  users: SourceUser[]
  /** How many were left out, by the reason. */
  leftOut: Map<string, number>
  /** How many identities of other providers the users have, by the provider. */
  otherIdentities: Map<string, number>
}

export const emptyBatch = (): Batch => ({ users: [], leftOut: new Map(), otherIdentities: new Map() })

export const count = (counts: Map<string, number>, name: string, by = 1) =>
  counts.set(name, (counts.get(name) ?? 0) + by)
