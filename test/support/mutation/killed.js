/** Stryker says in the environment which mutant is awake; in its first run none is. */
export const mutant = () => process.env.__STRYKER_ACTIVE_MUTANT__

/** The last mutant that a test has killed. This module is loaded once a process, which serves many mutants. */
let last

export const isKilled = () => last !== undefined && last === mutant()

export function kill() {
  last = mutant()
}
