/** Random numbers that a seed repeats (mulberry32): the same seed, the same plan of crashes. */
export function randomOf(seed: number) {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return {
    /** True in so many of a hundred cases. */
    chance: (percent: number) => next() * 100 < percent,
    /** A whole number from `least` to below `most`. */
    between: (least: number, most: number) => Math.floor(least + next() * (most - least)),
    pick: <T>(of: readonly T[]): T => of[Math.floor(next() * of.length)]!,
    shuffle: <T>(of: readonly T[]): T[] =>
      of
        .map(value => ({ value, order: next() }))
        .sort((a, b) => a.order - b.order)
        .map(({ value }) => value),
  }
}

export type Random = ReturnType<typeof randomOf>
