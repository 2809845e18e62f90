import { mkdir, writeFile } from 'node:fs/promises'
import { bundle } from '../src/playground/bundle.ts'

// The last step of `npm run build`: the page of the playground, beside the service that serves it.

const directory = new URL('../dist/playground/page/', import.meta.url)
await mkdir(directory, { recursive: true })
for (const [name, body] of Object.entries(await bundle())) await writeFile(new URL(name, directory), body)
