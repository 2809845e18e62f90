import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { performanceFiles, RESULTS } from './report/files.ts'
import type { Results } from './report/results.ts'

// Measures nothing: makes the tables and charts of docs/performance.md and docs/scale.md of what reports/bench has.

const root = new URL('../', import.meta.url)
const names = ['compare', 'growth', 'memory', 'footprint'] as const satisfies (keyof Results)[]

export async function report(): Promise<void> {
  const found = names.filter(name => existsSync(new URL(`reports/bench/${name}.json`, root)))
  if (!found.includes('compare'))
    throw new Error('reports/bench/compare.json is missing: npm run bench -- compare')
  const runs = await Promise.all(
    found.map(async name => [
      name,
      JSON.parse(await readFile(new URL(`reports/bench/${name}.json`, root), 'utf8')),
    ]),
  )
  await mkdir(new URL('docs/performance/', root), { recursive: true })
  // A pair of numbers, of which there are many, on a line.
  const text = JSON.stringify(Object.fromEntries(runs), null, 2).replaceAll(
    /\[\s+([\d.]+),\s+([\d.]+)\s+\]/g,
    '[$1, $2]',
  )
  await writeFile(new URL(RESULTS, root), `${text}\n`)
  for (const [name, text] of Object.entries(await performanceFiles())) {
    await writeFile(new URL(name, root), text)
    console.log(`written: ${name}`)
  }
}
