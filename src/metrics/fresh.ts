/**
 * Answers what `make` made at most `ms` milliseconds ago, and makes it anew otherwise; whoever asks meanwhile awaits the
 * same one. What fails is kept as long: asking again does not help sooner.
 */
export function keepFresh<T>(ms: number, make: () => Promise<T>): () => Promise<T> {
  let kept: Promise<T> | undefined
  let until = Number.POSITIVE_INFINITY
  return () => {
    if (kept && performance.now() < until) return kept
    until = Number.POSITIVE_INFINITY
    const made = make()
    const done = () => {
      until = performance.now() + ms
    }
    made.then(done, done)
    kept = made
    return made
  }
}
