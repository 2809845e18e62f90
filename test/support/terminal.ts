import { execFile } from 'node:child_process'
import { chmod, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

// A shell for the commands of a page. `psql` and `curl` are the machine's where it has them; images of Node have neither, and
// there a few lines of JavaScript stand in, which know what our pages ask of them.

const root = fileURLToPath(new URL('../../', import.meta.url))

/** The statements of standard input, one after the other, until one fails. */
const PSQL = `
import pg from '${join(root, 'node_modules/pg/esm/index.mjs')}'
import { text } from 'node:stream/consumers'
const client = new pg.Client({ connectionString: process.argv[2] })
await client.connect()
// A semicolon at the end of a line ends a statement, but not within $$.
const parts = (await text(process.stdin)).split('$$')
const whole = parts.map((part, index) => (index % 2 ? part : part.replaceAll(/;\\s*$/gm, '\\0'))).join('$$')
for (const statement of whole.split('\\0')) if (statement.trim()) await client.query(statement)
await client.end()
`
/** -f: a status above 399 is a failure. */
const CURL = `
const { argv } = process
const url = argv.find(word => /^https?:/.test(word))
const after = name => argv.flatMap((word, index) => (argv[index - 1] === name ? [word] : []))
const [body] = after('-d')
const response = await fetch(url, {
  method: body === undefined ? 'GET' : 'POST',
  body,
  headers: after('-H').map(line => line.split(/: */)),
})
process.stdout.write(await response.text())
process.exitCode = response.ok ? 0 : 22
`

export interface Terminal {
  /** A place for files. */
  directory: string
  /** Runs a block of a page; what it printed. Raises where a command fails. */
  run(block: string, env?: Record<string, string>): Promise<string>
  close(): Promise<void>
}

/** `path`: directories of programs that come first. */
export async function openTerminal(path: string[] = []): Promise<Terminal> {
  const directory = await mkdtemp(join(tmpdir(), 'postgraphile-wechat-terminal-'))
  const bin = await mkdtemp(join(tmpdir(), 'postgraphile-wechat-bin-'))
  const add = async (name: string, command: string) => {
    await writeFile(join(bin, name), `#!/bin/sh\nexec ${command} "$@"\n`)
    await chmod(join(bin, name), 0o755)
  }
  const PATH = [...path, dirname(process.execPath), ...(process.env.PATH ?? '').split(delimiter)]
  await add('postgraphile-wechat', `'${process.execPath}' '${join(root, 'src/main.ts')}'`)
  for (const [name, source] of Object.entries({ psql: PSQL, curl: CURL })) {
    if (await isIn(PATH, name)) continue
    await writeFile(join(bin, `${name}.mjs`), source)
    await add(name, `'${process.execPath}' '${join(bin, `${name}.mjs`)}'`)
  }
  return {
    directory,
    async run(block, env = {}) {
      const { stdout } = await promisify(execFile)('sh', ['-euc', block], {
        cwd: directory,
        env: { PATH: [bin, ...PATH].join(delimiter), ...env },
      })
      return stdout
    },
    async close() {
      for (const one of [directory, bin]) await rm(one, { recursive: true, force: true })
    },
  }
}

/** TEST_STAND_INS: as if none was there. */
async function isIn(directories: string[], name: string): Promise<boolean> {
  if (process.env.TEST_STAND_INS) return false
  const found = await Promise.all(
    directories.map(directory => readdir(directory).catch(() => [] as string[])),
  )
  return found.some(names => names.includes(name))
}
