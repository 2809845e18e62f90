import { cpus } from 'node:os'
import { benchHanging } from './hanging.ts'

// `npm run bench`: everything that is claimed about speed, as ratios to floors of the same run. Not part of the tests.

/** By the name with which one is asked for: `npm run bench hanging`. */
const benches: Record<string, () => Promise<void>> = { hanging: benchHanging }

const asked = process.argv.slice(2)
const unknown = asked.filter(name => !(name in benches))
if (unknown.length > 0) {
  console.error(`No such benchmark: ${unknown.join(', ')}. There are: ${Object.keys(benches).join(', ')}`)
  process.exit(1)
}
console.log(`node ${process.version}, ${cpus().length} processors (${cpus()[0]?.model})`)
for (const [name, bench] of Object.entries(benches))
  if (asked.length === 0 || asked.includes(name)) await bench()
