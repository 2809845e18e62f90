// Hop before: src/playground/assets.ts in a clone, scripts/build_page.ts for the package. Not part of the package itself.
import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const PAGE = new URL('page/', import.meta.url)

/** The page's files by their names: script and style as one each, what else belongs to it as it is. */
export async function bundle(): Promise<Record<string, Buffer>> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL('main.tsx', PAGE))],
    bundle: true,
    minify: true,
    write: false,
    outdir: fileURLToPath(PAGE),
    format: 'esm',
    target: 'es2022',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    legalComments: 'none',
  })
  const built = outputFiles.map(({ path, contents }) => [basename(path), Buffer.from(contents)] as const)
  const asIs = ['index.html', 'icon.svg'].map(
    async name => [name, await readFile(new URL(name, PAGE))] as const,
  )
  return Object.fromEntries([...built, ...(await Promise.all(asIs))])
}
