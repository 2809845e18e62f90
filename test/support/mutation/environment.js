import { writeFileSync } from 'node:fs'
import { TestEnvironment } from 'jest-environment-node'
import { isKilled, kill, mutant } from './killed.js'
import { timesFile } from './sequencer.js'

/**
 * One failed test kills a mutant, so the tests that are left of its run are skipped: jest has no `bail` within a file.
 * Where no mutant is awake, it notes how long each test took.
 */
export default class Environment extends TestEnvironment {
  #file
  #times = {}

  constructor(config, context) {
    super(config, context)
    this.#file = context.testPath
  }

  handleTestEvent({ name, test }) {
    if (mutant() === undefined) return this.#note(name, test)
    if (name === 'test_start' && isKilled()) test.mode = 'skip'
    // A failed hook fails its tests one after the other: only what a test says of itself counts.
    if (name === 'test_done' && test.errors.length > 0) kill()
  }

  #note(name, test) {
    if (name === 'test_done') this.#times[fullName(test)] = test.duration
    if (name === 'run_finish') writeFileSync(timesFile(this.#file), JSON.stringify(this.#times))
  }
}

const fullName = ({ name, parent }) => (parent?.parent ? `${fullName(parent)} ${name}` : name)
