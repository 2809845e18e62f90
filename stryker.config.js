// Run by scripts/mutate.ts, once for each directory: it starts the database, and says what is mutated and where to write.

const { MUTATE_DIRECTORY: directory, MUTATE_OUTPUT: output } = process.env

export default {
  mutate: [`src/${directory}/**/*.ts`],
  testRunner: 'jest',
  testRunnerNodeArgs: ['--experimental-vm-modules', '--no-warnings'],
  jest: { configFile: 'jest.mutate.config.js', enableFindRelatedTests: false },
  coverageAnalysis: 'perTest',
  // What exists once a process would need every test of the directory, in rpc minutes apiece; there it is the texts and types of
  // GraphQL, which `npm run check` compares with generated/schema.graphql.
  ignoreStatic: directory === 'rpc',
  concurrency: 2,
  // What jest has loaded as ES modules stays in memory for good.
  maxTestRunnerReuse: 8,
  // A busy machine is no killed mutant. Tests have limits of their own, so this is for what blocks a whole process.
  timeoutMS: 60_000,
  timeoutFactor: 4,
  dryRunTimeoutMinutes: 10,
  // Node strips the types without looking at them.
  disableTypeChecks: false,
  // Stryker would rewrite the tsconfig by an API that TypeScript 7 does not have.
  ignorePatterns: ['.data', 'coverage', 'dist', 'reports', 'tsconfig*.json'],
  // Outside the clone: jest would find its package.json twice.
  tempDirName: `${output}/sandboxes`,
  cleanTempDir: 'always',
  reporters: ['progress-append-only', 'clear-text', 'html', 'json'],
  clearTextReporter: { allowColor: false, logTests: false, reportTests: false, reportScoreTable: false },
  htmlReporter: { fileName: `reports/mutation/${directory}.html` },
  jsonReporter: { fileName: `${output}/${directory}.json` },
}
