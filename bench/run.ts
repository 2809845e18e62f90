import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { parseArgs } from 'node:util'
import { compare, full, quick } from './compare.ts'
import { findFootprint } from './footprint.ts'
import { growth } from './growth.ts'
import { benchHanging } from './hanging.ts'
import { memory } from './memory.ts'
import { report } from './report.ts'
import { versions } from './versions.ts'

// `npm run bench`: everything that is claimed about speed, as ratios to floors of the same run. Not part of the tests.

const { values, positionals } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    /** Of growth: how many users the large database has, and where it is put. */
    users: { type: 'string' },
    directory: { type: 'string' },
  },
  allowPositionals: true,
})

/** By the name with which one is asked for: `npm run bench -- hanging`. */
const benches: Record<string, (isQuick: boolean) => Promise<unknown>> = {
  compare: isQuick => compare(isQuick ? quick : full),
  hanging: benchHanging,
  footprint: findFootprint,
  growth: isQuick =>
    growth({
      users: Number(values.users ?? (isQuick ? 200_000 : 10_000_000)),
      rounds: 5,
      seconds: isQuick ? 2 : 5,
      directory: values.directory,
    }),
  memory: isQuick => memory(isQuick ? 1 : 10),
}
/** Only who asks for them wants to wait for them: ten million users take some 20 GB, too. */
const LONG = ['growth', 'memory']

// `npm run bench -- report` measures nothing.
if (positionals[0] === 'report') {
  await report()
  process.exit()
}
const unknown = positionals.filter(name => !(name in benches))
if (unknown.length > 0) {
  console.error(
    `No such benchmark: ${unknown.join(', ')}. There are: ${Object.keys(benches).join(', ')}, report`,
  )
  process.exit(1)
}
const asked =
  positionals.length > 0
    ? positionals
    : values.quick
      ? ['compare']
      : Object.keys(benches).filter(name => !LONG.includes(name))

const machine = {
  at: new Date().toISOString(),
  commit: git('describe', '--always', '--dirty'),
  node: process.version,
  processors: `${cpus().length} × ${cpus()[0]?.model}`,
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  versions: versions(),
}
console.log(machine)
mkdirSync('reports/bench', { recursive: true })
for (const name of asked) {
  const result = await benches[name]!(values.quick)
  const file = `reports/bench/${name}.json`
  writeFileSync(file, `${JSON.stringify({ ...machine, quick: values.quick, result }, null, 2)}\n`)
  console.log(`written to ${file}`)
}

function git(...args: string[]): string {
  try {
    return execFileSync('git', args, { encoding: 'utf8' }).trim()
  } catch {
    return 'no git'
  }
}
