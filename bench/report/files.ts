import { readFile } from 'node:fs/promises'
import { capacity } from './capacity.ts'
import { charts } from './charts.ts'
import type { Results } from './results.ts'
import { withGenerated, withTables } from './tables.ts'

const root = new URL('../../', import.meta.url)
export const RESULTS = 'docs/performance/results.json'

/** What is made of docs/performance/results.json: tables of two pages, and charts; text by the file's name. */
export async function performanceFiles(): Promise<Record<string, string>> {
  const read = (name: string) => readFile(new URL(name, root), 'utf8')
  const results = JSON.parse(await read(RESULTS)) as Results
  const drawn = Object.entries(charts(results)).map(([name, svg]) => [`docs/performance/${name}`, svg])
  return {
    'docs/performance.md': withTables(await read('docs/performance.md'), results),
    'docs/scale.md': withGenerated(await read('docs/scale.md'), capacity(results)),
    ...Object.fromEntries(drawn),
  }
}
