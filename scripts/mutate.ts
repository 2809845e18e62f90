/**
 * Mutation testing: changes the code of src/tokens, src/wechat and src/rpc in one small way after another, and looks
 * whether the tests of that directory notice. Settings: stryker.config.js, jest.mutate.config.js, test/support/mutation.
 *
 *   npm run mutate              everything, one to two hours; the result goes into docs/mutation.md
 *   npm run mutate -- tokens    one directory, for its report in reports/mutation/tokens.html
 *
 * Fails where fewer mutants die than should.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import globalSetup from '../test/support/global_setup.ts'
import globalTeardown from '../test/support/global_teardown.ts'
import { type Report, scoreOf, tableOf } from './mutation_report.ts'

const DIRECTORIES = ['rpc', 'tokens', 'wechat']
const WANTED_PERCENT = 85
const DOCUMENT = 'docs/mutation.md'
const STRYKER = [
  '--no-warnings',
  ...['node_modules/@stryker-mutator/core/bin/stryker.js', 'run', 'stryker.config.js'],
]

const given = process.argv.slice(2)
const unknown = given.filter(directory => !DIRECTORIES.includes(directory))
if (unknown.length > 0) throw new Error(`not one of ${DIRECTORIES.join(', ')}: ${unknown.join(', ')}`)

// It ends when Stryker, which gets the signal too, has ended; the database is ended in any case.
let isInterrupted = false
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    isInterrupted = true
  })
}

const output = mkdtempSync(join(tmpdir(), 'postgraphile-wechat-mutate-'))
try {
  await globalSetup()
  const reports: Report[] = []
  for (const directory of given.length > 0 ? given : DIRECTORIES) reports.push(await mutate(directory))
  const table = tableOf(reports)
  process.stdout.write(`\n${table}\n`)
  if (given.length === 0) writeDocument(table)
  if (reports.some(({ mutants }) => scoreOf(mutants) < WANTED_PERCENT)) process.exitCode = 1
} finally {
  await globalTeardown()
  rmSync(output, { recursive: true, force: true })
}

async function mutate(directory: string): Promise<Report> {
  const started = performance.now()
  // Once is enough for a race: it is run for every mutant that it reaches.
  const env = { ...process.env, MUTATE_DIRECTORY: directory, MUTATE_OUTPUT: output, ROUNDS: '1' }
  const stryker = spawn(process.execPath, STRYKER, { stdio: ['ignore', 'inherit', 'inherit'], env })
  const [code] = await once(stryker, 'exit')
  if (code !== 0 || isInterrupted) throw new Error('Stryker did not come to its end')
  const { files } = JSON.parse(readFileSync(join(output, `${directory}.json`), 'utf8'))
  const minutes = (performance.now() - started) / 60_000
  const named = Object.entries<{ mutants: Report['mutants'] }>(files)
  return {
    directory,
    minutes,
    mutants: named.flatMap(([file, { mutants }]) => mutants.map(mutant => ({ ...mutant, file }))),
  }
}

function writeDocument(table: string) {
  const text = readFileSync(DOCUMENT, 'utf8')
  const written = text.replace(
    /(<!-- result -->\n).*(<!-- end of result -->)/s,
    (_match, before: string, after: string) => `${before}\n${table}\n${after}`,
  )
  writeFileSync(DOCUMENT, written)
}
