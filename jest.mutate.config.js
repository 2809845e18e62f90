import config from './jest.config.js'

// What Stryker runs for each mutant: the tests of the directory that is mutated, in one process. scripts/mutate.ts has
// started the database.

const { extensionsToTreatAsEsm, transform } = config

/** What else belongs to a directory: its rules about calls are tested where they are seen. */
const more = { rpc: ['limits/limits', 'contract/dead_sessions', 'contract/bad_input'] }

const directory = process.env.MUTATE_DIRECTORY

export default {
  extensionsToTreatAsEsm,
  transform,
  testMatch: [`${directory}/**/*`, ...(more[directory] ?? [])].map(name => `<rootDir>/test/${name}.test.ts`),
  testEnvironment: './test/support/mutation/environment.js',
  testRunner: './test/support/mutation/jest-circus.js',
  testSequencer: './test/support/mutation/sequencer.js',
  // Short, as many mutants wait for what never comes, and long enough for a busy machine: no test takes 10 s.
  testTimeout: 20_000,
}
