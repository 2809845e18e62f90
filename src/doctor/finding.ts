export type Verdict = 'ok' | 'warning' | 'fault' | 'skipped'

/** What a check has found, in one line. */
export interface Finding {
  verdict: Verdict
  /** Never a secret. */
  text: string
  /** What to do, in a sentence or two. */
  help?: string | undefined
}

export const ok = (text: string): Finding => ({ verdict: 'ok', text })
export const warning = (text: string, help: string): Finding => ({ verdict: 'warning', text, help })
export const fault = (text: string, help: string): Finding => ({ verdict: 'fault', text, help })

/** The check has nothing to look at; the message says why. */
export class Skipped extends Error {}

/** What other checks need cannot be had; `because` is what those say. */
export class Trouble extends Error {
  readonly finding: Finding
  readonly because: string

  constructor(text: string, help: string, because: string) {
    super(text)
    this.finding = fault(text, help)
    this.because = because
  }
}

/** Waits for what another check tells of: where that has failed, this one is skipped. */
export async function need<T>(what: Promise<T>): Promise<T> {
  try {
    return await what
  } catch (error) {
    throw error instanceof Trouble ? new Skipped(error.because) : error
  }
}

/**
 * Settles within `ms`, whatever `work` does; what it does later is nobody's. In words that an older Node knows as well, which
 * is to be told that it is too old.
 */
export async function within<T>(ms: number, work: Promise<T>, otherwise: () => Error): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(otherwise()), ms)
  })
  work.catch(() => {})
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

export const seconds = (ms: number) => `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`
export const plural = (count: number, one: string, many = `${one}s`) => `${count} ${count === 1 ? one : many}`
