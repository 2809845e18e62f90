// Hop before: src/playground/routes.ts. Hop after: src/playground/bundle.ts in a clone, files in the package.
import { readFile } from 'node:fs/promises'

/** The files of the page, by the name under which they are served. */
export type Assets = Record<string, { type: string; body: Buffer }>

const TYPES: Record<string, string> = {
  'index.html': 'text/html; charset=utf-8',
  'main.js': 'text/javascript; charset=utf-8',
  'main.css': 'text/css; charset=utf-8',
  'icon.svg': 'image/svg+xml',
}

/** A clone has no build: there the page is bundled when it is first asked for (about 50 ms). */
export async function loadAssets(): Promise<Assets> {
  const bundled = import.meta.url.endsWith('.ts') ? await (await import('./bundle.ts')).bundle() : undefined
  const entries = Object.entries(TYPES).map(async ([name, type]) => {
    const body = bundled?.[name] ?? (await readFile(new URL(`page/${name}`, import.meta.url)))
    return [name, { type, body }] as const
  })
  return Object.fromEntries(await Promise.all(entries))
}
