export default {
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '\\.ts$': './test/support/strip_types.js' },
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  globalSetup: './test/support/global_setup.ts',
  globalTeardown: './test/support/global_teardown.ts',
  reporters: ['default', './test/support/leak_reporter.js'],
  testTimeout: 60_000,
  maxWorkers: '100%',
  // A process that has run a hundred files frees gigabytes as it ends: longer than jest's half second, after which it warns of leaks.
  workerGracefulExitTimeout: 10_000,
}
