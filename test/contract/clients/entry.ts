import type { ErrorCode } from '../../../src/errors.ts'
import type { World } from './world.ts'

// What the table of a client consists of. The words of docs/compatibility.md are these, and each stands beside the probe
// that shows it: no entry without one.

export type Outcome = 'works' | 'refused' | 'by design not'

export interface Refusal {
  status: number
  code: ErrorCode
}

export interface Entry<W extends World = World> {
  /** As a caller writes it, from the client on: `auth.admin.signOut`. */
  method: string
  /** A case of it that has a row of its own; every method has one row without. */
  when?: string
  /** The request that it comes to, as `shortRequest` writes it; none: the service is not asked. */
  asks?: string
  outcome: Outcome
  /** What the service answers to that request, at first or for good. */
  error?: Refusal
  /** What a caller should know; for `by design not`, why. */
  note?: string
  /** The client forgets its session by itself, before it asks. */
  forgets?: true
  probe(world: W): Promise<unknown>
}

/** One request of a client, and how it was answered; no status: not at all. */
export interface Sent {
  method: string
  path: string
  status: number | undefined
  /** `x-sb-error-code`. */
  code: string | undefined
}

/** Codes, keys and ids have no place in a table. */
export const shortRequest = ({ method, path }: Sent) => {
  const short = path
    .replace(/^\/auth\/v1/, '')
    .replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, '{id}')
    .replace(/\b(code|apikey)=[^&]*/, '$1=…')
  return `${method} ${short}`
}

export const nameOf = ({ method, when }: Pick<Entry, 'method' | 'when'>) =>
  when === undefined ? method : `${method}, ${when}`

/** A row for each of several values. */
export const each = <T, W extends World>(values: readonly T[], make: (value: T) => Entry<W>) =>
  values.map(make)
