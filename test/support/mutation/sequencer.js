import { readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import TestSequencer from '@jest/test-sequencer'
import { mutant } from './killed.js'

/** Where it is noted how long each test of a file took, by its name. */
export const timesFile = path => join(process.env.MUTATE_OUTPUT, `${basename(path)}.times.json`)

/** The test files that reach the mutant, the quickest first; the others are not even loaded. */
export default class Sequencer extends TestSequencer {
  #pattern

  constructor(options) {
    super(options)
    this.#pattern = new RegExp(options.globalConfig.testNamePattern ?? '', 'i')
  }

  sort(tests) {
    if (mutant() === undefined) return super.sort(tests)
    return tests
      .map(test => ({ test, times: this.#timesOf(test) }))
      .filter(({ times }) => times.length > 0)
      .sort((one, other) => sum(one.times) - sum(other.times))
      .map(({ test }) => test)
  }

  #timesOf({ path }) {
    const times = JSON.parse(readFileSync(timesFile(path), 'utf8'))
    return Object.entries(times).flatMap(([name, ms]) => (this.#pattern.test(name) ? [ms] : []))
  }
}

const sum = numbers => numbers.reduce((total, number) => total + number, 0)
