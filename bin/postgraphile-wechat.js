#!/usr/bin/env node
// The published package runs compiled JavaScript; a clone runs its sources, under the Node that it pins.
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const sources = new URL('../src/main.ts', import.meta.url)
if (existsSync(sources)) {
  const launcher = fileURLToPath(new URL('../scripts/run.mjs', import.meta.url))
  process.argv.splice(1, 1, launcher, fileURLToPath(sources))
  await import(launcher)
} else {
  await import('../dist/main.js')
}
