import { readFileSync } from 'node:fs'
import { compatibilityPage } from './page.ts'

test('docs/compatibility.md says what the tables say: npm run generate', () => {
  const file = new URL('../../../docs/compatibility.md', import.meta.url)
  expect(readFileSync(file, 'utf8')).toBe(compatibilityPage())
})
