import { createEmptyTestResult } from '@jest/test-result'
import runner from 'jest-circus/runner'
import { isKilled } from './killed.js'

/** jest's own runner, until the mutant is killed: then no further file is loaded. Stryker knows it by its name. */
export default (...args) => (isKilled() ? createEmptyTestResult() : runner.default(...args))
